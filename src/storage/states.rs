//! The table `states`: an index row for each execution under its state.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode, state_of, state_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    /// The numbers of the executions in a state, in the order of creation.
    pub(crate) fn state_rows(
        &self,
        state: u8,
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + use<'_, S>, StorageError> {
        let (low, high) = (state_row(state, *numbers.start()), state_row(state, *numbers.end()));
        self.range::<table::States, _, _>(&low, &high, |key: &[u8; 9], value: &[u8]| {
            decode::<table::States>(key, value).map(|()| state_of(key).1)
        })
    }
}

impl Tables<Live<'_>> {
    /// For an execution that was in another state, or in none.
    pub(crate) fn put_state(&mut self, state: u8, number: RowId) -> Result<(), StorageError> {
        self.insert_new::<table::States>(&state_row(state, number))
    }

    /// For an execution that is in this state.
    pub(crate) fn remove_state(&mut self, state: u8, number: RowId) -> Result<(), StorageError> {
        self.remove_known::<table::States>(&state_row(state, number))
    }
}
