//! The frame of every stored value: a checksum over table, key and value, and a version.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::Reason;
use super::schema::Tag;

/// Version of the value encodings. A new encoding of any value gets the next one.
const VERSION: u8 = 1;

/// Bytes before the body: the checksum, little-endian, and the version.
pub(crate) const FRAME: usize = 9;

/// XXH3 of the value, and of the key seeded with the table: a value that turns up under another key or in
/// another table is as wrong as a flipped bit. The long part goes without a seed, which would cost XXH3 a
/// secret of its own each time.
fn checksum(table: Tag, key: &[u8], version_and_body: &[u8]) -> [u8; 8] {
    (xxh3_64(version_and_body) ^ xxh3_64_with_seed(key, u64::from(table.byte()))).to_le_bytes()
}

/// Fills in the frame of a value whose body follows `FRAME` bytes of room.
pub(crate) fn finish_frame(table: Tag, key: &[u8], value: &mut [u8]) {
    if let Some((sum, rest)) = value.split_first_chunk_mut::<8>() {
        if let Some(version) = rest.first_mut() {
            *version = VERSION;
        }
        *sum = checksum(table, key, rest);
    }
}

/// Checks a value's frame and gives its body.
pub(crate) fn check_frame<'a>(table: Tag, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Reason> {
    let Some((sum, rest)) = value.split_first_chunk::<8>() else {
        return Err(format!("the value has only {} bytes", value.len()));
    };
    if *sum != checksum(table, key, rest) {
        return Err("the checksum is wrong".into());
    }
    match rest.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => Err(format!("the value has version {version}, not {VERSION}")),
        None => Err("the value has no version".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_its_table_and_key() {
        let mut value = vec![0; FRAME];
        value.extend(b"body");
        let (table, other) = (Tag::Executions, Tag::Payloads);
        finish_frame(table, b"key", &mut value);
        assert_eq!(check_frame(table, b"key", &value).unwrap(), b"body");
        assert!(check_frame(other, b"key", &value).is_err());
        assert!(check_frame(table, b"kez", &value).is_err());
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check_frame(table, b"key", &flipped).is_err(), "bit {bit}");
        }
        for len in 0..value.len() {
            assert!(check_frame(table, b"key", &value[..len]).is_err(), "length {len}");
        }
    }
}
