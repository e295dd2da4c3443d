//! Why changes could not be followed.

use super::{ReadError, StorageError};
use crate::model::bookmark::PositionError;
use crate::model::id::ChangeSeq;

/// Why changes could not be followed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The log was trimmed beyond the watcher's position, so changes are missing. Read the present records
    /// and go on with [`Watcher::seek`](crate::watch::Watcher::seek).
    #[error("the change log was trimmed beyond this position; the oldest entry that is kept is {oldest}")]
    Trimmed {
        /// The oldest entry that is kept; one beyond the head if none is.
        oldest: ChangeSeq,
    },
    /// There is no such place in the change log of this store, to begin at or to go on from.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
    /// The wait was within a write of the same store, whose commit it could only hear of afterwards: it would wait for itself.
    #[error("a wait for changes within a write of the same store would wait for itself")]
    Reentrant,
    /// The store takes no more writes, so nothing will ever come to be waited for. What was committed before has been given out.
    /// [`Store::health`](crate::Store::health) says the same.
    #[error("an earlier error stopped this store from writing, so no change will come; open it again: {0}")]
    Poisoned(#[source] StorageError),
    /// There is no checkpoint of this name.
    #[error("there is no checkpoint {name:?}")]
    NoCheckpoint {
        /// The name.
        name: String,
    },
    /// A consumer of this name is running on this store already.
    #[error("a consumer {name:?} is running already")]
    AlreadyRunning {
        /// The name.
        name: String,
    },
    /// The log could not be read. After damage, a [`WatchFrom::After`](crate::watch::WatchFrom::After) the damaged entry goes
    /// on behind it.
    #[error(transparent)]
    Read(ReadError),
}

impl From<ReadError> for WatchError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(StorageError::Closed) => WatchError::Closed,
            ReadError::Position(error) => WatchError::Position(error),
            other => WatchError::Read(other),
        }
    }
}
