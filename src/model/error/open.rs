//! Why a store could not be opened or created.

use std::path::PathBuf;

use super::{InputError, StorageError};
use crate::model::loss::JournalLoss;

/// Why a store could not be opened or created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another handle, in this process or another, has the file open.
    #[error("{} is in use by {}; close it there first, or share one `Store`", .path.display(), holder_text(*.holder))]
    AlreadyOpen {
        /// The file.
        path: PathBuf,
        /// The process that has it open, where the system tells.
        holder: Option<u32>,
    },
    /// The file system has no locks, so another process that opens the file would not be noticed and the two would destroy it.
    /// Nothing was written. [`Builder::set_require_lock`](crate::Builder::set_require_lock) opens it all the same.
    #[error(
        "{} cannot be locked, so nothing would keep two processes from writing it at once; use another file system, or `Builder::set_require_lock(false)` if there is only one", .path.display()
    )]
    NoLocks {
        /// The file.
        path: PathBuf,
    },
    /// There is no such file.
    #[error("{} does not exist; `Store::create_new` makes a new store", .path.display())]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The path is a symbolic link, and what it leads to is not there. Nothing was created.
    #[error("{} is a symbolic link to {}, which does not exist; make the store there by that name, or remove the link", .path.display(), .target.display())]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// What it says.
        target: PathBuf,
    },
    /// There is such a file already, so nothing was created.
    #[error("{} exists already; `Store::open` opens it, `Store::open_or_create` does either", .path.display())]
    AlreadyExists {
        /// The file.
        path: PathBuf,
    },
    /// The file has no bytes, or the making of a store in it was ended by a crash.
    #[error("{} is empty: it holds no store; `Store::open_or_create` makes one in it", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is no store, and no redb database that could hold one.
    #[error("{} is not an execution store, nor a redb database; check the path", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A redb database, but it holds no store.
    #[error("the database holds no execution store; `Builder::attach` makes one in a database that is open")]
    NotAStore,
    /// The store was written by a newer release. The file was not changed.
    #[error(
        "the store has format {found}, and this release reads up to {supported}; use a newer release of execstore"
    )]
    Format {
        /// The format of the file.
        found: u32,
        /// The newest format that this release knows.
        supported: u32,
    },
    /// The store was made with another lifecycle, which the one that was given does not merely extend.
    #[error(
        "the store has another lifecycle; keep its states and transitions and only add to them. In the file: {found}. Asked for: {expected}"
    )]
    Lifecycle {
        /// The lifecycle that was given to the builder.
        expected: String,
        /// The lifecycle in the file.
        found: String,
    },
    /// A tamper-evident store was asked for, but this one was created without tamper evidence.
    #[error("the store is not tamper-evident; that is chosen when a store is created")]
    NotTamperEvident,
    /// A database that was to be attached is the inside of a store's file, and the journal before it was not done again.
    #[error("the store was not closed, and has a journal to be done again; open its file with `Store::open`")]
    JournalPending,
    /// The store was not closed, and of what only its journal held, a part that was acknowledged cannot be read. What
    /// came before it is whole. The file was not changed.
    ///
    /// Restore a backup if there is a newer one. Else there are two ways: [`Builder::open_at_checkpoint`](crate::Builder::open_at_checkpoint) shows
    /// the store as its last checkpoint left it, and [`Builder::accept_loss`](crate::Builder::accept_loss) with this very loss opens it with everything up to the damage.
    #[error(
        "{} was not closed, and its journal is damaged: {reason}. What was acknowledged after change {} is lost ({loss}). Restore a backup, look at the rest with `Builder::open_at_checkpoint`, or go on without it with `Builder::accept_loss`", .path.display(), .loss.after()
    )]
    JournalDamaged {
        /// The file.
        path: PathBuf,
        /// What is lost, by name.
        loss: JournalLoss,
        /// What is wrong with the journal.
        reason: String,
    },
    /// The file is damaged: restore a backup.
    #[error("the store is damaged: {reason}; restore it from a backup")]
    Damaged {
        /// What is wrong.
        reason: String,
        /// The error behind it, where there is one.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// A setting of the builder cannot be.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The operating system refused to open, create or name the file.
    #[error("{} could not be opened: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database under the store failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::DamagedPage(page) => {
                OpenError::Damaged { reason: page.to_string(), source: Some(Box::new(page)) }
            }
            other => OpenError::Storage(other),
        }
    }
}

/// Who holds a file.
fn holder_text(holder: Option<u32>) -> String {
    match holder {
        Some(process) if process == std::process::id() => "another store in this process".to_owned(),
        Some(process) => format!("another process, {process}"),
        None => "another process, or another store in this one".to_owned(),
    }
}
