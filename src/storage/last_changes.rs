//! The table `last_changes`: executions by their last change, for those whose last change was trimmed from the log.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode, number_of};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    /// Last changes and the numbers of their executions.
    pub(crate) fn last_change_rows(
        &self,
        changes: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, RowId), ReadError>> + use<'_, S>, StorageError>
    {
        let (low, high) = (changes.start().to_be_bytes(), changes.end().to_be_bytes());
        self.range::<table::LastChanges, _, _>(&low, &high, |key: &[u8; 8], value: &[u8]| {
            Ok((number_of(key), decode::<table::LastChanges>(key, value)?))
        })
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_last_change(&mut self, change: u64, number: RowId) -> Result<(), StorageError> {
        self.put::<table::LastChanges>(&change.to_be_bytes(), number)
    }

    pub(crate) fn remove_last_change(&mut self, change: u64) -> Result<bool, StorageError> {
        self.remove::<table::LastChanges>(&change.to_be_bytes())
    }
}
