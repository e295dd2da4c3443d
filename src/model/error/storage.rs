//! Errors of the file and of what keeps it.

use std::path::PathBuf;
use std::sync::Arc;

/// The file could not be read or written.
///
/// After one of these the store stops writing: every later write says [`Poisoned`](StorageError::Poisoned),
/// because what reached the disk is no longer certain. Reads of what was committed go on where they can.
/// Drop every handle and open the store again; what was acknowledged is there.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database under the store failed. The cause of a store in a file is an error of redb's (`redb::Error`), to be had by `downcast_ref`.
    #[error("the database failed: {0}")]
    Database(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The journal in the store's file could not be read or written.
    #[error("the journal failed: {0}")]
    Journal(#[source] Arc<std::io::Error>),
    /// A write transaction of the caller's own is in the way, and the system gave no thread to wait for its end on. The next open does what was
    /// not done.
    #[error("no thread could be started to wait for an open write transaction: {0}")]
    Thread(#[source] Arc<std::io::Error>),
    /// The database met something that it took for impossible, which damage to the file can cause.
    #[error("the database panicked, as it does on a damaged file: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// The store was [closed](crate::Store::close) through another handle.
    #[error("the store was closed")]
    Closed,
    /// A write transaction is still open, so closing was not finished: the file is closed once it ends.
    #[error("a write transaction is still open; the file is closed once it ends")]
    Busy,
    /// The store was closed, and something that it waited for in vain runs still; the file is let go of once that ends.
    #[error("the store was closed, and {what} still runs; the file is let go of once that ends")]
    StillRunning {
        /// What runs.
        what: String,
    },
    /// The disk is full, or has less room than is kept in reserve. Nothing of this transaction happened, and the store goes on: reads, and
    /// what makes room (deletes, trims, checkpoints, closing), are let in. Make room, or lower
    /// [`Builder::set_reserve`](crate::Builder::set_reserve), and try again.
    #[error("the disk has no room for this: {}{reserve} bytes are kept in reserve; nothing of the transaction happened; make room, delete or trim, or lower `Builder::set_reserve`", .free.map(|free| format!("{free} bytes are free, ")).unwrap_or_default())]
    OutOfSpace {
        /// The bytes that are free for this user, where the system tells.
        free: Option<u64>,
        /// The bytes that are kept for what makes room.
        reserve: u64,
    },
    /// The store was [opened to be read](crate::Builder::open_read_only): nothing was written.
    #[error("the store {} was opened read-only; open it with `Store::open` to write", .path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The store was opened by another process, of which this one is a `fork`. Nothing was done: two processes that write one
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
    /// An earlier storage error stopped this store from writing: open it again. [`Store::health`](crate::Store::health) says which
    /// it was.
    #[error("an earlier storage error stopped this store from writing; open it again")]
    Poisoned,
}

/// The disk, the user's quota or the largest size of a file is at its end.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
