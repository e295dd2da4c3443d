//! How far named bulk operations are.

use super::Writer;
use crate::format::BulkProgress;
use crate::model::error::{StorageError, WriteError};

impl Writer<'_> {
    /// Saves how far a bulk operation is.
    pub(crate) fn save_bulk(&mut self, name: &str, place: &BulkProgress) -> Result<(), StorageError> {
        self.storing(|w| {
            w.tables.put_bulk(name, place)?;
            w.put_totals()
        })
    }

    /// Forgets how far a bulk operation is; `false` if there is none.
    pub(crate) fn end_bulk(&mut self, name: &str) -> Result<bool, WriteError> {
        let mut found = false;
        self.storing(|w| {
            found = w.tables.remove_bulk(name)?;
            if found { w.put_totals() } else { Ok(()) }
        })?;
        Ok(found)
    }
}
