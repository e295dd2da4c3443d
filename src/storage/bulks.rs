//! The table `bulk_progress`: how far each named bulk operation is.

use super::{Live, Source, Tables, damaged, look_up};
use crate::format::schema::Tag;
use crate::format::{BulkPlace, decode_bulk, encode_bulk};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    pub(crate) fn bulk(&self, name: &str) -> Result<Option<BulkPlace>, ReadError> {
        let key = name.as_bytes();
        let table = self.slots.bulk_progress.get(&self.source)?;
        let found = look_up(table, key, |value| decode_bulk(Tag::BulkProgress as u8, key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::BulkProgress, key, reason))?)
    }

    /// The names of all of them, also where how far they are cannot be read. One that is no text is damaged, and would name
    /// another if it were made one.
    pub(crate) fn bulk_names(&self) -> Result<Vec<String>, ReadError> {
        let rows = self.raw(Tag::BulkProgress)?;
        let name = |key: Vec<u8>| {
            String::from_utf8(key).map_err(|error| {
                let reason = format!("the name is not UTF-8: {error}");
                damaged(Tag::BulkProgress, error.as_bytes(), reason).into()
            })
        };
        rows.map(|row| row.and_then(|(key, _)| name(key))).collect()
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_bulk(&mut self, name: &str, place: &BulkPlace) -> Result<(), StorageError> {
        self.put(Tag::BulkProgress, name.as_bytes(), |table, key, out| encode_bulk(table, key, place, out))
    }

    pub(crate) fn remove_bulk(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove(Tag::BulkProgress, name.as_bytes())
    }
}
