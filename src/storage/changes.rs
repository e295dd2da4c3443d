//! The table `changes`: the change log.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables, damaged};
use crate::format::schema::{Tag, table};
use crate::format::{
    EncodedHeader, Follows, Glimpse, decode_change, decode_change_if, decode_follows, encode_bucket_change,
    encode_change, number_of,
};
use crate::model::change::Change;
use crate::model::entry::{BucketEntry, ExecutionEntry};
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::Link;
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::RowId;

/// An entry of the log, decoded if it was wanted.
pub(crate) struct Noticed {
    pub(crate) seq: u64,
    pub(crate) change: Option<Change>,
}

fn keys(seqs: &RangeInclusive<u64>) -> ([u8; 8], [u8; 8]) {
    (seqs.start().to_be_bytes(), seqs.end().to_be_bytes())
}

impl<S: Source> Tables<S> {
    /// The entries of the log with sequence numbers in a range.
    pub(crate) fn change_rows<'a>(
        &'a self,
        seqs: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Change, ReadError>> + use<'a, S>, StorageError> {
        let (low, high) = keys(&seqs);
        let decode = |key: &[u8; 8], value: &[u8]| decode_change(key, value, lifecycle);
        self.range::<table::Changes, _, _>(&low, &high, decode)
    }

    /// The same, but those that are not wanted by what stands at their beginning are not decoded further.
    pub(crate) fn change_rows_if<'a>(
        &'a self,
        seqs: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
        keep: Option<&'a dyn Fn(&Glimpse) -> bool>,
    ) -> Result<impl Iterator<Item = Result<Noticed, ReadError>> + use<'a, S>, StorageError> {
        let (low, high) = keys(&seqs);
        self.range::<table::Changes, _, _>(&low, &high, move |key: &[u8; 8], value: &[u8]| {
            let change = decode_change_if(key, value, lifecycle, keep)?;
            Ok(Noticed { seq: number_of(key), change })
        })
    }

    /// Entries of the log and the executions that they are about; `None` for those that are about none.
    pub(crate) fn follows_rows(
        &self,
        seqs: RangeInclusive<u64>,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(u64, Option<Follows>), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let (low, high) = keys(&seqs);
        self.range::<table::Changes, _, _>(&low, &high, |key: &[u8; 8], value: &[u8]| {
            Ok((number_of(key), decode_follows(key, value)?))
        })
    }

    /// The execution that an entry of the log is about, if it is about one.
    pub(crate) fn changed_number(&self, seq: u64) -> Result<Option<RowId>, ReadError> {
        let key = seq.to_be_bytes();
        match self.look_up::<table::Changes, _>(&key, |value| decode_follows(&key, value))? {
            Some(follows) => Ok(follows.map(|follows| follows.number)),
            None => Err(damaged(Tag::Changes, &key, "the entry is missing").into()),
        }
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn remove_change(&mut self, seq: u64) -> Result<bool, StorageError> {
        self.remove::<table::Changes>(&seq.to_be_bytes())
    }

    pub(crate) fn put_change(
        &mut self,
        seq: u64,
        change: (&ExecutionEntry<'_>, &EncodedHeader, Option<&Link>),
    ) -> Result<(), StorageError> {
        let key = seq.to_be_bytes();
        self.put_with::<table::Changes>(&key, |out| encode_change(&key, change, out))
    }

    pub(crate) fn put_bucket_change(
        &mut self,
        seq: u64,
        change: (&BucketEntry<'_>, Option<&Link>),
    ) -> Result<(), StorageError> {
        let key = seq.to_be_bytes();
        self.put_with::<table::Changes>(&key, |out| encode_bucket_change(&key, change, out))
    }
}
