//! Why a transaction was not begun or not committed, or a closure of the group commit has no result.

use std::time::Duration;

use super::{Damage, StorageError};

/// The call would have waited for the very thread that made it: it was made within a closure that writes, while this thread holds a
/// [`WriteTxn`](crate::WriteTxn) or a joined writer, or by something that a commit woke on the thread that commits; or threads in the
/// closures of several stores would have waited for each other, and this call was the last. Nothing was done. Use the
/// [`Writer`](crate::Writer) that is at hand, or make the call after the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error(
    "the call was made from within a write of the same store, and would wait for itself; use the writer at hand, or call after the write"
)]
#[non_exhaustive]
pub struct Reentrant;

/// Why a write transaction was not begun. Nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// It would have waited for the thread that asked for it.
    #[error(transparent)]
    Reentrant(#[from] Reentrant),
    /// Another write transaction has been open for longer than the [limit](crate::Builder::set_write_limit), and still is. Try again
    /// once it has ended.
    #[error("{by} has held the turn to write for {held:?}; no other write begins before it ends")]
    WriterHeld {
        /// What holds it.
        by: &'static str,
        /// For how long it has done so.
        held: Duration,
    },
    /// The store takes no writes, or could not begin one.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why there is no writer in a transaction. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The transaction is not one of this store's database, so nothing can be written through it.
    #[error("the transaction belongs to another database: it holds {found}, not store {expected}")]
    ForeignTransaction {
        /// This store's id.
        expected: uuid::Uuid,
        /// What is in the transaction's database.
        found: String,
    },
    /// The transaction already has a writer: drop that one first.
    #[error(
        "the transaction has another writer, or the caller holds one of the store's tables open; drop that first"
    )]
    WriterInUse,
    /// The row that a writer begins with is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The store takes no writes, or its file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a transaction was not committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing of the transaction is in the store, and nothing will be. Whether the store goes on is what
    /// [`stops_writing`](StorageError::stops_writing) says of the reason.
    #[error("the transaction was rolled back: {0}")]
    RolledBack(#[source] StorageError),
    /// The transaction may or may not be found in the store once it is opened again. Until then the store takes no more writes.
    #[error("it is unknown whether the transaction was committed; open the store again and look: {0}")]
    Unknown(#[source] StorageError),
}

/// Why a closure was not taken into the group commit, or has no result of its own. Nothing of it was written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// What waits in the queue holds too much memory: try again later, or use the form that waits.
    #[error(
        "the queue of the group commit holds {waiting} bytes already: with {bytes} more it would be above {maximum}; try again later, or use the form that waits"
    )]
    QueueTooLarge {
        /// How many bytes wait.
        waiting: usize,
        /// How many were to come.
        bytes: usize,
        /// How many may wait.
        maximum: usize,
    },
    /// The queue is full: try again later, or use the form that waits.
    #[error(
        "the queue of the group commit is full: {maximum} wait already; try again later, or use the form that waits"
    )]
    QueueFull {
        /// How many may wait.
        maximum: usize,
    },
    /// The closure panicked. What it wrote was rolled back; the store lives on.
    #[error("the closure panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// It would have waited for the thread that asked for it.
    #[error(transparent)]
    Reentrant(#[from] Reentrant),
    /// The result was taken by an earlier poll: there is only one.
    #[error("the result was taken already, by an earlier poll")]
    Taken,
    /// The thread that commits ended before it came to this closure. Try again.
    #[error("the thread that commits ended before it came to the closure; try again")]
    Lost,
    /// The store takes no writes, or there is no thread to commit on.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
