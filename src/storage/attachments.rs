//! The table `attachments`: number and key to an attachment, with its value if that is small.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{Value, decode, name_row};
use crate::model::attachments::Attachment;
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    pub(crate) fn attachment(
        &self,
        number: RowId,
        key: &str,
    ) -> Result<Option<(Attachment, Value)>, ReadError> {
        self.get::<table::Attachments, _>(&name_row(number, key))
    }

    /// Those of one execution whose keys begin so, in the order of their keys.
    pub(crate) fn attachment_rows(
        &self,
        number: RowId,
        prefix: &str,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(Attachment, Value), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let start = name_row(number, prefix);
        // No text has this byte.
        let end = [start.as_slice(), &[0xff]].concat();
        self.range::<table::Attachments, _, _>(&start, &end, decode::<table::Attachments>)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_attachment(
        &mut self,
        number: RowId,
        attachment: &Attachment,
        value: &Value,
    ) -> Result<(), StorageError> {
        self.put::<table::Attachments>(&name_row(number, &attachment.key), (attachment, value))
    }

    pub(crate) fn remove_attachment(&mut self, number: RowId, key: &str) -> Result<bool, StorageError> {
        self.remove::<table::Attachments>(&name_row(number, key))
    }
}
