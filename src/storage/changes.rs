//! The table `changes`: the change log.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed, look_up};
use crate::format::schema::{Number, Tag};
use crate::format::{
    Follows, Glimpse, decode_change, decode_change_if, decode_follows, encode_change, number_of,
};
use crate::model::change::{Change, Entry};
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::Link;
use crate::model::id::ChangeSeq;
use crate::model::lifecycle::Lifecycle;

impl<S: Source> Tables<S> {
    /// The entries of the log with sequence numbers in a range.
    pub(crate) fn change_rows<'a>(
        &'a self,
        seqs: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Change, ReadError>> + use<'a, S>, StorageError> {
        let (start, end) = (seqs.start().to_be_bytes(), seqs.end().to_be_bytes());
        let table = self.slots.changes.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::Changes, &start, Some(&end), |key, value| {
            let seq = ChangeSeq(number_of(fixed(key)?));
            decode_change(Tag::Changes as u8, key, seq, value, lifecycle)
                .map_err(|reason| damaged(Tag::Changes, key, reason).into())
        }))
    }

    /// The same, but those that are not wanted by what stands at their beginning are not decoded further.
    pub(crate) fn change_rows_if<'a>(
        &'a self,
        seqs: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
        keep: Option<&'a dyn Fn(&Glimpse) -> bool>,
    ) -> Result<impl Iterator<Item = Result<Noticed, ReadError>> + use<'a, S>, StorageError> {
        let (start, end) = (seqs.start().to_be_bytes(), seqs.end().to_be_bytes());
        let table = self.slots.changes.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::Changes, &start, Some(&end), move |key, value| {
            let (table, seq) = (Tag::Changes as u8, number_of(fixed(key)?));
            let noticed = decode_change_if(table, key, ChangeSeq(seq), value, lifecycle, keep)
                .map(|change| Noticed { seq, change });
            noticed.map_err(|reason| damaged(Tag::Changes, key, reason).into())
        }))
    }
}

/// An entry of the log, decoded if it was wanted.
pub(crate) struct Noticed {
    pub(crate) seq: u64,
    pub(crate) change: Option<Change>,
}

impl<S: Source> Tables<S> {
    /// Entries of the log and what they are about.
    pub(crate) fn follows_rows(
        &self,
        seqs: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, Follows), ReadError>> + use<'_, S>, StorageError>
    {
        let (start, end) = (seqs.start().to_be_bytes(), seqs.end().to_be_bytes());
        let table = self.slots.changes.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(
            range,
            Tag::Changes,
            &start,
            Some(&end),
            |key, value| match decode_follows(Tag::Changes as u8, key, value) {
                Ok(follows) => Ok((number_of(fixed(key)?), follows)),
                Err(reason) => Err(damaged(Tag::Changes, key, reason).into()),
            },
        ))
    }

    /// The execution that an entry of the log is about.
    pub(crate) fn changed_number(&self, seq: u64) -> Result<u64, ReadError> {
        let key = seq.to_be_bytes();
        let table = self.slots.changes.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_follows(Tag::Changes as u8, &key, value))?;
        match found.unwrap_or_else(|| Err("the entry is missing".into())) {
            Ok(follows) => Ok(follows.number),
            Err(reason) => Err(damaged(Tag::Changes, &key, reason).into()),
        }
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn remove_change(&mut self, seq: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Changes, &seq.to_be_bytes())
    }

    pub(crate) fn put_change(
        &mut self,
        seq: u64,
        change: (&Entry<'_>, Option<&Link>),
    ) -> Result<(), StorageError> {
        self.put(Tag::Changes, &seq.to_be_bytes(), |table, key, out| {
            encode_change(table, key, change, out);
        })
    }
}
