//! The key of a pending row: in place where it is short, as nearly all are.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;

const SHORT: usize = 30;

#[derive(Debug)]
pub(in crate::storage) enum RowKey {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl RowKey {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(key);
                Self::Short(len, bytes)
            }
            _ => Self::Long(key.into()),
        }
    }
}

impl Deref for RowKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for RowKey {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Ord for RowKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RowKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_bytes_whatever_their_length() {
        let mut keys: Vec<Vec<u8>> = [0, 1, 29, 30, 31, 32, 300].map(|len| vec![7; len]).into();
        keys.extend([29, 30, 31].map(|len| [vec![7; len], vec![0]].concat()));
        keys.extend([vec![6; 40], vec![8], vec![7, 0], vec![0xff; 30], vec![0xff; 31]]);
        let mut all: Vec<RowKey> = keys.iter().map(|key| RowKey::new(key)).collect();
        all.sort();
        keys.sort();
        assert_eq!(all.iter().map(|key| key.to_vec()).collect::<Vec<_>>(), keys);
    }
}
