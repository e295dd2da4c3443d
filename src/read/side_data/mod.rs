//! Reading what lies beside the records: attachments, output streams, tasks.

mod handles;
mod read;

use crate::format::schema::Tag;
use crate::format::{OutputRow, Value, chunk_row, name_row};
use crate::model::attachments::Attachment;
use crate::model::error::ReadError;
use crate::model::identity::{IDENTITY_KEY, Identity};
use crate::model::json::Json;
use crate::model::outputs::OutputPart;
use crate::model::row_id::{BlobId, RowId};
use crate::read::{View, find};
use crate::storage::damaged;

pub use handles::{Attachments, Outputs, Tasks};
pub use read::AttachmentReader;

pub(crate) fn attachment<V: View + ?Sized>(
    view: &V,
    id: &str,
    key: &str,
) -> Result<Option<(Attachment, Value)>, ReadError> {
    match view.tables().number(id)? {
        Some(number) => view.tables().attachment(number, key),
        None => Ok(None),
    }
}

/// The whole value.
pub(crate) fn attachment_bytes<V: View + ?Sized>(
    view: &V,
    number: RowId,
    key: &str,
) -> Result<Option<Vec<u8>>, ReadError> {
    let Some((attachment, value)) = view.tables().attachment(number, key)? else { return Ok(None) };
    let blob = match value {
        Value::Inline(bytes) => return Ok(Some(bytes)),
        Value::Blob(blob) => blob,
    };
    let mut bytes = Vec::with_capacity(usize::try_from(attachment.size).unwrap_or(0).min(1 << 30));
    view.tables().read_blob(blob, &mut bytes)?;
    if bytes.len() as u64 != attachment.size {
        return Err(gap(blob, bytes.len() as u64));
    }
    Ok(Some(bytes))
}

pub(crate) fn verify_identity<V: View + ?Sized>(view: &V, id: &str) -> Result<Option<Identity>, ReadError> {
    let Some(found) = find(view, id)? else { return Ok(None) };
    let Some(document) = attachment_bytes(view, found.number, IDENTITY_KEY)? else { return Ok(None) };
    let wrong = |reason: &str| {
        ReadError::from(damaged(Tag::Attachments, &name_row(found.number, IDENTITY_KEY), reason))
    };
    let document = std::str::from_utf8(&document).map_err(|_| wrong("the identity is not UTF-8"))?;
    let document = Json::from_text(document).map_err(|error| wrong(&error.to_string()))?;
    let identity = Identity::from_document(&document).map_err(|error| wrong(&error.to_string()))?;
    match Identity::id_of(&document) {
        computed if computed != id => Err(wrong(&format!("the identity gives the id {computed}"))),
        _ if found.header.job_id != identity.job_id() => Err(wrong("the identity is of another job")),
        _ => Ok(Some(identity)),
    }
}

pub(crate) fn open_attachment<'r, V: View + ?Sized>(
    view: &'r V,
    id: &str,
    key: &str,
) -> Result<Option<AttachmentReader<'r>>, ReadError> {
    let found = attachment(view, id, key)?;
    Ok(found.map(|(attachment, value)| AttachmentReader::new(view, attachment, value)))
}

pub(crate) fn output<V: View + ?Sized>(
    view: &V,
    id: &str,
    name: &str,
) -> Result<Option<OutputRow>, ReadError> {
    match view.tables().number(id)? {
        Some(number) => view.tables().output(number, name),
        None => Ok(None),
    }
}

/// The bytes from an offset on, as many as follow each other. Who reads on keeps the chunk that was read last.
pub(crate) fn read_output<V: View + ?Sized>(
    view: &V,
    row: &OutputRow,
    from: u64,
    most: usize,
    chunk: &mut Chunk,
) -> Result<OutputPart, ReadError> {
    let output = &row.output;
    let from = from.min(output.length);
    let offset = match output.dropped() {
        Some(dropped) if dropped.contains(&from) => dropped.end,
        _ => from,
    };
    let end = if offset < output.head_end { output.head_end } else { output.length };
    let end = end.min(offset.saturating_add(most as u64));
    let mut bytes = Vec::new();
    let mut reached = offset;
    while reached < end {
        let rest = chunk.at(view, row.blob, reached)?;
        let most = usize::try_from(end - reached).unwrap_or(usize::MAX).min(rest.len());
        bytes.extend_from_slice(rest.get(..most).unwrap_or_default());
        reached += most as u64;
    }
    Ok(OutputPart { offset, dropped: offset - from, bytes })
}

/// A chunk of a blob that was read. The bytes at an offset of a blob never change, so it can be kept for as long as anybody
/// likes; more of them may come.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    blob: BlobId,
    start: u64,
    bytes: Vec<u8>,
}

impl Chunk {
    /// The bytes from an offset of a blob on that are in one chunk. At least one.
    fn at<V: View + ?Sized>(&mut self, view: &V, blob: BlobId, offset: u64) -> Result<&[u8], ReadError> {
        if self.blob != blob || self.rest(offset).is_empty() {
            let (start, bytes) = chunk_around(view, blob, offset)?;
            *self = Self { blob, start, bytes };
        }
        Ok(self.rest(offset))
    }

    fn rest(&self, offset: u64) -> &[u8] {
        let skip = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        skip.and_then(|skip| self.bytes.get(skip..)).unwrap_or_default()
    }
}

/// The chunk that holds the byte at an offset, and where it begins.
fn chunk_around<V: View + ?Sized>(view: &V, blob: BlobId, offset: u64) -> Result<(u64, Vec<u8>), ReadError> {
    let last = view.tables().chunk_rows(blob, 0..offset.saturating_add(1))?.next_back();
    match last.transpose()? {
        Some((start, chunk)) if offset - start < chunk.len() as u64 => Ok((start, chunk)),
        _ => Err(gap(blob, offset)),
    }
}

fn gap(blob: BlobId, offset: u64) -> ReadError {
    damaged(Tag::Chunks, &chunk_row(blob, offset), "bytes are missing").into()
}
