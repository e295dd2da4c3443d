//! A store's use of its journal: when it begins, when it starts over, when it ends.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, StorageBackend, WriteTransaction};

use crate::context::Context;
use crate::error::{CommitError, OpenError, ReadError, StorageError};
use crate::journal::Journal;
use crate::tables::{Live, Tables, commit_whole, finish, roll_back, shield};

/// Where a store's journal is kept.
pub(crate) enum Home {
    /// Beside the store's file.
    Path(PathBuf),
    /// On a backend that the caller gave, until the journal begins.
    Backend(Option<Box<dyn StorageBackend>>),
}

/// The journal of an open store. It begins with the first commit.
pub(crate) struct Journaling {
    home: Home,
    journal: Option<Journal>,
    /// The meta record names the journal.
    named: bool,
}

/// `<store>-journal`.
pub(crate) fn journal_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

impl Home {
    fn open(&mut self, create: bool) -> Result<Option<Box<dyn StorageBackend>>, StorageError> {
        match self {
            Home::Backend(backend) => Ok(backend.take()),
            Home::Path(path) => {
                let file =
                    OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
                let file = match file {
                    Err(error) if !create && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    other => other.map_err(journal_error)?,
                };
                if create {
                    sync_folder(path).map_err(journal_error)?;
                }
                Ok(Some(Box::new(FileBackend::new(file).map_err(redb::Error::from)?)))
            }
        }
    }
}

impl Journaling {
    /// No journal is pending: one begins with the first commit.
    pub(crate) fn idle(home: Home) -> Self {
        Self { home, journal: None, named: false }
    }

    /// A journal is pending: does what the file lacks again, and goes on with the journal.
    pub(crate) fn recover(
        mut home: Home,
        db: &Database,
        store_id: u128,
        id: u64,
        missing: impl FnOnce() -> OpenError,
    ) -> Result<Self, OpenError> {
        let Some(medium) = home.open(false)? else {
            return Err(missing());
        };
        let Some(mut journal) = Journal::open(medium, store_id, id)? else {
            return Err(missing());
        };
        let txn = shield(|| db.begin_write())?;
        let reached = {
            let mut tables = Tables::new(Live(&txn));
            let version = tables.totals().map_err(open_error)?.version;
            journal.replay(version, |body| tables.redo(body))?
        };
        commit_whole(txn)?;
        journal.checkpointed(reached);
        Ok(Self { home, journal: Some(journal), named: true })
    }

    pub(crate) fn takes(&self, from: u64, body: &[u8]) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.takes(from, body))
    }

    pub(crate) fn append(&mut self, from: u64, to: u64, body: &[u8], lazy: bool) -> Result<(), StorageError> {
        match &mut self.journal {
            Some(journal) => journal.append(from, to, body, lazy),
            None => Err(StorageError::Poisoned),
        }
    }

    /// Commits through redb, after which the journal starts over; or begins, if this is the first commit.
    pub(crate) fn checkpoint(&mut self, context: &Context, txn: WriteTransaction) -> Result<(), CommitError> {
        match self.prepare(context, &txn) {
            Ok(version) => {
                let mut txn = txn;
                // The next open after a crash need not walk the file. The price, about a millisecond for
                // half a gigabyte, is paid once for every few thousand commits.
                txn.set_quick_repair(true);
                finish(txn)?;
                self.named = true;
                if let Some(journal) = &mut self.journal {
                    journal.checkpointed(version);
                }
                Ok(())
            }
            Err(error) => {
                roll_back(txn);
                Err(CommitError::RolledBack(error))
            }
        }
    }

    fn prepare(&mut self, context: &Context, txn: &WriteTransaction) -> Result<u64, StorageError> {
        if self.journal.is_none()
            && let Some(medium) = self.home.open(true)?
        {
            let id = uuid::Uuid::new_v4().as_u64_pair().0 | 1;
            self.journal = Some(Journal::create(medium, context.store_id, id)?);
        }
        let mut tables = Tables::new(Live(txn));
        if !self.named
            && let Some(journal) = &self.journal
        {
            name_journal(&mut tables, journal.id())?;
        }
        tables.totals().map(|totals| totals.version).map_err(storage_error)
    }

    /// The clean end: the file holds everything and names no journal, so the journal goes.
    pub(crate) fn close(self, txn: WriteTransaction) -> Result<(), StorageError> {
        if self.named {
            name_journal(&mut Tables::new(Live(&txn)), 0)?;
            commit_whole(txn)?;
        } else {
            roll_back(txn);
        }
        let Self { home, journal, .. } = self;
        drop(journal);
        if let Home::Path(path) = home {
            // A journal that nothing names is harmless: the next one is written over it.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

fn name_journal(tables: &mut Tables<Live<'_>>, id: u64) -> Result<(), StorageError> {
    match tables.meta().map_err(storage_error)? {
        Some(Ok(mut meta)) => {
            meta.journal = id;
            tables.put_meta(&meta)
        }
        _ => Err(journal_error(std::io::Error::other("the meta record is gone"))),
    }
}

/// Makes a new name in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

fn journal_error(error: std::io::Error) -> StorageError {
    StorageError::Journal(error.into())
}

/// Damage to the rows that the store itself stands on.
fn storage_error(error: ReadError) -> StorageError {
    match error {
        ReadError::Storage(error) => error,
        other => journal_error(std::io::Error::new(std::io::ErrorKind::InvalidData, other.to_string())),
    }
}

pub(crate) fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Storage(error) => error.into(),
        other => OpenError::Damaged { reason: other.to_string(), source: Some(Box::new(other)) },
    }
}
