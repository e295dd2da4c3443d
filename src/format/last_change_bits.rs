//! Which changes of a block are the last ones of their executions.

use super::schema::table;
use super::{BLOCK, Reader, Reason, Row, Writer};

const WORDS: usize = (BLOCK / 64) as usize;

/// A bit for each change of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastChangeBits([u64; WORDS]);

impl LastChangeBits {
    /// All of them, as far as is known.
    pub(crate) fn all() -> Self {
        Self([u64::MAX; WORDS])
    }

    pub(crate) fn set(&mut self, change: u64, is_last: bool) {
        let place = change % BLOCK;
        if let Some(word) = self.0.get_mut((place / 64) as usize) {
            let bit = 1 << (place % 64);
            *word = if is_last { *word | bit } else { *word & !bit };
        }
    }

    pub(crate) fn contains(&self, change: u64) -> bool {
        let place = change % BLOCK;
        self.0.get((place / 64) as usize).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The changes of a block that are, in order.
    pub(crate) fn of_block(self, block: u64) -> impl DoubleEndedIterator<Item = u64> {
        (0..BLOCK)
            .filter(move |place| self.contains(*place))
            .map(move |place| block.saturating_mul(BLOCK).saturating_add(place))
    }
}

impl Row for table::LastChangeBits {
    type New<'a> = &'a LastChangeBits;
    type Value<'v> = LastChangeBits;

    fn write(last_change_bits: &LastChangeBits, w: &mut Writer<'_>) {
        last_change_bits.0.iter().for_each(|word| w.fixed(*word));
    }

    fn read(_: &[u8; 8], r: &mut Reader<'_>) -> Result<LastChangeBits, Reason> {
        let mut last_change_bits = LastChangeBits::default();
        for word in &mut last_change_bits.0 {
            *word = r.fixed()?;
        }
        Ok(last_change_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode};

    #[test]
    fn bits_come_back_and_are_those_of_their_changes() {
        let mut last_change_bits = LastChangeBits::default();
        for change in [2048, 2049, 2111, 2112, 3071] {
            assert!(!last_change_bits.contains(change));
            last_change_bits.set(change, true);
        }
        let (key, mut out) = (2u64.to_be_bytes(), Vec::new());
        encode::<table::LastChangeBits>(&key, &mut out, |w| {
            table::LastChangeBits::write(&last_change_bits, w)
        });
        assert_eq!(decode::<table::LastChangeBits>(&key, &out), Ok(last_change_bits));
        assert_eq!(last_change_bits.of_block(2).collect::<Vec<_>>(), [2048, 2049, 2111, 2112, 3071]);
        assert_eq!(last_change_bits.of_block(2).next_back(), Some(3071));
        for change in [2048, 2049, 2111, 2112, 3071] {
            assert!(!last_change_bits.is_empty());
            last_change_bits.set(change, false);
        }
        assert!(last_change_bits.is_empty());
        assert_eq!(LastChangeBits::all().of_block(0).count() as u64, BLOCK);
    }
}
