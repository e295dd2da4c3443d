//! The tables `buckets` and `bucket_rows`: the caller's own rows, and what they lie in.

use std::ops::Bound;

use super::range::CheckedRange;
use super::side_data::sound;
use super::slots::Stored;
use super::{Budget, Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{BucketRecord, Reason, Row, bucket_of, bucket_row, decode, encode, in_bucket};
use crate::model::buckets::BucketRow;
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::BucketId;
use crate::model::text::Text;

impl<S: Source> Tables<S> {
    /// The bucket of a name in another one.
    pub(crate) fn bucket(&self, parent: BucketId, name: &str) -> Result<Option<BucketRecord>, ReadError> {
        self.get::<table::Buckets, _>(&in_bucket(parent, name.as_bytes()))
    }

    /// The buckets in one, by name.
    pub(crate) fn buckets_in(
        &self,
        parent: BucketId,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(Text, BucketRecord), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let row = |key: &[u8], value: &[u8]| Ok((bucket_of(key)?.1, decode::<table::Buckets>(key, value)?));
        self.between_in::<table::Buckets, _, _>(parent, ALL, row)
    }

    /// What lies in a bucket between two keys.
    fn between_in<'a, T: Stored<Key = [u8]>, R, F: FnMut(&[u8], &[u8]) -> Result<R, Reason>>(
        &'a self,
        bucket: BucketId,
        (low, high): (Bound<&[u8]>, Bound<&[u8]>),
        decode: F,
    ) -> Result<CheckedRange<'a, T, F>, StorageError> {
        let low = match low {
            Bound::Unbounded => Bound::Included(in_bucket(bucket, &[])),
            low => low.map(|key| in_bucket(bucket, key)),
        };
        let high = match high {
            // What every key of the bucket lies before.
            Bound::Unbounded => match bucket.0.checked_add(1) {
                Some(next) => Bound::Excluded(in_bucket(BucketId(next), &[])),
                None => Bound::Unbounded,
            },
            high => high.map(|key| in_bucket(bucket, key)),
        };
        self.between::<T, _, _>(low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice), decode)
    }

    pub(crate) fn bucket_value(&self, bucket: BucketId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let key = in_bucket(bucket, key);
        self.look_up::<table::BucketRows, _>(&key, |value| {
            decode::<table::BucketRows>(&key, value).map(<[u8]>::to_vec)
        })
    }

    pub(crate) fn has_bucket_row(&self, bucket: BucketId, key: &[u8]) -> Result<bool, StorageError> {
        self.has::<table::BucketRows>(&in_bucket(bucket, key))
    }

    /// Whether a key is the first of a bucket, and the last, within what is known of its ends.
    pub(crate) fn is_at_end(&self, bucket: &BucketRecord, key: &[u8]) -> Result<(bool, bool), StorageError> {
        let (low, high) = bucket.ends();
        let own = in_bucket(bucket.id, key);
        let rows =
            |ends| self.between_in::<table::BucketRows, _, _>(bucket.id, ends, |key, _| Ok(key == own));
        let first = rows((low, Bound::Included(key)))?.next();
        let last = rows((Bound::Included(key), high))?.next_back();
        Ok((found(first)?, found(last)?))
    }

    /// The rows of a bucket between two keys, in order.
    pub(crate) fn bucket_rows(
        &self,
        bucket: BucketId,
        ends: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<impl DoubleEndedIterator<Item = Result<BucketRow, ReadError>> + use<'_, S>, StorageError>
    {
        let row = |key: &[u8], value: &[u8]| {
            let value = decode::<table::BucketRows>(key, value)?.to_vec();
            Ok(BucketRow { key: bucket_row(key)?.1.to_vec(), value })
        };
        self.between_in::<table::BucketRows, _, _>(bucket, ends, row)
    }
}

/// A whole bucket.
const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

/// Of a damaged row it is not known.
fn found(row: Option<Result<bool, ReadError>>) -> Result<bool, StorageError> {
    match row {
        Some(Err(ReadError::Storage(error))) => Err(error),
        row => Ok(matches!(row, Some(Ok(true)))),
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_bucket(
        &mut self,
        parent: BucketId,
        name: &str,
        bucket: &BucketRecord,
    ) -> Result<(), StorageError> {
        self.put::<table::Buckets>(&in_bucket(parent, name.as_bytes()), bucket)
    }

    pub(crate) fn remove_bucket(&mut self, parent: BucketId, name: &str) -> Result<bool, StorageError> {
        self.remove::<table::Buckets>(&in_bucket(parent, name.as_bytes()))
    }

    /// Writes a row; `is_new` if it is known that there is none of this key.
    pub(crate) fn put_bucket_row(
        &mut self,
        bucket: BucketId,
        key: &[u8],
        value: &[u8],
        is_new: bool,
    ) -> Result<(), StorageError> {
        let key = in_bucket(bucket, key);
        self.put_encoded::<table::BucketRows>(&key, is_new, |out| {
            encode::<table::BucketRows>(&key, out, |w| table::BucketRows::write(value, w));
        })
    }

    /// Removes a row that is there.
    pub(crate) fn remove_bucket_row(&mut self, bucket: BucketId, key: &[u8]) -> Result<(), StorageError> {
        self.remove_known::<table::BucketRows>(&in_bucket(bucket, key))
    }

    /// The keys of rows of a bucket, damaged ones too, as many as the budget has left.
    pub(crate) fn some_bucket_keys(
        &self,
        bucket: BucketId,
        budget: &mut Budget,
    ) -> Result<Vec<Vec<u8>>, StorageError> {
        let row = |key: &[u8], _: &[u8]| Ok((0, bucket_row(key)?.1.to_vec()));
        sound(self.between_in::<table::BucketRows, _, _>(bucket, ALL, row)?, budget)
    }
}
