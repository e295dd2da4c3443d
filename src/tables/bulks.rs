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
}

impl Tables<Live<'_>> {
    pub(crate) fn put_bulk(&mut self, name: &str, place: &BulkPlace) -> Result<(), StorageError> {
        self.put(Tag::Bulks, name.as_bytes(), |table, key, out| encode_bulk(table, key, place, out))
    }

    pub(crate) fn remove_bulk(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Bulks, name.as_bytes())
    }
}
