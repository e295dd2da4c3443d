//! The encoding of buckets: the caller's own rows, and the directory of what they lie in.

use std::ops::Bound;

use super::schema::table;
use super::{Reader, Reason, Row, Writer};
use crate::model::row_id::BucketId;
use crate::model::text::Text;

/// A bucket, as the directory knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BucketRecord {
    pub(crate) id: BucketId,
    /// The last number that was drawn from it.
    pub(crate) sequence: u64,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// No key of it lies before this.
    pub(crate) low: Vec<u8>,
    /// No key of it lies behind this, unless it is empty.
    pub(crate) high: Vec<u8>,
    /// Changes of its rows are in the change log.
    pub(crate) logged: bool,
    /// Those of a bucket that lies in it are, or were.
    pub(crate) logged_within: bool,
}

impl BucketRecord {
    /// Between what its keys lie.
    pub(crate) fn ends(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let high = match self.high.as_slice() {
            [] => Bound::Unbounded,
            high => Bound::Included(high),
        };
        (Bound::Included(&self.low), high)
    }

    /// Notes that the smallest key is this one.
    pub(crate) fn begins_with(&mut self, key: &[u8]) {
        self.low.clear();
        self.low.extend_from_slice(key);
    }

    /// Notes that the largest key is this one.
    pub(crate) fn ends_with(&mut self, key: &[u8]) {
        self.high.clear();
        self.high.extend_from_slice(key);
    }

    /// Notes that there is this key.
    pub(crate) fn takes_in(&mut self, key: &[u8]) {
        if key < self.low.as_slice() {
            self.begins_with(key);
        }
        // Most keys come at the end: it is not written again for each.
        if key > self.high.as_slice() {
            self.high.clear();
        }
    }
}

/// The key of what lies in a bucket: of a row, or in the directory of another bucket.
pub(crate) fn in_bucket(bucket: BucketId, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(8 + key.len());
    row.extend_from_slice(&bucket.0.to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// The bucket that something lies in, and its key there.
pub(crate) fn bucket_row(key: &[u8]) -> Result<(BucketId, &[u8]), Reason> {
    let (bucket, key) = key.split_first_chunk::<8>().ok_or("the key is too short")?;
    Ok((BucketId(u64::from_be_bytes(*bucket)), key))
}

/// The bucket that a bucket lies in, and its name.
pub(crate) fn bucket_of(key: &[u8]) -> Result<(BucketId, Text), Reason> {
    let (parent, name) = bucket_row(key)?;
    let name = std::str::from_utf8(name).map_err(|error| format!("a name is not UTF-8: {error}"))?;
    Ok((parent, name.into()))
}

impl Row for table::Buckets {
    type New<'a> = &'a BucketRecord;
    type Value<'v> = BucketRecord;

    fn write(bucket: &BucketRecord, w: &mut Writer<'_>) {
        w.number(bucket.id.0);
        w.number(bucket.sequence);
        w.number(bucket.rows);
        w.bytes(&bucket.low);
        w.bytes(&bucket.high);
        w.byte(u8::from(bucket.logged) | u8::from(bucket.logged_within) << 1);
    }

    fn read(_: &[u8], r: &mut Reader<'_>) -> Result<BucketRecord, Reason> {
        let (id, sequence, rows) = (BucketId(r.number()?), r.number()?, r.number()?);
        let (low, high) = (r.bytes()?.to_vec(), r.bytes()?.to_vec());
        let bits = r.byte()?;
        if bits > 3 {
            return Err(format!("a bucket has unknown bits: {bits}"));
        }
        let (logged, logged_within) = (bits & 1 != 0, bits & 2 != 0);
        Ok(BucketRecord { id, sequence, rows, low, high, logged, logged_within })
    }
}

impl Row for table::BucketRows {
    type New<'a> = &'a [u8];
    type Value<'v> = &'v [u8];

    fn write(value: &[u8], w: &mut Writer<'_>) {
        w.rest(value);
    }

    fn read<'v>(_: &[u8], r: &mut Reader<'v>) -> Result<&'v [u8], Reason> {
        Ok(r.bytes_to_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode};

    #[test]
    fn buckets_and_their_rows_come_back_as_they_were() {
        let mut record =
            BucketRecord { id: BucketId(300), sequence: u64::MAX, rows: 7, ..BucketRecord::default() };
        for low in [&b""[..], b"a", &[0xff; 64]] {
            (record.low, record.high) = (low.to_vec(), vec![0xff; 1024 - low.len()]);
            (record.logged, record.logged_within) = (low.is_empty(), low.len() > 1);
            let (key, mut out) = (in_bucket(BucketId(5), "Ω".as_bytes()), Vec::new());
            encode::<table::Buckets>(&key, &mut out, |w| table::Buckets::write(&record, w));
            assert_eq!(decode::<table::Buckets>(&key, &out).as_ref(), Ok(&record));
            assert_eq!(bucket_of(&key), Ok((BucketId(5), "Ω".into())));
        }
        for value in [&b""[..], b"value", &[0; 300]] {
            let (key, mut out) = (in_bucket(BucketId(5), b"\xff\x00"), Vec::new());
            encode::<table::BucketRows>(&key, &mut out, |w| table::BucketRows::write(value, w));
            assert_eq!(decode::<table::BucketRows>(&key, &out), Ok(value));
            assert_eq!(bucket_row(&key), Ok((BucketId(5), &b"\xff\x00"[..])));
        }
        assert!(bucket_row(b"short").is_err() && bucket_of(b"12345678\xff").is_err());
    }

    #[test]
    fn no_key_lies_beyond_the_ends_that_are_known() {
        let mut record = BucketRecord::default();
        record.takes_in(b"b");
        assert_eq!((&*record.low, &*record.high), (&b""[..], &b""[..]), "nothing is known");
        record.begins_with(b"g");
        record.ends_with(b"m");
        for (key, low, high) in
            [("h", "g", "m"), ("g", "g", "m"), ("f", "f", "m"), ("m", "f", "m"), ("n", "f", "")]
        {
            record.takes_in(key.as_bytes());
            assert_eq!((&*record.low, &*record.high), (low.as_bytes(), high.as_bytes()), "{key}");
        }
    }
}
