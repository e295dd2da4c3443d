//! The table `states`: an index row for each execution under its state.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed};
use crate::format::schema::{StateRow, Tag};
use crate::format::{decode_nothing, encode_nothing, state_of, state_row};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The numbers of the executions in a state, in the order of creation.
    pub(crate) fn state_rows(
        &self,
        state: u8,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (state_row(state, *numbers.start()), state_row(state, *numbers.end()));
        let table = self.slots.states.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 9]>(&start..=&end))?;
        Ok(Rows::<StateRow, _>::new(
            range,
            Tag::States,
            &start,
            Some(&end),
            |key, value| match decode_nothing(Tag::States as u8, key, value) {
                Ok(()) => Ok(state_of(fixed(key)?).1),
                Err(reason) => Err(damaged(Tag::States, key, reason).into()),
            },
        ))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_state(&mut self, state: u8, number: u64) -> Result<(), StorageError> {
        self.put(Tag::States, &state_row(state, number), encode_nothing)
    }

    pub(crate) fn remove_state(&mut self, state: u8, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::States, &state_row(state, number))
    }
}
