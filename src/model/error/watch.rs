//! Why changes or output could not be followed.

use super::{Damage, Reentrant, StorageError};
use crate::model::bookmark::PositionError;
use crate::model::limits::InputError;

/// Why changes or output could not be followed. The position of what follows them is where it was.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There is no such place in the change log of this store, to begin at or to go on from. Behind a trim, which is
    /// [`PositionError::Trimmed`], changes are missing: read the present records and go on with
    /// [`Watcher::seek`](crate::watch::Watcher::seek).
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The wait was within a write of the same store, whose commit it could only hear of afterwards.
    #[error(transparent)]
    Reentrant(#[from] Reentrant),
    /// There is no checkpoint of this name: begin elsewhere, or save one first.
    #[error("there is no checkpoint {name:?}; begin elsewhere, or save one first")]
    NoCheckpoint {
        /// The name.
        name: String,
    },
    /// A consumer of this name is running on this store already: stop that one first.
    #[error("a consumer {name:?} is running already; stop that one first")]
    AlreadyRunning {
        /// The name.
        name: String,
    },
    /// One row is damaged. A [`WatchFrom::After`](crate::watch::WatchFrom::After) the damaged entry of the log goes on behind it.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// What was asked for breaks a limit or a rule, or names a state that the lifecycle does not have.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The store was [closed](StorageError::Closed), or [takes no more writes](StorageError::Poisoned), so that nothing will ever come
    /// to be waited for; or it could not be read. What was committed before has been given out.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
