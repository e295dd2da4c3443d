//! What the handles and transactions of one store share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::Database;

use crate::context::Context;
use crate::doorbell::Doorbell;
use crate::error::StorageError;
use crate::journaling::Journaling;

/// What the handles of one store share. Dropping the last one closes the store.
pub(crate) struct Shared {
    pub(crate) db: Arc<Database>,
    pub(crate) context: Context,
    pub(crate) doorbell: Doorbell,
    journal: Option<Mutex<Journaling>>,
    poisoned: AtomicBool,
}

impl Shared {
    pub(crate) fn new(db: Arc<Database>, context: Context, journal: Option<Journaling>, head: u64) -> Self {
        let journal = journal.map(Mutex::new);
        Self {
            db,
            context,
            doorbell: Doorbell::new(head),
            journal,
            poisoned: AtomicBool::new(false),
        }
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
        if self.poisoned.load(Ordering::Acquire) {
            Err(StorageError::Poisoned)
        } else {
            Ok(())
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // After an error the file is left as it is: the next open does what the journal says.
        if let Some(journal) = self.journal.take()
            && self.check_sound().is_ok()
        {
            let journal = journal.into_inner().unwrap_or_else(PoisonError::into_inner);
            let _ = journal.close(&self.db);
        }
    }
}
