//! The checks of what lies beside the records: it belongs to an execution, its bytes are all there.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use crate::format::schema::{Tag, table};
use crate::format::{OutputRow, Value, chunk_of, decode};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::{BlobId, RowId};
use crate::storage::Source;

/// Who has a blob: the size of an attachment, or the row of an output.
enum Owner {
    Attachment(u64),
    Output(Box<OutputRow>),
    /// What was deleted: some of the chunks are gone.
    Deleted,
}

/// Who has which blob. What is found wrong with a blob is kept until all have been seen.
#[derive(Default)]
struct Blobs {
    owners: HashMap<BlobId, Owner>,
    wrong: Vec<(BlobId, String)>,
}

/// What the chunks of a blob have shown so far.
#[derive(Default)]
struct Seen {
    blob: BlobId,
    /// Where the last chunk began, and ended.
    start: u64,
    end: u64,
    /// Bytes that should be kept and are not there.
    gap: Option<u64>,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn beside(&mut self) -> Result<(), ReadError> {
        let mut blobs = Blobs::default();
        self.attachments(&mut blobs)?;
        self.outputs(&mut blobs)?;
        self.chunks(blobs)?;
        self.tasks()?;
        self.visits()?;
        self.bulks()?;
        self.buckets()?;
        Ok(())
    }

    fn bulks(&mut self) -> Result<(), StorageError> {
        self.walk::<table::BulkProgress>(|verifier, key, value| {
            if let Err(reason) = decode::<table::BulkProgress>(key, value) {
                verifier.problem(Tag::BulkProgress, format!("key {}: {reason}", hex(key)));
            }
            Ok(())
        })
    }

    fn visits(&mut self) -> Result<(), StorageError> {
        self.walk::<table::Visits>(|verifier, key, value| {
            verifier.of_execution(Tag::Visits, key)?;
            if let Err(reason) = decode::<table::Visits>(key, value) {
                verifier.problem(Tag::Visits, format!("key {}: {reason}", hex(key)));
            }
            Ok(())
        })
    }

    /// The number that a row beside an execution begins with, which must be that of an execution.
    pub(super) fn of_execution(&mut self, tag: Tag, key: &[u8]) -> Result<RowId, StorageError> {
        let number = RowId(key.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes));
        if !self.waiting.execution(number) && !self.is_execution(number)? {
            self.problem(tag, format!("key {}: it has no execution", hex(key)));
        }
        Ok(number)
    }

    fn own(&mut self, tag: Tag, key: &[u8], blob: BlobId, owner: Owner, blobs: &mut Blobs) {
        if blobs.owners.insert(blob, owner).is_some() {
            self.problem(tag, format!("key {}: blob {blob} belongs to another", hex(key)));
        }
    }

    fn attachments(&mut self, blobs: &mut Blobs) -> Result<(), StorageError> {
        let tag = Tag::Attachments;
        self.walk::<table::Attachments>(|verifier, key, value| {
            verifier.report.attachments += 1;
            let number = verifier.of_execution(tag, key)?;
            match decode::<table::Attachments>(key, value) {
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
                Ok((attachment, Value::Blob(blob))) => {
                    let owner = match verifier.waiting.execution(number) {
                        true => Owner::Deleted,
                        false => Owner::Attachment(attachment.size),
                    };
                    verifier.own(tag, key, blob, owner, blobs);
                }
                Ok(_) => {}
            }
            Ok(())
        })
    }

    fn outputs(&mut self, blobs: &mut Blobs) -> Result<(), StorageError> {
        let tag = Tag::Outputs;
        self.walk::<table::Outputs>(|verifier, key, value| {
            verifier.report.outputs += 1;
            let number = verifier.of_execution(tag, key)?;
            match decode::<table::Outputs>(key, value) {
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
                Ok(row) => {
                    let blob = row.blob;
                    let owner = match verifier.waiting.execution(number) {
                        true => Owner::Deleted,
                        false => Owner::Output(Box::new(row)),
                    };
                    verifier.own(tag, key, blob, owner, blobs);
                }
            }
            Ok(())
        })
    }

    /// Every chunk belongs to a blob, and has bytes of it that are kept; and each blob has all of its bytes.
    fn chunks(&mut self, mut blobs: Blobs) -> Result<(), StorageError> {
        let tag = Tag::Chunks;
        let mut seen = Seen::default();
        self.walk::<table::Chunks>(|verifier, key, value| {
            let (blob, start) = chunk_of(key);
            let len = match decode::<table::Chunks>(key, value) {
                Ok(bytes) => bytes.len() as u64,
                Err(reason) => {
                    verifier.problem(tag, format!("key {}: {reason}", hex(key)));
                    return Ok(());
                }
            };
            if blob != seen.blob {
                blobs.end(&seen);
                seen = Seen { blob, ..Seen::default() };
            }
            let end = start.saturating_add(len);
            let overlaps = start < seen.end;
            match blobs.owners.get(&blob) {
                None if verifier.waiting.chunk(blob, &(start..end)) => {}
                None => verifier.problem(tag, format!("key {}: blob {blob} belongs to nothing", hex(key))),
                Some(Owner::Deleted) => {}
                Some(Owner::Output(row)) => {
                    let dropped = row.output.dropped().unwrap_or(0..0);
                    let waits = verifier.waiting.chunk(blob, &(start..end));
                    if dropped.start <= start && end <= dropped.end && !waits {
                        verifier.problem(tag, format!("key {}: all of it was dropped", hex(key)));
                    }
                    // The first byte behind the last chunk that is kept.
                    let next = if dropped.contains(&seen.end) { dropped.end } else { seen.end };
                    if start > next {
                        seen.gap.get_or_insert(next);
                    }
                }
                Some(Owner::Attachment(_)) if start > seen.end => drop(seen.gap.get_or_insert(seen.end)),
                Some(Owner::Attachment(_)) => {}
            }
            if overlaps || len == 0 {
                verifier.problem(tag, format!("key {}: it begins before the last one ends", hex(key)));
            }
            (seen.start, seen.end) = (start, end);
            Ok(())
        })?;
        blobs.end(&seen);
        // Those that are left have no chunks.
        for blob in blobs.owners.keys().copied().collect::<Vec<_>>() {
            blobs.end(&Seen { blob, ..Seen::default() });
        }
        blobs.wrong.sort_unstable();
        blobs.wrong.into_iter().for_each(|(blob, what)| self.problem(tag, format!("blob {blob}: {what}")));
        Ok(())
    }
}

impl Blobs {
    /// All chunks of a blob have been seen.
    fn end(&mut self, seen: &Seen) {
        let Some(owner) = self.owners.remove(&seen.blob) else { return };
        let mut wrong = |what| self.wrong.push((seen.blob, what));
        if let Some(offset) = seen.gap {
            wrong(format!("bytes from {offset} on are missing"));
        }
        let end = match owner {
            Owner::Deleted => return,
            Owner::Attachment(size) => {
                if seen.end > size {
                    wrong(format!("it ends at {}, not {size}", seen.end));
                }
                size
            }
            Owner::Output(row) => {
                let last = (row.last_start, row.last_start.saturating_add(row.last_len));
                if row.last_len > 0 && last != (seen.start, seen.end) {
                    wrong(format!("its last chunk is not {}..{}", last.0, last.1));
                }
                let output = &row.output;
                if output.tail_start == output.length { output.head_end } else { output.length }
            }
        };
        // A chunk of the head may reach into the dropped part.
        if seen.end < end {
            wrong(format!("it ends at {}, not {end}", seen.end));
        }
    }
}
