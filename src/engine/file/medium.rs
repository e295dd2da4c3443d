//! What everything of a store lies on: a file, or the caller's own storage. The journal writes to it directly, redb
//! through an [`Image`](super::Image).

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use super::through::Through;
use crate::model::error::is_full;
use crate::storage::process::Process;

/// A storage with whatever locks it has.
#[derive(Debug)]
pub(crate) struct Medium {
    storage: Box<dyn StorageBackend>,
    /// Nothing is written before a lock is held, where there must be one.
    needs_lock: bool,
    locked: AtomicBool,
    /// The system answered that it has no locks here.
    no_locks: AtomicBool,
    /// A sync failed, the journal's or redb's. What was written before it may be gone although later syncs succeed, and the two
    /// do not hear of each other's errors: so nothing is written any more.
    broken: AtomicBool,
    /// The file once more, for what is written and synced in one.
    through: Through,
    closed: AtomicBool,
    process: Process,
}

/// The system lets go of a lock only once the last copy of the file is closed, and a child that is being started has one for a moment: a lock
/// that nobody let go of would outlive an opening that was refused.
impl Drop for Medium {
    fn drop(&mut self) {
        if self.is_locked() && !self.process.is_another() {
            let _ = self.close();
        }
    }
}

impl Medium {
    /// A file, as it was opened. `needs_lock`: it is not written to unless it can be locked.
    pub(crate) fn file(file: File, needs_lock: bool) -> io::Result<Arc<Self>> {
        let through = Through::new(&file);
        let storage = FileBackend::new(file).map_err(io::Error::other)?;
        Ok(Self::new(Box::new(storage), needs_lock, through))
    }

    /// The caller's own storage. Whether two may use it at once is the caller's business.
    pub(crate) fn foreign(storage: Box<dyn StorageBackend>) -> Arc<Self> {
        Self::new(storage, false, Through::none())
    }

    fn new(storage: Box<dyn StorageBackend>, needs_lock: bool, through: Through) -> Arc<Self> {
        let [locked, no_locks, broken, closed] = [const { AtomicBool::new(false) }; 4];
        let process = Process::this();
        Arc::new(Self { storage, needs_lock, locked, no_locks, broken, through, closed, process })
    }

    /// A lock is held.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Acquire)
    }

    /// A write was refused because the system gives no locks here.
    pub(crate) fn refused_for_locks(&self) -> bool {
        self.needs_lock && self.no_locks.load(Ordering::Acquire) && !self.locked.load(Ordering::Acquire)
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }

    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.storage.read(offset, out)
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.may_write()?;
        self.storage.write(offset, data)
    }

    /// Writes, and waits until this range is durable; nothing is said of what else was written. Where the system has a call for
    /// that, redb's pages that nobody waits for stay where they are: a sync would write all of them first.
    ///
    /// After an error the range holds anything; unless the disk was full, nothing is written any more.
    pub(crate) fn write_through(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.may_write()?;
        match self.through.write(offset, data) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                if !is_full(&error) {
                    self.broken.store(true, Ordering::Release);
                }
                Err(error)
            }
            None => {
                self.storage.write(offset, data)?;
                self.sync_data()
            }
        }
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.may_write()?;
        self.storage.set_len(len)
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.check_whole()?;
        let synced = self.storage.sync_data();
        if synced.is_err() {
            self.broken.store(true, Ordering::Release);
        }
        synced
    }

    fn check_whole(&self) -> io::Result<()> {
        if self.broken.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of the file failed"));
        }
        Ok(())
    }

    /// Lets go of the locks, once. Nothing is read or written after it.
    pub(crate) fn close(&self) -> io::Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.through.close();
        self.storage.close()
    }

    fn may_write(&self) -> io::Result<()> {
        self.check_whole()?;
        if self.needs_lock && !self.locked.load(Ordering::Acquire) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the file cannot be locked"));
        }
        Ok(())
    }

    /// Tries to lock a range, `shared` or for itself alone.
    pub(crate) fn try_lock(
        &self,
        range: (Bound<u64>, Bound<u64>),
        engine: bool,
    ) -> Result<bool, BackendError> {
        self.note(match engine {
            true => self.storage.try_lock_shared_range(range.0, range.1),
            false => self.storage.try_lock_range(range.0, range.1),
        })
    }

    /// Waits for the lock of a range.
    pub(crate) fn lock(&self, range: (Bound<u64>, Bound<u64>), engine: bool) -> Result<(), BackendError> {
        let locked = match engine {
            true => self.storage.lock_shared_range(range.0, range.1),
            false => self.storage.lock_range(range.0, range.1),
        };
        self.note(locked.map(|()| true)).map(drop)
    }

    pub(crate) fn unlock(&self, range: (Bound<u64>, Bound<u64>)) -> Result<(), BackendError> {
        self.storage.unlock_range(range.0, range.1)
    }

    pub(crate) fn query_lock(&self, range: (Bound<u64>, Bound<u64>)) -> Result<bool, BackendError> {
        self.storage.query_lock_range(range.0, range.1)
    }

    fn note(&self, locked: Result<bool, BackendError>) -> Result<bool, BackendError> {
        match &locked {
            Ok(true) => self.locked.store(true, Ordering::Release),
            Err(BackendError::Unsupported) => self.no_locks.store(true, Ordering::Release),
            _ => {}
        }
        locked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    const ALL: (Bound<u64>, Bound<u64>) = (Bound::Unbounded, Bound::Unbounded);

    #[test]
    fn nothing_is_written_where_there_are_no_locks_and_must_be() {
        let medium = Medium::new(Box::new(InMemoryBackend::new()), true, Through::none());
        assert!(medium.set_len(1).is_err() && !medium.refused_for_locks(), "nobody has asked for a lock yet");
        assert!(matches!(medium.try_lock(ALL, false), Err(BackendError::Unsupported)));
        assert!(medium.refused_for_locks());
        for refused in [medium.set_len(1), medium.write(0, &[1])] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
        assert_eq!(medium.len().unwrap(), 0);
        let asked_for = Medium::foreign(Box::new(InMemoryBackend::new()));
        asked_for.set_len(1).unwrap();
        asked_for.write(0, &[1]).unwrap();
    }

    #[test]
    fn a_lock_ends_with_its_medium_though_a_child_that_is_being_started_has_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = file.reopen().unwrap();
        let childs = opened.try_clone().unwrap();
        let medium = Medium::file(opened, true).unwrap();
        assert!(medium.try_lock(ALL, false).unwrap());
        let other = Medium::file(file.reopen().unwrap(), true).unwrap();
        assert!(!other.try_lock(ALL, false).unwrap());
        drop(medium);
        assert!(other.try_lock(ALL, false).unwrap());
        drop(childs);
    }

    #[test]
    fn nothing_is_written_after_a_sync_that_failed() {
        /// Fails its first sync alone, as a disk does that lost what was to be synced.
        #[derive(Debug)]
        struct Forgets(InMemoryBackend, AtomicBool);

        impl StorageBackend for Forgets {
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
                if self.1.swap(true, Ordering::SeqCst) { Ok(()) } else { Err(io::Error::other("lost")) }
            }
            fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
                self.0.write(offset, data)
            }
        }

        let medium = Medium::foreign(Box::new(Forgets(InMemoryBackend::new(), AtomicBool::new(false))));
        medium.set_len(8).unwrap();
        assert!(medium.sync_data().is_err());
        for _ in 0..2 {
            assert!(
                medium.sync_data().is_err() && medium.write(0, &[1]).is_err() && medium.set_len(9).is_err()
            );
        }
        medium.read(0, &mut [0; 8]).unwrap();
    }
}
