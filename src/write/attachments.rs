//! Attachments: named values beside an execution.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Writer;
use crate::format::{Removal, Value};
use crate::model::attachments::{Attachment, AttachmentKind, NewAttachment, check_own};
use crate::model::error::{ReadError, StorageError, WriteError};
use crate::model::row_id::{BlobId, RowId};
use crate::model::text::Text;
use crate::read::View;

/// Values up to this size are kept in the row of their attachment.
pub(crate) const INLINE_VALUE: usize = 1024;
/// The length of a chunk. A little less than 64 KiB, so that its row fits into redb's page of that size.
pub(crate) const CHUNK: usize = 64 * 1024 - 256;

/// # Attachments
///
/// Named values beside an execution, which cost nothing until they are read or written. They leave the record, its
/// revision and the change log as they are; to have them change together with the record, put them in the
/// transaction of the update. They are deleted with their execution.
impl Writer<'_> {
    /// Puts a value beside an execution, in the place of the one of this key if there is one. Keys that begin with `execstore/`
    /// are the store's own, and refused.
    ///
    /// Readers see the old value until the commit. Values up to 1 KiB cost a row, larger ones a row more for each 64 KiB.
    pub fn put_attachment(
        &mut self,
        id: impl AsRef<str>,
        new: NewAttachment,
    ) -> Result<Attachment, WriteError> {
        let number = self.existing(id.as_ref())?;
        check_own(&new.key)?;
        let mut attachment = new.build(self.settings.clock.now())?;
        let before = self.replaced(number, &attachment.key)?;
        self.needs_room()?;
        self.storing(|w| {
            if let Some(Some(blob)) = before {
                w.remove_blob(blob)?;
            }
            w.put_value(number, &mut attachment, new.value)?;
            w.put_totals()
        })?;
        Ok(attachment)
    }

    /// Writes an attachment where there is none of its key, and gives it its version.
    pub(super) fn put_value(
        &mut self,
        number: RowId,
        attachment: &mut Attachment,
        value: Vec<u8>,
    ) -> Result<(), StorageError> {
        let blob = self.next_blob();
        attachment.version = blob.0;
        let value = if value.len() <= INLINE_VALUE || attachment.kind == AttachmentKind::Uri {
            Value::Inline(value)
        } else {
            let mut offset = 0;
            for part in value.chunks(CHUNK) {
                self.tables.put_chunk(blob, offset, [part, &[]])?;
                offset += part.len() as u64;
            }
            Value::Blob(blob)
        };
        self.tables.put_attachment(number, attachment, &value)
    }

    /// Puts bytes that are read from somewhere, to their end, without holding them in memory.
    ///
    /// Other writers wait meanwhile: read from what does not keep them waiting, such as a file, or use
    /// [`Store::put_attachment_from`](crate::Store::put_attachment_from). An error of the reader is
    /// [`WriteError::Source`], and leaves nothing behind.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// use std::io::Read;
    ///
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// let mut picture = std::io::repeat(7).take(1_000_000); // a `File`, say
    /// store.put_attachment_from("e", "dag.png", "image/png", &mut picture)?;
    ///
    /// let r = store.begin_read()?;
    /// let mut from = r.attachments("e").open("dag.png")?.unwrap();
    /// std::io::copy(&mut from, &mut std::io::sink()).unwrap(); // 64 KiB at a time
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn put_attachment_from(
        &mut self,
        id: impl AsRef<str>,
        key: impl AsRef<str>,
        content_type: impl AsRef<str>,
        from: &mut dyn Read,
    ) -> Result<Attachment, WriteError> {
        let number = self.existing(id.as_ref())?;
        let mut attachment = Attachment {
            key: Text::from(key.as_ref()),
            kind: AttachmentKind::Bytes,
            content_type: Text::from(content_type.as_ref()),
            size: 0,
            modified_at: self.settings.clock.now(),
            version: 0,
            sha256: None,
        };
        check_own(&attachment.key)?;
        attachment.check()?;
        let before = self.replaced(number, &attachment.key)?;
        self.needs_room()?;
        let blob = self.next_blob();
        attachment.version = blob.0;
        let mut buffer = Vec::with_capacity(CHUNK);
        let value = loop {
            buffer.clear();
            self.fill(&mut buffer, from, blob)?;
            if attachment.size == 0 && buffer.len() <= INLINE_VALUE {
                attachment.size = buffer.len() as u64;
                break Value::Inline(buffer);
            }
            if !buffer.is_empty() {
                if let Err(full) = self.needs_room() {
                    self.storing(|w| w.remove_blob(blob))?;
                    return Err(full);
                }
                self.storing(|w| w.tables.put_chunk(blob, attachment.size, [&buffer, &[]]))?;
                attachment.size += buffer.len() as u64;
            }
            if buffer.len() < CHUNK {
                break Value::Blob(blob);
            }
        };
        self.storing(|w| {
            if let Some(Some(blob)) = before {
                w.remove_blob(blob)?;
            }
            w.tables.put_attachment(number, &attachment, &value)?;
            w.put_totals()
        })?;
        Ok(attachment)
    }

    /// Reads the next chunk. If the caller's reader fails or panics, what was written of the blob goes again.
    fn fill(&mut self, buffer: &mut Vec<u8>, from: &mut dyn Read, blob: BlobId) -> Result<(), WriteError> {
        let read = catch_unwind(AssertUnwindSafe(|| from.take(CHUNK as u64).read_to_end(buffer)));
        if matches!(read, Ok(Ok(_))) {
            return Ok(());
        }
        let removed = self.storing(|w| w.remove_blob(blob));
        match read {
            Err(panic) => resume_unwind(panic),
            Ok(read) => {
                removed.map_err(WriteError::from).and_then(|()| read.map(drop).map_err(WriteError::Source))
            }
        }
    }

    /// Deletes an attachment; `false` if there was none of this key. The store's own are refused.
    pub fn delete_attachment(
        &mut self,
        id: impl AsRef<str>,
        key: impl AsRef<str>,
    ) -> Result<bool, WriteError> {
        let (number, key) = (self.existing(id.as_ref())?, key.as_ref());
        check_own(key)?;
        let Some(blob) = self.replaced(number, key)? else { return Ok(false) };
        self.storing(|w| {
            if let Some(blob) = blob {
                w.remove_blob(blob)?;
            }
            w.tables.remove_attachment(number, key)?;
            w.put_totals()
        })?;
        Ok(true)
    }

    /// The blob of an attachment that is to be replaced or deleted, if there is one. A damaged row goes too; its chunks stay
    /// behind, and `verify` tells of them.
    fn replaced(&self, number: RowId, key: &str) -> Result<Option<Option<BlobId>>, ReadError> {
        match self.tables.attachment(number, key) {
            Ok(None) => Ok(None),
            Ok(Some((_, Value::Blob(blob)))) => Ok(Some(Some(blob))),
            Ok(Some(_)) | Err(ReadError::Damaged(_)) => Ok(Some(None)),
            Err(error) => Err(error),
        }
    }

    /// The number of an execution that must exist.
    pub(super) fn existing(&self, id: &str) -> Result<RowId, WriteError> {
        self.tables().number(id)?.ok_or_else(|| WriteError::not_found(id))
    }

    /// A blob's number is never given again: it is a version that the operation raises the store's to, or passes.
    pub(super) fn next_blob(&mut self) -> BlobId {
        self.blobs += 1;
        BlobId(self.totals.version + self.blobs)
    }

    /// Removes the chunks of a blob that belongs to nothing any more.
    pub(super) fn remove_blob(&mut self, blob: BlobId) -> Result<(), StorageError> {
        self.discard(Removal::whole_blob(blob))
    }
}
