//! The table `removals`: what was deleted and still has rows.

use std::ops::Bound;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{Removal, decode};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// What a row says, `None` if there is none.
    pub(crate) fn removal(&self, row: &[u8; 9]) -> Result<Option<Removal>, ReadError> {
        self.get::<table::Removals, _>(row)
    }

    /// The last trimmed entry of the change log that is gone, of a log that was trimmed up to `trimmed`; the same if the row is
    /// damaged.
    pub(crate) fn swept(&self, trimmed: u64) -> Result<u64, StorageError> {
        match self.removal(&Removal::log_row()) {
            Ok(Some(Removal::Log { first, .. })) => Ok(trimmed.min(first.saturating_sub(1))),
            Err(ReadError::Storage(error)) => Err(error),
            _ => Ok(trimmed),
        }
    }
}

impl Tables<Live<'_>> {
    /// The first sound row behind one, or of all. Rows that are damaged are passed over.
    pub(crate) fn next_removal(&self, after: Option<&[u8; 9]>) -> Result<Option<Removal>, StorageError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let decode = decode::<table::Removals>;
        for row in self.between::<table::Removals, _, _>(start, Bound::Unbounded, decode)? {
            match row {
                Ok(removal) => return Ok(Some(removal)),
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    pub(crate) fn put_removal(&mut self, removal: &Removal) -> Result<(), StorageError> {
        self.put::<table::Removals>(&removal.row(), removal)
    }

    pub(crate) fn remove_removal(&mut self, removal: &Removal) -> Result<bool, StorageError> {
        self.remove::<table::Removals>(&removal.row())
    }
}
