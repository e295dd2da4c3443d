//! The table `bulks`: how far each named bulk operation is.

use super::{Live, Source, Tables, damaged, look_up};
use crate::codec::{BulkPlace, decode_bulk, encode_bulk};
use crate::error::{ReadError, StorageError};
use crate::schema::Tag;

impl<S: Source> Tables<S> {
    pub(crate) fn bulk(&self, name: &str) -> Result<Option<BulkPlace>, ReadError> {
        let key = name.as_bytes();
        let table = self.bulks.get(&self.source)?;
        let found = look_up(table, key, |value| decode_bulk(Tag::Bulks as u8, key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Bulks, key, reason))?)
    }

    /// The names of all of them, damaged ones too.
    pub(crate) fn bulk_names(&self) -> Result<Vec<String>, ReadError> {
        let rows = self.raw(Tag::Bulks)?;
        rows.map(|row| row.map(|(key, _)| String::from_utf8_lossy(&key).into_owned())).collect()
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_bulk(&mut self, name: &str, place: &BulkPlace) -> Result<(), StorageError> {
        self.put(Tag::Bulks, name.as_bytes(), |table, key, out| encode_bulk(table, key, place, out))
    }

    pub(crate) fn remove_bulk(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Bulks, name.as_bytes())
    }
}
