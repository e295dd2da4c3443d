//! Errors of the file and of what keeps it.

use std::path::PathBuf;

use super::{Cause, Damage, DamagedPage};

/// The store, or the file under it, did not do what it was to do.
///
/// There are two kinds, which [`stops_writing`](StorageError::stops_writing) tells apart:
///
/// - A *refusal*: nothing happened, and the store is as it was before.
/// - A *failure*. If a write or a commit met it, the store stops writing, because what reached the disk is no longer certain: every
///   later write is refused with [`Poisoned`](StorageError::Poisoned), and [`Store::health`](crate::Store::health) says why. Reads of
///   what was committed go on where they can. Drop every handle and open the store again: what was acknowledged is there. A read that
///   meets a failure stops nothing by itself.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A failure of the database under the store, or of the file that it is in. The cause, an error of redb's (`redb::Error`) or of the
    /// system (`std::io::Error`), is behind `source`, to be had by `downcast_ref`. Open the store again.
    #[error("the database failed: {0}")]
    Database(#[source] Cause),
    /// A failure of the journal in the store's file: it could not be read or written. Open the store again.
    #[error("the journal failed: {0}")]
    Journal(#[source] Cause<std::io::Error>),
    /// A failure: a page of the file is not what was written there, and was not used. What does not lie behind it can still be read. Restore a
    /// backup; or open the file [read-only](crate::Builder::open_read_only), which reads past such a page as far as possible, and write what is
    /// there to a new store.
    #[error(
        "the file is damaged: {0}; restore it from a backup, or save what `Builder::open_read_only` can read"
    )]
    DamagedPage(#[source] DamagedPage),
    /// A failure: the database met something that it took for impossible, which damage to the file can cause. Open the store again; if
    /// this comes again, restore a backup.
    #[error("the database panicked, as it does on a damaged file: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// A failure: a row that the store itself stands on is damaged or missing. Restore a backup.
    #[error(transparent)]
    Damaged(Damage),
    /// A failure of before stopped this store from writing: drop every handle and open it again.
    #[error("an earlier error stopped this store from writing; open it again{}", because(.reason))]
    Poisoned {
        /// The failure, as [`Store::health`](crate::Store::health) gives it; `None` where only the database below knows of it.
        #[source]
        reason: Option<Cause<StorageError>>,
    },
    /// A refusal: the store was [closed](crate::Store::close) through another handle. Open it again.
    #[error("the store was closed")]
    Closed,
    /// A write transaction is still open, so closing was not finished: the file is closed once it ends. There is nothing to do but to
    /// end it.
    #[error("a write transaction is still open; the file is closed once it ends")]
    Busy,
    /// A refusal: a new look at the store from within a closure that writes to it. Read through the writer that the closure is given.
    #[error("the store was to be read within a closure that writes to it; read through its writer")]
    ReadWithin,
    /// The store was closed, and something that it waited for in vain still runs; the file is let go of once that ends.
    #[error("the store was closed, and {what} still runs; the file is let go of once that ends")]
    StillRunning {
        /// What runs.
        what: String,
    },
    /// A refusal: the system gave no thread. Nothing was written; try again once there are fewer threads. When closing, what was
    /// acknowledged is in the file, and the next open finishes what this one could not.
    #[error("no thread could be started {purpose}: {source}")]
    Thread {
        /// What it was to do.
        purpose: &'static str,
        /// What the system said.
        source: Cause<std::io::Error>,
    },
    /// A refusal: the disk is full, or has less room than is kept in reserve. Nothing of this transaction happened, and the store goes
    /// on: reads, and what makes room (deletes, trims, checkpoints, closing), are let in. Make room, or lower
    /// [`Builder::set_reserve`](crate::Builder::set_reserve), and try again.
    #[error(
        "the disk has no room for this: {}{reserve} bytes are kept in reserve; nothing of the transaction happened; make room, delete or trim, or lower `Builder::set_reserve`",
        free_text(*.free)
    )]
    OutOfSpace {
        /// The bytes that are free for this user, where the system tells.
        free: Option<u64>,
        /// The bytes that are kept for what makes room.
        reserve: u64,
    },
    /// A refusal: the store was [opened to be read](crate::Builder::open_read_only), and nothing was written.
    #[error("the store{} was opened read-only; open it with `Store::open` to write", path_text(.path))]
    ReadOnly {
        /// The file, where there is one.
        path: Option<PathBuf>,
    },
    /// A refusal: the store was opened by another process, of which this one is a `fork`. Nothing was done: two processes that write one
    /// file destroy it. Open the store after the fork, in one of the two.
    #[error(
        "the store was opened by process {opened_by} and cannot be used by process {used_by}, a fork of it; open it after the fork"
    )]
    OtherProcess {
        /// The process that opened the store.
        opened_by: u32,
        /// This process.
        used_by: u32,
    },
    /// What a storage error of another process said, as its [health](crate::status::Health) was read from JSON.
    #[error("{message}")]
    Told {
        /// What it said.
        message: String,
    },
}

impl StorageError {
    /// `true` for a failure, after which a store that met it in a write or a commit takes no more writes until it is opened again;
    /// `false` for a refusal, after which the store goes on.
    pub fn stops_writing(&self) -> bool {
        match self {
            Self::Database(_)
            | Self::Journal(_)
            | Self::Panicked { .. }
            | Self::Damaged(_)
            | Self::Told { .. }
            | Self::DamagedPage(_)
            | Self::Poisoned { .. } => true,
            Self::Closed
            | Self::Busy
            | Self::ReadWithin
            | Self::StillRunning { .. }
            | Self::Thread { .. }
            | Self::OutOfSpace { .. }
            | Self::ReadOnly { .. }
            | Self::OtherProcess { .. } => false,
        }
    }

    /// That a store takes no more writes, because of this.
    pub(crate) fn stopped(self) -> Self {
        match self {
            Self::Poisoned { .. } => self,
            reason => Self::Poisoned { reason: Some(reason.into()) },
        }
    }

    /// A disk that turns out to be full in the middle of a write is no refusal: redb takes no more after it.
    pub(crate) fn not_refused(self) -> Self {
        match self {
            Self::OutOfSpace { .. } => {
                Self::Database(Cause::new(std::io::Error::from(std::io::ErrorKind::StorageFull)))
            }
            other => other,
        }
    }
}

fn because(reason: &Option<Cause<StorageError>>) -> String {
    reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn free_text(free: Option<u64>) -> String {
    free.map(|free| format!("{free} bytes are free, ")).unwrap_or_default()
}

fn path_text(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default()
}

/// That the system gave no thread.
pub(crate) fn no_thread(purpose: &'static str) -> impl FnOnce(std::io::Error) -> StorageError {
    move |source| StorageError::Thread { purpose, source: source.into() }
}

/// The disk, the user's quota or the largest size of a file is at its end.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
