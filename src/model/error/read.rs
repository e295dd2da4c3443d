//! Why something could not be read.

use super::{Cause, Damage, StorageError};
use crate::model::bookmark::PositionError;
use crate::model::limits::InputError;

/// Why something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// One row is damaged: the row is lost, its neighbours are not.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The position does not exist in this store's change log, or was trimmed.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The request breaks a limit or a rule, or names a state that the lifecycle does not have.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file could not be read, or the store is not there to be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReadError {
    /// The same of a row that the store itself stands on, where nothing was asked for by a caller.
    pub(crate) fn of_own_row(self) -> StorageError {
        match self {
            Self::Storage(error) => error,
            Self::Damaged(damage) => StorageError::Damaged(damage),
            Self::Position(_) | Self::Input(_) => StorageError::Database(Cause::new(self)),
        }
    }
}
