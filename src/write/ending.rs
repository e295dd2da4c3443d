//! What surrounds the rows of an operation: room on the disk before them, their failure, the entry of the log and the totals that end
//! it; and what the journal is told when the writer ends.

use super::Writer;
use crate::format::EncodedHeader;
use crate::model::entry::{BucketEntry, Entry, ExecutionEntry};
use crate::model::error::{StorageError, WriteError};
use crate::model::events::NewEvent;
use crate::model::execution::Header;
use crate::model::hash::Link;
use crate::model::integrity::{change_hash, content};
use crate::model::json::Json;
use crate::model::time::Timestamp;
use crate::storage::write_set::WriteSet;

impl Writer<'_> {
    /// Notes in a header that the clock stands before the store's own last time, if it does.
    pub(super) fn doubt(&self, header: &mut Header, now: Timestamp) {
        header.not_before = header.not_before.max(self.totals.latest.filter(|latest| now < *latest));
    }

    /// Asks for room on the disk, before an operation writes what did not make any.
    pub(super) fn needs_room(&self) -> Result<(), WriteError> {
        if let Some(redo) = self.redo {
            WriteSet::lock(redo).grows = true;
        }
        match &self.settings.space {
            Some(space) => Ok(space.for_more(self.tables.written() as u64)?),
            None => Ok(()),
        }
    }

    /// Runs the writes of one operation. If one fails, the transaction must not be committed.
    pub(super) fn storing(
        &mut self,
        writes: impl FnOnce(&mut Self) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        writes(self).map_err(|error| {
            let error = error.not_refused();
            if let Some(redo) = self.redo {
                WriteSet::fail(redo, &error);
            }
            error
        })
    }

    /// Writes the entry of an operation to the change log, and the totals, which end every operation.
    pub(super) fn log_entry(
        &mut self,
        (entry, header): (&ExecutionEntry<'_>, &EncodedHeader),
        events: &[NewEvent],
        payload: Option<&Json>,
    ) -> Result<(), StorageError> {
        self.begin_change(Some(entry.header.modified_at))?;
        self.totals.latest = self.totals.latest.max(Some(entry.time));
        let seq = self.totals.head;
        let link = self.totals.seal.map(|seal| Link {
            previous: seal.head,
            content: content(events, entry.time, payload.map(Json::as_str)),
        });
        self.tables.put_change(seq, (entry, header, link.as_ref()))?;
        self.chain(seq, &Entry::Execution(*entry), link);
        self.touched.change(entry);
        self.put_totals()
    }

    /// The same for an entry about a bucket. The rest of it is written, and the totals are not.
    pub(super) fn log_bucket(&mut self, mut entry: BucketEntry<'_>) -> Result<(), StorageError> {
        entry.not_before = self.totals.latest.filter(|latest| entry.time < *latest);
        self.begin_change(None)?;
        self.totals.latest = self.totals.latest.max(Some(entry.time));
        let seq = self.totals.head;
        let link = self
            .totals
            .seal
            .map(|seal| Link { previous: seal.head, content: content(&[], entry.time, None) });
        self.tables.put_bucket_change(seq, (&entry, link.as_ref()))?;
        self.chain(seq, &Entry::Bucket(entry), link);
        Ok(())
    }

    fn chain(&mut self, seq: u64, entry: &Entry<'_>, link: Option<Link>) {
        if let (Some(seal), Some(link)) = (&mut self.totals.seal, &link) {
            seal.head = change_hash(seq, entry, link);
        }
    }

    /// The totals are written once, at the end, where an error can still stop the commit. The caller's own
    /// commit cannot be stopped, so a joined writer writes them with every operation.
    pub(super) fn put_totals(&mut self) -> Result<(), StorageError> {
        self.totals.version += self.blobs.max(1);
        self.blobs = 0;
        self.owes_totals = self.redo.is_some();
        if self.owes_totals { Ok(()) } else { self.put_counters() }
    }

    pub(super) fn put_counters(&mut self) -> Result<(), StorageError> {
        self.put_changed_counters()?;
        if let (Some(seal), Some(sum)) = (&mut self.totals.seal, self.tables.sum()) {
            seal.sum = sum;
        }
        self.tables.put_totals(&self.totals)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(redo) = self.redo {
            if self.owes_totals
                && let Err(error) = self.put_counters()
            {
                WriteSet::fail(redo, &error.not_refused());
            }
            WriteSet::take_over(redo, &mut self.tables);
            let waits = self.totals.waiting > 0;
            let ends = (self.totals.version, self.totals.head, waits);
            WriteSet::end(redo, ends, std::mem::take(&mut self.touched), self.tables.take_redo());
        }
    }
}
