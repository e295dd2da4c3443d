//! The table `ids`: execution id to number.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{IdKey, decode, id_ranges};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    /// The number of an execution.
    pub(crate) fn number(&self, id: &str) -> Result<Option<RowId>, ReadError> {
        self.number_of_key(&IdKey::of(id))
    }

    /// The same by the id's form as a key.
    pub(crate) fn number_of_key(&self, key: &[u8]) -> Result<Option<RowId>, ReadError> {
        self.get::<table::Ids, _>(key)
    }

    /// The numbers of the executions whose ids begin so, in no order that matters.
    pub(crate) fn id_rows(
        &self,
        prefix: &str,
    ) -> Result<impl Iterator<Item = Result<RowId, ReadError>> + use<'_, S>, StorageError> {
        let mut lists = Vec::new();
        for (low, high) in id_ranges(prefix) {
            lists.push(self.range::<table::Ids, _, _>(&low, &high, decode::<table::Ids>)?);
        }
        Ok(lists.into_iter().flatten())
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_id(&mut self, id: &str, number: RowId) -> Result<(), StorageError> {
        self.put::<table::Ids>(&IdKey::of(id), number)
    }

    pub(crate) fn remove_id(&mut self, id: &str) -> Result<bool, StorageError> {
        self.remove::<table::Ids>(&IdKey::of(id))
    }
}
