//! What the writers of one transaction wrote, for the journal.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tables::MAX_REDO;

/// The writes of one transaction, in order.
#[derive(Debug, Default)]
pub(crate) struct Redo {
    /// The store's version before the first writer, and after the last one; `None` before any.
    pub(crate) versions: Option<(u64, u64)>,
    /// The head of the change log after the last writer.
    pub(crate) head: u64,
    /// Rows of what was deleted wait to be removed.
    pub(crate) waits: bool,
    /// The writes: see `Tables::redo`.
    pub(crate) body: Vec<u8>,
    /// More was written than `body` may hold, so that it holds nothing.
    pub(crate) overflowed: bool,
    /// A storage error left an operation half done.
    pub(crate) failed: bool,
}

impl Redo {
    pub(crate) fn lock(redo: &Mutex<Redo>) -> MutexGuard<'_, Redo> {
        redo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer begins.
    pub(crate) fn begin(redo: &Mutex<Redo>, version: u64) {
        Self::lock(redo).versions.get_or_insert((version, version));
    }

    /// A writer ends: the version and the head after it, and whether rows wait.
    pub(crate) fn end(redo: &Mutex<Redo>, (version, head, waits): (u64, u64, bool), body: Option<Vec<u8>>) {
        let mut redo = Self::lock(redo);
        (redo.head, redo.waits) = (head, waits);
        if let Some((_, to)) = &mut redo.versions {
            *to = version;
        }
        match body.filter(|body| !redo.overflowed && redo.body.len() + body.len() <= MAX_REDO) {
            Some(body) if redo.body.is_empty() => redo.body = body,
            Some(body) => redo.body.extend_from_slice(&body),
            None => (redo.overflowed, redo.body) = (true, Vec::new()),
        }
    }

    pub(crate) fn fail(redo: &Mutex<Redo>) {
        Self::lock(redo).failed = true;
    }

    /// `true` if the transaction wrote nothing to the store.
    pub(crate) fn is_empty(&self) -> bool {
        self.versions.is_none_or(|(from, to)| from == to)
    }
}
