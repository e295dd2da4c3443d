//! The table `checkpoints`: name to change sequence number.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{decode_number, encode_number};
use crate::model::error::{ReadError, StorageError};
use crate::model::id::ChangeSeq;

impl<S: Source> Tables<S> {
    pub(crate) fn checkpoint(&self, name: &str) -> Result<Option<ChangeSeq>, ReadError> {
        let table = self.slots.checkpoints.get(&self.source)?;
        let key = name.as_bytes();
        let seq = look_up(table, key, |value| decode_number(Tag::Checkpoints as u8, key, value))?.transpose();
        Ok(seq.map_err(|reason| damaged(Tag::Checkpoints, key, reason))?.map(ChangeSeq))
    }

    /// All checkpoints, by name.
    pub(crate) fn checkpoint_rows(
        &self,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(String, ChangeSeq), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let table = self.slots.checkpoints.get(&self.source)?;
        let range = catch_panics(|| table.iter())?;
        Ok(Rows::<Bytes, _>::new(range, Tag::Checkpoints, &[], None, |key, value| {
            let name = std::str::from_utf8(key).map_err(|error| error.to_string());
            let row = name.and_then(|name| {
                decode_number(Tag::Checkpoints as u8, key, value).map(|seq| (name.to_owned(), ChangeSeq(seq)))
            });
            row.map_err(|reason| damaged(Tag::Checkpoints, key, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_checkpoint(&mut self, name: &str, seq: ChangeSeq) -> Result<(), StorageError> {
        self.put(Tag::Checkpoints, name.as_bytes(), |table, key, out| encode_number(table, key, seq.0, out))
    }

    pub(crate) fn remove_checkpoint(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Checkpoints, name.as_bytes())
    }
}
