//! The table `removals`: what was deleted and still has rows.

use std::ops::Bound;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{StateRow, Tag};
use crate::format::{Removal, decode_removal, encode_removal};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// What a row says, `None` if there is none.
    pub(crate) fn removal(&self, row: &[u8; 9]) -> Result<Option<Removal>, ReadError> {
        let table = self.slots.removals.get(&self.source)?;
        let found = look_up(table, row, |value| decode_removal(Tag::Removals as u8, row, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Removals, row, reason))?)
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
        let table = self.slots.removals.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 9]>((start, Bound::Unbounded)))?;
        let low = after.map(<[u8; 9]>::as_slice).unwrap_or_default();
        let rows = Rows::<StateRow, _>::new(range, Tag::Removals, low, None, |key, value| {
            decode_removal(Tag::Removals as u8, key, value)
                .map_err(|reason| damaged(Tag::Removals, key, reason).into())
        });
        for row in rows {
            match row {
                Ok(removal) => return Ok(Some(removal)),
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    pub(crate) fn put_removal(&mut self, removal: &Removal) -> Result<(), StorageError> {
        self.put(Tag::Removals, &removal.row(), |table, key, out| encode_removal(table, key, removal, out))
    }

    pub(crate) fn remove_removal(&mut self, removal: &Removal) -> Result<bool, StorageError> {
        self.remove(Tag::Removals, &removal.row())
    }
}
