//! The table `attachments`: number and key to an attachment, with its value if that is small.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{Value, decode_attachment, encode_attachment, name_row};
use crate::model::attachments::Attachment;
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    pub(crate) fn attachment(
        &self,
        number: u64,
        key: &str,
    ) -> Result<Option<(Attachment, Value)>, ReadError> {
        let row = name_row(number, key);
        let table = self.slots.attachments.get(&self.source)?;
        let found = look_up(table, &row, |value| decode_attachment(Tag::Attachments as u8, &row, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Attachments, &row, reason))?)
    }

    /// Those of one execution whose keys begin so, in the order of their keys.
    pub(crate) fn attachment_rows(
        &self,
        number: u64,
        prefix: &str,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(Attachment, Value), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let start = name_row(number, prefix);
        // No text has this byte.
        let end = [start.as_slice(), &[0xff]].concat();
        let table = self.slots.attachments.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        Ok(Rows::<Bytes, _>::new(range, Tag::Attachments, &start, Some(&end), |row, value| {
            decode_attachment(Tag::Attachments as u8, row, value)
                .map_err(|reason| damaged(Tag::Attachments, row, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_attachment(
        &mut self,
        number: u64,
        attachment: &Attachment,
        value: &Value,
    ) -> Result<(), StorageError> {
        self.put(Tag::Attachments, &name_row(number, &attachment.key), |table, row, out| {
            encode_attachment(table, row, (attachment, value), out)
        })
    }

    pub(crate) fn remove_attachment(&mut self, number: u64, key: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Attachments, &name_row(number, key))
    }
}
