//! The table `visits`: number to how often an execution was visited, and when last.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;
use crate::model::visits::Visits;

impl<S: Source> Tables<S> {
    pub(crate) fn visits(&self, number: RowId) -> Result<Option<Visits>, ReadError> {
        self.get::<table::Visits, _>(&number.to_be_bytes())
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_visits(&mut self, number: RowId, visits: Visits) -> Result<(), StorageError> {
        self.put::<table::Visits>(&number.to_be_bytes(), visits)
    }

    pub(crate) fn remove_visits(&mut self, number: RowId) -> Result<bool, StorageError> {
        self.remove::<table::Visits>(&number.to_be_bytes())
    }
}
