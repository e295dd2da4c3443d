//! Why a transaction was not committed, or did not come to its turn.

use std::sync::Arc;

use super::StorageError;

/// Why a transaction was not committed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing of the transaction is in the store, and nothing will be.
    #[error("the transaction was rolled back: {0}")]
    RolledBack(#[source] StorageError),
    /// The transaction may or may not be found in the store once it is opened again.
    #[error("it is unknown whether the transaction was committed: {0}")]
    Unknown(#[source] StorageError),
}

/// Why a write did not come to its turn, or a closure of the group commit has no result.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// What waits in the queue holds too much memory: try again later, or use the form that waits.
    #[error(
        "the queue of the group commit holds {waiting} bytes already: with {bytes} more it would be above {maximum}"
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
    #[error("the queue of the group commit is full: {maximum} wait already")]
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
    /// The call would have waited for the very thread that made it: it was made within a closure that writes, while this thread
    /// holds a [`WriteTxn`](crate::WriteTxn) or a joined writer, or by something that a commit woke on the thread that commits; or
    /// threads in the closures of several stores would have waited for each other, and this call was the last. Nothing was
    /// done. Use the [`Writer`](crate::Writer) that is at hand, or make the call after the transaction.
    #[error(
        "the call was made from within a write of the same store, and would wait for itself; use the writer at hand"
    )]
    Reentrant,
    /// Another write transaction has been open for longer than the [limit](crate::Builder::set_write_limit), and is still. Nothing
    /// was written.
    #[error("{by} has held the turn to write for {held:?}; no other write begins before it ends")]
    WriterHeld {
        /// What holds it.
        by: &'static str,
        /// For how long it has done so.
        held: std::time::Duration,
    },
    /// The system gave no thread to commit on. Nothing was written.
    #[error("no thread could be started: {0}")]
    Thread(#[source] Arc<std::io::Error>),
    /// The result was taken by an earlier poll.
    #[error("the result was taken already")]
    Taken,
    /// The thread that commits ended before it came to this closure. Nothing of it was written.
    #[error("the thread that commits has ended")]
    Lost,
}
