//! The table `visits`: number to how often an execution was visited, and when last.

use super::{Live, Source, Tables, damaged, look_up};
use crate::format::schema::Tag;
use crate::format::{Reader, Writer, check_frame, finish_frame};
use crate::model::error::{ReadError, StorageError};
use crate::model::visits::Visits;

/// Decodes a row of the table.
pub(crate) fn decode_visits(key: &[u8], value: &[u8]) -> Result<Visits, String> {
    let mut r = Reader::new(check_frame(Tag::Visits as u8, key, value)?);
    let (count, last) = (r.number()?, r.time()?);
    r.end()?;
    Ok(Visits { count, last })
}

impl<S: Source> Tables<S> {
    pub(crate) fn visits(&self, number: u64) -> Result<Option<Visits>, ReadError> {
        let key = number.to_be_bytes();
        let table = self.slots.visits.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_visits(&key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Visits, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_visits(&mut self, number: u64, visits: Visits) -> Result<(), StorageError> {
        self.put(Tag::Visits, &number.to_be_bytes(), |table, key, out| {
            let mut w = Writer::frame(out);
            w.number(visits.count);
            w.time(visits.last);
            finish_frame(table, key, out);
        })
    }

    pub(crate) fn remove_visits(&mut self, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Visits, &number.to_be_bytes())
    }
}
