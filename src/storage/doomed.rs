//! The table `doomed`: what was deleted and still has rows.

use std::ops::Bound;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, look_up, shield};
use crate::format::schema::{StateRow, Tag};
use crate::format::{Doomed, decode_doomed, encode_doomed};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// What a row says, `None` if there is none.
    pub(crate) fn doomed(&self, row: &[u8; 9]) -> Result<Option<Doomed>, ReadError> {
        let table = self.doomed.get(&self.source)?;
        let found = look_up(table, row, |value| decode_doomed(Tag::Doomed as u8, row, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Doomed, row, reason))?)
    }

    /// The last trimmed entry of the change log that is gone, of a log that was trimmed up to `trimmed`; the same if the row is
    /// damaged.
    pub(crate) fn swept(&self, trimmed: u64) -> Result<u64, StorageError> {
        match self.doomed(&Doomed::log_row()) {
            Ok(Some(Doomed::Log { first, .. })) => Ok(trimmed.min(first.saturating_sub(1))),
            Err(ReadError::Storage(error)) => Err(error),
            _ => Ok(trimmed),
        }
    }
}

impl Tables<Live<'_>> {
    /// The first sound row behind one, or of all. Rows that are damaged are passed over.
    pub(crate) fn next_doomed(&self, after: Option<&[u8; 9]>) -> Result<Option<Doomed>, StorageError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let table = self.doomed.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 9]>((start, Bound::Unbounded)))?;
        let low = after.map(<[u8; 9]>::as_slice).unwrap_or_default();
        let rows = Rows::<StateRow, _>::new(range, Tag::Doomed, low, None, |key, value| {
            decode_doomed(Tag::Doomed as u8, key, value)
                .map_err(|reason| damaged(Tag::Doomed, key, reason).into())
        });
        for row in rows {
            match row {
                Ok(doomed) => return Ok(Some(doomed)),
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    pub(crate) fn put_doomed(&mut self, doomed: &Doomed) -> Result<(), StorageError> {
        self.put(Tag::Doomed, &doomed.row(), |table, key, out| encode_doomed(table, key, doomed, out))
    }

    pub(crate) fn remove_doomed(&mut self, doomed: &Doomed) -> Result<bool, StorageError> {
        self.remove(Tag::Doomed, &doomed.row())
    }
}
