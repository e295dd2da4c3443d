//! What the handles and transactions of one store share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use redb::{Database, ReadableDatabase};

use crate::context::Context;
use crate::doorbell::Doorbell;
use crate::error::StorageError;
use crate::handle::LastHandle;
use crate::journaling::Journaling;
use crate::tables::{Snapshot, Tables, shield};

/// What the handles of one store share. Dropping the last one closes the store.
pub(crate) struct Shared {
    pub(crate) db: Arc<Database>,
    pub(crate) context: Context,
    pub(crate) doorbell: Doorbell,
    journal: Option<Mutex<Journaling>>,
    poisoned: AtomicBool,
    /// The snapshot of the last commit, with its tables open, for the readers until the next one. Opening a
    /// table costs more than a look-up in it.
    latest: Mutex<Option<Arc<Tables<Snapshot>>>>,
    /// After everything else: the database goes last.
    last: LastHandle,
}

impl Shared {
    pub(crate) fn new(
        db: Arc<Database>,
        last: LastHandle,
        context: Context,
        journal: Option<Journaling>,
        head: u64,
    ) -> Self {
        Self {
            db,
            last,
            context,
            doorbell: Doorbell::new(head),
            journal: journal.map(Mutex::new),
            poisoned: AtomicBool::new(false),
            latest: Mutex::new(None),
        }
    }

    fn latest(&self) -> MutexGuard<'_, Option<Arc<Tables<Snapshot>>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is committed now.
    pub(crate) fn snapshot(&self) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        // The lock is held while the snapshot is taken, so that no commit comes in between and forgets it
        // too early.
        let mut latest = self.latest();
        if let Some(snapshot) = &*latest {
            return Ok(snapshot.clone());
        }
        let txn = shield(|| ReadableDatabase::begin_read(&*self.db))?;
        let snapshot = Arc::new(Tables::new(Snapshot(txn)));
        // A caller who can commit by itself would not be noticed here: then each reader gets its own.
        if !self.last.is_lent() {
            *latest = Some(snapshot.clone());
        }
        Ok(snapshot)
    }

    /// Before a commit, so that it can reuse the space of what the snapshot held; and after it, so that
    /// readers see it.
    pub(crate) fn forget_snapshot(&self) {
        let forgotten = self.latest().take();
        drop(forgotten);
    }

    /// The caller has got hold of the database.
    pub(crate) fn share_database(&self) {
        // First, so that no snapshot is kept after the last one was forgotten.
        self.last.lend();
        self.forget_snapshot();
    }

    pub(crate) fn journal(&self) -> Option<MutexGuard<'_, Journaling>> {
        let journal = self.journal.as_ref()?;
        Some(journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// No more writes: what reached the disk is not certain any more.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(crate) fn check_sound(&self) -> Result<(), StorageError> {
        if self.poisoned.load(Ordering::Acquire) { Err(StorageError::Poisoned) } else { Ok(()) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.forget_snapshot();
        // After an error the file is left as it is: the next open does what the journal says.
        if let Some(journal) = self.journal.take()
            && self.check_sound().is_ok()
        {
            let journal = journal.into_inner().unwrap_or_else(PoisonError::into_inner);
            close(journal, self.db.clone());
        }
    }
}

/// How long closing waits for a write transaction that the caller began on the database itself.
const PATIENCE: Duration = Duration::from_millis(500);

/// Closes the journal, which takes a write transaction. The caller may hold one, on this very thread: then
/// the close happens once that one has ended, on a thread of its own, and the file stays open until then.
fn close(journal: Journaling, db: Arc<Database>) {
    let (report, progress) = mpsc::channel();
    let closing = thread::Builder::new().name("execstore-close".into()).spawn(move || {
        let begun = shield(|| db.begin_write());
        let _ = report.send(());
        if let Ok(txn) = begun {
            // Nobody is left to hear of an error; the next open does what was not done.
            let _ = journal.close(txn);
        }
        drop(db);
    });
    if let (Ok(closing), Ok(())) = (closing, progress.recv_timeout(PATIENCE)) {
        let _ = closing.join();
    }
}
