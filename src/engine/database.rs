//! The last hold on a database, and how to let go of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use redb::Database;

use crate::engine::packing::{Effort, make_small};
use crate::model::error::StorageError;
use crate::storage::process::Process;
use crate::storage::settings::Space;
use crate::storage::{catch_panics, commit_whole};

/// Holds the database to the end, and lets go of it with care.
pub(crate) struct OwnedDatabase {
    db: Option<Arc<Database>>,
    /// The caller has got hold of the database, and may have a write transaction open.
    lent: AtomicBool,
    process: Process,
    /// The length of the file that is to be made small, and the room around it.
    small: OnceLock<(u64, Option<Arc<dyn Space>>)>,
}

impl OwnedDatabase {
    /// The database is lent from the start if somebody else can get at it.
    pub(crate) fn new(db: Arc<Database>) -> Self {
        let lent = Arc::strong_count(&db) > 1 || Arc::weak_count(&db) > 0;
        Self { db: Some(db), lent: AtomicBool::new(lent), process: Process::this(), small: OnceLock::new() }
    }

    /// A further hold, to be let go of before this one. `None` only while this one is being dropped.
    pub(crate) fn db(&self) -> Option<Arc<Database>> {
        self.db.clone()
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Acquire)
    }

    pub(crate) fn lend(&self) {
        self.lent.store(true, Ordering::Release);
    }
}

impl OwnedDatabase {
    /// Has the file, which is so long, made small when it is let go of, as far as that is quick.
    pub(crate) fn make_small(&self, len: u64, space: Option<Arc<dyn Space>>) {
        let _ = self.small.set((len, space));
    }
}

impl Drop for OwnedDatabase {
    fn drop(&mut self) {
        if self.process.is_another() {
            // A child's copy: the file is the parent's.
            std::mem::forget(self.db.take());
            return;
        }
        let Some(mut db) = self.db.take().and_then(Arc::into_inner) else { return };
        if *self.lent.get_mut() {
            // To begin a write here could wait for ever. redb closes once the caller's transaction ends.
            let _ = drop_quietly(db);
            return;
        }
        // A close commits. On a damaged file that may panic, and panic again in unwinding, which would end
        // the process. So the commit comes first, where a panic can be caught, and a database that panicked
        // is not closed at all. The next open repairs the file, as after a crash.
        let mut sound = catch_panics(|| db.begin_write()).and_then(commit_whole);
        if sound.is_ok()
            && let Some((len, space)) = self.small.take()
        {
            sound = make_small(&mut db, len, Effort::CLOSE, space.as_deref()).map(drop);
        }
        match sound {
            Err(StorageError::Panicked { .. }) => std::mem::forget(db),
            _ => {
                let _ = drop_quietly(db);
            }
        }
    }
}

pub(crate) fn drop_quietly<T>(db: T) -> Result<(), StorageError> {
    catch_panics(|| {
        drop(db);
        Ok::<_, StorageError>(())
    })
}
