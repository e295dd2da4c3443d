//! The last hold on a database, and how to let go of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use redb::Database;

use crate::engine::file::Medium;
use crate::engine::packing::{Effort, make_small};
use crate::model::error::StorageError;
use crate::storage::process::Process;
use crate::storage::settings::Space;
use crate::storage::{catch_panics, commit_whole};

/// How long closing waits for a write transaction that the caller began on the database itself, and letting go of the database for
/// those who wait for one.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// The threads that wait in redb's line for a write transaction of the caller's own to end. Each of them holds the database, also
/// once nobody waits for it any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiters(Arc<(Mutex<usize>, Condvar)>);

/// One of them, until it is dropped: after its hold on the database.
#[derive(Debug)]
pub(crate) struct Waiter(Waiters);

impl Waiters {
    pub(crate) fn enter(&self) -> Waiter {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Waiter(self.clone())
    }

    /// Waits until they are gone, at most so long: the caller's transaction may be open still.
    fn gone(&self, longest: Duration) {
        let many = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(many, longest, |many| *many > 0);
        drop(waited);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let (many, gone) = &*self.0.0;
        let mut many = many.lock().unwrap_or_else(PoisonError::into_inner);
        *many = many.saturating_sub(1);
        gone.notify_all();
    }
}

/// Holds the database to the end, and lets go of it with care.
pub(crate) struct OwnedDatabase {
    db: Option<Arc<Database>>,
    /// What it lies on, unless it is the caller's.
    medium: Option<Arc<Medium>>,
    /// The caller has got hold of the database, and may have a write transaction open.
    lent: AtomicBool,
    waiters: Waiters,
    process: Process,
    /// The length of the file that is to be made small, and the room around it.
    small: OnceLock<(u64, Option<Arc<dyn Space>>)>,
}

impl OwnedDatabase {
    /// The database is lent from the start if somebody else can get at it.
    pub(crate) fn new(db: Arc<Database>, medium: Option<Arc<Medium>>) -> Self {
        let lent = AtomicBool::new(Arc::strong_count(&db) > 1 || Arc::weak_count(&db) > 0);
        let waiters = Waiters::default();
        Self { db: Some(db), medium, lent, waiters, process: Process::this(), small: OnceLock::new() }
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

    pub(crate) fn waiters(&self) -> &Waiters {
        &self.waiters
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
        // Whoever opens the file next would find that it is open still.
        self.waiters.gone(PATIENCE);
        let Some(mut db) = self.db.take().and_then(Arc::into_inner) else { return };
        if *self.lent.get_mut() {
            // To begin a write here could wait for ever. redb closes once the caller's transaction ends.
            let _ = drop_quietly(db);
            return;
        }
        // A close commits. On a damaged file that may panic, and panic again in unwinding, which would end
        // the process. So the commit comes first, where a panic can be caught, and a database that panicked
        // is not closed at all: it stays in memory, without the locks of its file, which nobody uses any more. The next
        // open repairs the file, as after a crash.
        let mut sound = catch_panics(|| db.begin_write()).and_then(commit_whole);
        if sound.is_ok()
            && let Some((len, space)) = self.small.take()
        {
            sound = make_small(&mut db, len, Effort::CLOSE, space.as_deref()).map(drop);
        }
        let _ = let_go(db, &sound, self.medium.as_deref());
    }
}

/// Lets go of a database that nobody else has, after what was done to it last.
pub(crate) fn let_go<T>(
    db: Database,
    last: &Result<T, StorageError>,
    medium: Option<&Medium>,
) -> Result<(), StorageError> {
    if !matches!(last, Err(StorageError::Panicked { .. })) {
        return drop_quietly(db);
    }
    std::mem::forget(db);
    catch_panics(|| medium.map_or(Ok(()), Medium::close).map_err(redb::Error::from))
}

pub(crate) fn drop_quietly<T>(db: T) -> Result<(), StorageError> {
    catch_panics(|| {
        drop(db);
        Ok::<_, StorageError>(())
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::ops::Bound;

    use redb::{BackendError, StorageBackend};

    use super::*;

    /// A file that redb panics over once it is told to.
    #[derive(Debug)]
    struct Panics(Arc<Medium>, Arc<AtomicBool>);

    impl StorageBackend for Panics {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            assert!(!self.1.load(Ordering::SeqCst), "as over a damaged file");
            self.0.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }

        fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.0.try_lock((start, end), false)
        }

        fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.0.try_lock((start, end), true)
        }

        fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
            self.0.unlock((start, end))
        }

        fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
            self.0.query_lock((start, end))
        }
    }

    #[test]
    fn a_database_that_is_given_up_keeps_nobody_from_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || {
            let medium = Medium::file(file.reopen().unwrap(), true).unwrap();
            let panics = Arc::new(AtomicBool::new(false));
            let db = redb::Builder::new().create_with_backend(Panics(medium.clone(), panics.clone()));
            db.map(|db| (OwnedDatabase::new(Arc::new(db), Some(medium)), panics))
        };
        for panics in [false, true] {
            let (owned, panicking) = open().unwrap();
            assert!(matches!(open(), Err(redb::DatabaseError::DatabaseAlreadyOpen)));
            panicking.store(panics, Ordering::SeqCst);
            drop(owned);
            assert!(open().is_ok(), "it panicked: {panics}");
        }
    }
}
