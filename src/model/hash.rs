//! Hashes: SHA-256 and its spelling, what chains the entries of the change log, and the sum over all rows. Pure.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// What an entry of the log carries in a tamper-evident store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The hash of the entry before.
    pub(crate) previous: Hash,
    /// The digest of the events and the payload that came with it.
    pub(crate) content: Hash,
}

/// A sum of hashes modulo 2^256. The order does not matter, and what was added can be taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) [u64; 4]);

impl Sum {
    pub(crate) fn add(&mut self, hash: Hash) {
        self.add_sum(Sum(limbs(hash)));
    }

    /// Adds what was summed up elsewhere.
    pub(crate) fn add_sum(&mut self, other: Sum) {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first | second);
        }
    }

    pub(crate) fn subtract(&mut self, hash: Hash) {
        let mut borrow = false;
        for (limb, less) in self.0.iter_mut().zip(limbs(hash)) {
            let (rest, first) = limb.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first | second);
        }
    }
}

fn limbs(hash: Hash) -> [u64; 4] {
    let (limbs, _) = hash.as_chunks::<8>();
    std::array::from_fn(|place| limbs.get(place).map_or(0, |limb| u64::from_le_bytes(*limb)))
}

/// The hash of a row for the sum.
pub(crate) fn row_hash(table: u8, key: &[u8], value: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([table]);
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().into()
}

pub(crate) fn hex(hash: &Hash) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Hash> {
    unhex_all(text)?.try_into().ok()
}

/// The bytes that lower-case hexadecimal digits spell.
pub(crate) fn unhex_all(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// A hash in JSON: 64 lower-case hexadecimal digits.
pub(crate) mod hex_text {
    use serde::de::{Error, Unexpected};
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Hash, hex, unhex};

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = &"a SHA-256 as 64 lower-case hexadecimal digits";
        unhex(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), expected))
    }

    crate::model::json::form::optional!(crate::model::hash::Hash);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_forget_what_is_taken_away() {
        let hash = |n: u8| row_hash(n, b"key", b"value");
        let (mut one, mut other) = (Sum::default(), Sum::default());
        (0..100).for_each(|n| one.add(hash(n)));
        (0..100).rev().for_each(|n| other.add(hash(n)));
        assert_eq!(one, other);
        (0..50).for_each(|n| one.subtract(hash(n)));
        let mut rest = Sum::default();
        (50..100).for_each(|n| rest.add(hash(n)));
        assert_eq!(one, rest);
        let mut all = Sum([u64::MAX; 4]);
        all.add([
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(all, Sum::default());
        all.subtract(hash(1));
        all.add(hash(1));
        assert_eq!(all, Sum::default());
    }

    #[test]
    fn a_row_is_its_table_key_and_value() {
        let hashes = [
            row_hash(1, b"ab", b"c"),
            row_hash(1, b"a", b"bc"),
            row_hash(2, b"ab", b"c"),
            row_hash(1, b"", b"abc"),
        ];
        for (n, one) in hashes.iter().enumerate() {
            assert!(hashes.iter().skip(n + 1).all(|two| one != two));
        }
        assert_eq!(unhex(&hex(&hashes[0])), Some(hashes[0]));
        for bad in ["", "zz", &"A".repeat(64), &"é".repeat(32)] {
            assert_eq!(unhex(bad), None);
        }
    }
}
