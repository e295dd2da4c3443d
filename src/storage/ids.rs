//! The table `ids`: execution id to number.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{IdKey, decode_number, encode_number, id_ranges};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The number of an execution.
    pub(crate) fn number(&self, id: &str) -> Result<Option<u64>, ReadError> {
        self.number_of_key(&IdKey::of(id))
    }

    /// The same by the id's form as a key.
    pub(crate) fn number_of_key(&self, key: &[u8]) -> Result<Option<u64>, ReadError> {
        let table = self.slots.ids.get(&self.source)?;
        let number = look_up(table, key, |value| decode_number(Tag::Ids as u8, key, value))?.transpose();
        Ok(number.map_err(|reason| damaged(Tag::Ids, key, reason))?)
    }

    /// The numbers of the executions whose ids begin so, in no order that matters.
    pub(crate) fn id_rows(
        &self,
        prefix: &str,
    ) -> Result<impl Iterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        let mut lists = Vec::new();
        for (start, end) in id_ranges(prefix) {
            let table = self.slots.ids.get(&self.source)?;
            let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
            lists.push(Rows::<Bytes, _>::new(range, Tag::Ids, &start, Some(&end), |key, value| {
                decode_number(Tag::Ids as u8, key, value)
                    .map_err(|reason| damaged(Tag::Ids, key, reason).into())
            }));
        }
        Ok(lists.into_iter().flatten())
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
