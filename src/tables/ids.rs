//! The table `ids`: execution id to number.

use super::{Live, Source, Tables, damaged, look_up};
use crate::codec::{IdKey, decode_number, encode_number};
use crate::error::{ReadError, StorageError};
use crate::schema::Tag;

impl<S: Source> Tables<S> {
    /// The number of an execution.
    pub(crate) fn number(&self, id: &str) -> Result<Option<u64>, ReadError> {
        let key = IdKey::of(id);
        let table = self.ids.get(&self.source)?;
        let number = look_up(table, &*key, |value| decode_number(Tag::Ids as u8, &key, value))?.transpose();
        Ok(number.map_err(|reason| damaged(Tag::Ids, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_id(&mut self, id: &str, number: u64) -> Result<(), StorageError> {
        self.put(Tag::Ids, &IdKey::of(id), |table, key, out| encode_number(table, key, number, out))
    }

    pub(crate) fn remove_id(&mut self, id: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Ids, &IdKey::of(id))
    }
}
