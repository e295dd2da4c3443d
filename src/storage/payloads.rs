//! The table `payloads`: payloads that are large, or that only the change log still needs.

use super::{Live, Source, Tables};
use crate::format::pair;
use crate::format::schema::table;
use crate::model::error::{ReadError, StorageError};
use crate::model::json::Json;

impl<S: Source> Tables<S> {
    pub(crate) fn payload(&self, number: u64, version: u64) -> Result<Option<Json>, ReadError> {
        self.get::<table::Payloads, _>(&pair(number, version))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn remove_payload(&mut self, number: u64, version: u64) -> Result<bool, StorageError> {
        self.remove::<table::Payloads>(&pair(number, version))
    }

    pub(crate) fn put_payload(
        &mut self,
        number: u64,
        version: u64,
        payload: &Json,
    ) -> Result<(), StorageError> {
        self.put::<table::Payloads>(&pair(number, version), payload)
    }
}
