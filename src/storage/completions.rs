//! The table `completions`: the executions that have ended, by the time of that.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed};
use crate::format::schema::{Pair, Tag};
use crate::format::{completed_of, completed_row, decode_nothing, encode_nothing};
use crate::model::error::{ReadError, StorageError};
use crate::model::time::Timestamp;

impl<S: Source> Tables<S> {
    /// The executions that ended between two places in the order of completion.
    pub(crate) fn completion_rows(
        &self,
        places: RangeInclusive<(Timestamp, u64)>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(Timestamp, u64), ReadError>> + use<'_, S>, StorageError>
    {
        let key = |place: &(Timestamp, u64)| completed_row(place.0, place.1);
        let (start, end) = (key(places.start()), key(places.end()));
        let table = self.slots.completions.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 16]>(&start..=&end))?;
        Ok(Rows::<Pair, _>::new(
            range,
            Tag::Completions,
            &start,
            Some(&end),
            |key, value| match decode_nothing(Tag::Completions as u8, key, value) {
                Ok(()) => Ok(completed_of(fixed(key)?)),
                Err(reason) => Err(damaged(Tag::Completions, key, reason).into()),
            },
        ))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_completion(&mut self, at: Timestamp, number: u64) -> Result<(), StorageError> {
        self.put(Tag::Completions, &completed_row(at, number), encode_nothing)
    }

    pub(crate) fn remove_completion(&mut self, at: Timestamp, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Completions, &completed_row(at, number))
    }
}
