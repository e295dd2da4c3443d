//! The table `payloads`: payloads that are large, or that only the change log still needs.

use super::{Live, Source, Tables};
use crate::format::payload_row;
use crate::format::schema::table;
use crate::model::error::{ReadError, StorageError};
use crate::model::json::Json;
use crate::model::row_id::{PayloadVersion, RowId};

impl<S: Source> Tables<S> {
    pub(crate) fn payload(&self, number: RowId, version: PayloadVersion) -> Result<Option<Json>, ReadError> {
        self.get::<table::Payloads, _>(&payload_row(number, version))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn remove_payload(
        &mut self,
        number: RowId,
        version: PayloadVersion,
    ) -> Result<bool, StorageError> {
        self.remove::<table::Payloads>(&payload_row(number, version))
    }

    pub(crate) fn put_payload(
        &mut self,
        number: RowId,
        version: PayloadVersion,
        payload: &Json,
    ) -> Result<(), StorageError> {
        self.put::<table::Payloads>(&payload_row(number, version), payload)
    }
}
