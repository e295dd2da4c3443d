//! What a store stands on, and who may use it: the folder of its file, whether it may be written, the process that opened it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::engine::file::Folder;
use crate::model::error::{Cause, StorageError};
use crate::storage::process::Process;

#[derive(Debug)]
pub(crate) struct Grounds {
    folder: Mutex<Option<Folder>>,
    /// The names of the folder are on the disk.
    anchored: AtomicBool,
    path: Option<PathBuf>,
    read_only: bool,
    pub(crate) process: Process,
}

impl Grounds {
    pub(crate) fn new(folder: Option<Folder>, path: Option<PathBuf>, read_only: bool) -> Self {
        let anchored = AtomicBool::new(folder.is_none());
        Self { folder: Mutex::new(folder), anchored, path, read_only, process: Process::this() }
    }

    /// How long the file is now, where it has a path.
    pub(crate) fn file_len(&self) -> Option<u64> {
        std::fs::metadata(self.path.as_ref()?).ok().map(|found| found.len())
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn check_writable(&self) -> Result<(), StorageError> {
        if self.read_only {
            return Err(StorageError::ReadOnly { path: self.path.clone() });
        }
        Ok(())
    }

    /// Before the first write: the file's name is on the disk before anything in the file is acknowledged.
    pub(crate) fn anchor(&self) -> Result<(), StorageError> {
        if self.anchored.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &*folder {
            held.sync().map_err(|error| StorageError::Database(Cause::new(error)))?;
        }
        // Let go of: a held folder would keep its file system from being unmounted.
        *folder = None;
        self.anchored.store(true, Ordering::Release);
        Ok(())
    }
}
