//! The value of an attachment, a chunk at a time.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::chunk_around;
use crate::format::Value;
use crate::model::attachments::Attachment;
use crate::model::error::ReadError;
use crate::model::row_id::BlobId;
use crate::read::View;

type Chunks<'r> = Box<dyn Fn(u64) -> Result<(u64, Vec<u8>), ReadError> + 'r>;

/// Reads the value of an attachment, holding 64 KiB of it: see
/// [`Attachments::open`](crate::attachments::Attachments::open).
///
/// Damage is an [`io::Error`] with the [`ReadError`] inside.
pub struct AttachmentReader<'r> {
    attachment: Attachment,
    chunks: Chunks<'r>,
    /// How many bytes there are: of a URI its text.
    len: u64,
    position: u64,
    /// The chunk that was read last, and where it begins.
    start: u64,
    chunk: Vec<u8>,
}

impl fmt::Debug for AttachmentReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attachment, position, .. } = self;
        f.debug_struct("AttachmentReader")
            .field("of", attachment)
            .field("at", position)
            .finish_non_exhaustive()
    }
}

impl<'r> AttachmentReader<'r> {
    pub(crate) fn new<V: View + ?Sized>(view: &'r V, attachment: Attachment, value: Value) -> Self {
        let (len, chunk, chunks): (u64, Vec<u8>, Chunks<'r>) = match value {
            Value::Inline(bytes) => {
                // Never asked: the only chunk is there.
                (bytes.len() as u64, bytes, Box::new(|offset| Err(super::gap(BlobId(0), offset))))
            }
            Value::Blob(blob) => {
                (attachment.size, Vec::new(), Box::new(move |offset| chunk_around(view, blob, offset)))
            }
        };
        Self { attachment, chunks, len, position: 0, start: 0, chunk }
    }

    /// What is being read.
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// What is left of the chunk at the position.
    fn rest(&self) -> &[u8] {
        let skip = self.position.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.chunk.get(skip..)).unwrap_or_default()
    }
}

impl Read for AttachmentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        if self.rest().is_empty() {
            (self.start, self.chunk) = (self.chunks)(self.position)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let mut rest = self.rest();
        let most = usize::try_from(self.len - self.position).unwrap_or(usize::MAX).min(rest.len());
        rest = rest.get(..most).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for AttachmentReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "a place before the beginning");
        self.position = position.ok_or_else(before)?;
        Ok(self.position)
    }
}
