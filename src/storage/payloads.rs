//! The table `payloads`: payloads that are large, or that only the change log still needs.

use super::{Live, Source, Tables, damaged, look_up};
use crate::format::schema::Tag;
use crate::format::{Reader, Writer, check_frame, finish_frame, pair};
use crate::model::error::{Damage, ReadError, StorageError};
use crate::model::json::Json;

fn decode_payload(key: &[u8; 16], value: &[u8]) -> Result<Json, Damage> {
    let text = check_frame(Tag::Payloads as u8, key, value).and_then(|body| Reader::new(body).rest());
    match text {
        Ok(text) => Ok(Json::from_stored(text)),
        Err(reason) => Err(damaged(Tag::Payloads, key, reason)),
    }
}

impl<S: Source> Tables<S> {
    pub(crate) fn payload(&self, number: u64, version: u64) -> Result<Option<Json>, ReadError> {
        let key = pair(number, version);
        let table = self.slots.payloads.get(&self.source)?;
        Ok(look_up(table, &key, |value| decode_payload(&key, value))?.transpose()?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn remove_payload(&mut self, number: u64, version: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Payloads, &pair(number, version))
    }

    pub(crate) fn put_payload(
        &mut self,
        number: u64,
        version: u64,
        payload: &Json,
    ) -> Result<(), StorageError> {
        self.put(Tag::Payloads, &pair(number, version), |table, key, out| {
            Writer::frame(out).rest(payload.as_str().as_bytes());
            finish_frame(table, key, out);
        })
    }
}
