//! What the writers of one transaction wrote, for the journal.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::error::StorageError;
use crate::model::touch::Touched;
use crate::storage::{Live, MAX_REDO, Pending, Tables};

/// What the smallest commit of redb's may write: some pages of each table, and what redb keeps beside them.
pub(crate) const SMALLEST: u64 = 512 * 1024;
const PAGE: u64 = 4096;
/// As much as rows are taken to be scattered over pages.
const SCATTERED: u64 = 8 * 1024 * 1024;

/// The writes of one transaction, in order.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    /// The store's version before the first writer, and after the last one; `None` before any.
    pub(crate) versions: Option<(u64, u64)>,
    /// The head of the change log before the first writer, and after the last one.
    pub(crate) heads: (u64, u64),
    /// What those who wait for changes go by.
    pub(crate) touched: Touched,
    /// Bytes of values that were replaced or removed.
    pub(crate) freed: usize,
    /// Bytes of rows that were written, and how many rows were written or removed.
    pub(crate) written: (usize, u64),
    /// Rows that redb has not been given yet, those of the transactions before among them; `None` if it gets all at once, or while
    /// a writer has them.
    pub(crate) pending: Option<Box<Pending>>,
    /// redb was given rows, which only it can take back.
    pub(crate) wrote_to_redb: bool,
    /// The caller may write to redb's transaction too, where the journal does not see it; and so redb is to have all rows.
    pub(crate) caller_wrote: bool,
    /// Rows of what was deleted wait to be removed.
    pub(crate) waits: bool,
    /// The writes: see `Tables::redo`.
    pub(crate) body: Vec<u8>,
    /// More was written than `body` may hold, so that it holds nothing.
    pub(crate) overflowed: bool,
    /// An operation wrote what needs more room than before.
    pub(crate) grows: bool,
    /// A storage error left an operation half done.
    pub(crate) failed: Option<StorageError>,
    /// How many writers have not ended. One that was leaked never does.
    writers: usize,
}

impl WriteSet {
    /// Of a transaction that collects these kinds of keys.
    pub(crate) fn listening(kinds: u16) -> Self {
        Self { touched: Touched::new(kinds), ..Self::default() }
    }

    pub(crate) fn lock(redo: &Mutex<WriteSet>) -> MutexGuard<'_, WriteSet> {
        redo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer begins. Gives which kinds of keys it is to collect.
    pub(crate) fn begin(redo: &Mutex<WriteSet>, version: u64, head: u64) -> u16 {
        let mut redo = Self::lock(redo);
        redo.writers += 1;
        if redo.versions.is_none() {
            (redo.versions, redo.heads) = (Some((version, version)), (head, head));
        }
        redo.touched.kinds()
    }

    /// A writer ends: the version and the head after it, and whether rows wait.
    pub(crate) fn end(
        redo: &Mutex<WriteSet>,
        (version, head, waits): (u64, u64, bool),
        touched: Touched,
        body: Option<Vec<u8>>,
    ) {
        let mut redo = Self::lock(redo);
        redo.writers -= 1;
        (redo.heads.1, redo.waits) = (head, waits);
        redo.touched.join(touched);
        if let Some((_, to)) = &mut redo.versions {
            *to = version;
        }
        match body.filter(|body| !redo.overflowed && redo.body.len() + body.len() <= MAX_REDO) {
            Some(body) if redo.body.is_empty() => redo.body = body,
            Some(body) => redo.body.extend_from_slice(&body),
            None => (redo.overflowed, redo.body) = (true, Vec::new()),
        }
    }

    /// The caller enters redb's transaction: `flush` gives redb the rows that are pending, and says how many bytes they replaced
    /// there. What a writer has that has not ended follows when it ends.
    pub(crate) fn enter(
        redo: &Mutex<WriteSet>,
        flush: impl FnOnce(Box<Pending>) -> Result<usize, StorageError>,
    ) {
        let mut redo = Self::lock(redo);
        redo.caller_wrote = true;
        let Some(pending) = redo.pending.take() else { return };
        redo.wrote_to_redb = true;
        match flush(pending) {
            Ok(freed) => redo.freed += freed,
            Err(error) => drop(redo.failed.get_or_insert(error)),
        }
    }

    /// Takes over from a writer what redb lacks.
    pub(crate) fn take_over(redo: &Mutex<WriteSet>, tables: &mut Tables<Live<'_>>) {
        let caller_wrote = Self::lock(redo).caller_wrote;
        let flushed = if caller_wrote { tables.keep_nothing_pending() } else { Ok(()) };
        let mut redo = Self::lock(redo);
        if let Err(error) = flushed {
            redo.failed.get_or_insert(error);
        }
        redo.count(tables);
        redo.pending = tables.take_pending();
    }

    /// Counts what a writer did.
    fn count(&mut self, tables: &Tables<Live<'_>>) {
        self.freed += tables.freed();
        self.wrote_to_redb |= tables.wrote_to_redb();
        self.written.0 += tables.written();
        self.written.1 += tables.rows_written();
    }

    pub(crate) fn fail(redo: &Mutex<WriteSet>, error: &StorageError) {
        Self::lock(redo).failed.get_or_insert_with(|| error.clone());
    }

    /// About how much redb writes for it: rows in pages that it copies, one after the other or each in one of its own.
    pub(crate) fn pages(&self) -> u64 {
        let (bytes, rows) = self.written;
        SMALLEST + 2 * bytes as u64 + rows.saturating_mul(PAGE).min(SCATTERED)
    }

    /// A writer has not ended.
    pub(crate) fn has_open_writer(&self) -> bool {
        self.writers > 0
    }

    /// Something may be in redb that only it can take back.
    pub(crate) fn wrote(&self) -> bool {
        self.wrote_to_redb || self.caller_wrote || self.writers > 0 || self.failed.is_some()
    }

    /// `true` if the transaction wrote nothing.
    pub(crate) fn is_empty(&self) -> bool {
        !self.caller_wrote && self.versions.is_none_or(|(from, to)| from == to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound is that of the transaction, however many writers it has.
    #[test]
    fn more_than_the_journal_takes_is_not_kept() {
        let half = || Some(vec![0; MAX_REDO / 2]);
        let redo = Mutex::new(WriteSet::default());
        let ends = |version, body| {
            WriteSet::begin(&redo, 1, 0);
            WriteSet::end(&redo, (version, version, false), Touched::default(), body);
        };
        ends(2, half());
        ends(3, half());
        assert!(!WriteSet::lock(&redo).overflowed);
        ends(4, Some(vec![0; 2]));
        {
            let redo = WriteSet::lock(&redo);
            assert!(redo.overflowed && redo.body.is_empty());
        }
        // What comes then is not taken for all of it.
        ends(5, Some(vec![0; 2]));
        let redo = WriteSet::lock(&redo);
        assert!(redo.overflowed && redo.body.is_empty());
        assert_eq!(redo.versions, Some((1, 5)));
    }
}
