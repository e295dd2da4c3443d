//! The caller's own rows. Pure.

use serde::{Deserialize, Serialize};

use crate::model::limits::{InputError, MAX_BUCKET_KEY, MAX_BUCKET_VALUE, check_size};

/// A row of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketRow {
    /// Its key; [`parse_key`](crate::buckets::parse_key) reads one that was made with [`key`](crate::buckets::key()).
    #[serde(rename = "key_base64", with = "crate::model::json::base64")]
    pub key: Vec<u8>,
    /// Its value.
    #[serde(rename = "value_base64", with = "crate::model::json::base64")]
    pub value: Vec<u8>,
}

/// Refuses what a bucket does not take.
pub(crate) fn check_row(key: &[u8], value: Option<&[u8]>) -> Result<(), InputError> {
    check_size("bucket key", key.len(), MAX_BUCKET_KEY)?;
    value.map_or(Ok(()), |value| check_size("bucket value", value.len(), MAX_BUCKET_VALUE))
}

/// The smallest key that lies behind every key with a prefix; `None` if there is none.
pub(crate) fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let end = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut behind = prefix.get(..=end)?.to_vec();
    *behind.last_mut()? += 1;
    Some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_a_prefix_is_the_next_of_its_length_or_shorter() {
        for (prefix, expected) in [
            (&b"a"[..], Some(&b"b"[..])),
            (b"a\xfe", Some(b"a\xff")),
            (b"a\xff\xff", Some(b"b")),
            (b"\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(behind(prefix).as_deref(), expected, "{prefix:?}");
        }
    }
}
