//! The table `last_changes`: executions by their last change, for those whose last change was trimmed from the log.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed};
use crate::format::schema::{Number, Tag};
use crate::format::{decode_number, encode_number, number_of};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// Last changes and the numbers of their executions.
    pub(crate) fn last_change_rows(
        &self,
        changes: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, u64), ReadError>> + use<'_, S>, StorageError>
    {
        let (start, end) = (changes.start().to_be_bytes(), changes.end().to_be_bytes());
        let table = self.slots.last_changes.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::LastChanges, &start, Some(&end), |key, value| {
            match decode_number(Tag::LastChanges as u8, key, value) {
                Ok(number) => Ok((number_of(fixed(key)?), number)),
                Err(reason) => Err(damaged(Tag::LastChanges, key, reason).into()),
            }
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_last_change(&mut self, change: u64, number: u64) -> Result<(), StorageError> {
        self.put(Tag::LastChanges, &change.to_be_bytes(), |table, key, out| {
            encode_number(table, key, number, out);
        })
    }

    pub(crate) fn remove_last_change(&mut self, change: u64) -> Result<bool, StorageError> {
        self.remove(Tag::LastChanges, &change.to_be_bytes())
    }
}
