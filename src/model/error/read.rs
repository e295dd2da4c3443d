//! Why something could not be read.

use super::StorageError;
use crate::model::bookmark::PositionError;
use crate::model::limits::InputError;

/// A stored row that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a row of the table {table} is damaged (key {key}): {reason}")]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The row's key, in hexadecimal.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// One row is damaged: the row is lost, its neighbours are not.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The lifecycle has no such state.
    #[error("the lifecycle has no state {state:?}")]
    UnknownState {
        /// The name that was given.
        state: String,
    },
    /// The cursor is not one that this store gave for this query: begin with the first page.
    #[error("the cursor cannot be used here: {reason}")]
    InvalidCursor {
        /// Why.
        reason: &'static str,
    },
    /// The change log does not go back that far any more: it was trimmed.
    #[error(
        "the change log was trimmed: {requested} was asked for, and the oldest entry that is kept is {oldest}"
    )]
    Trimmed {
        /// The first entry that was asked for.
        requested: u64,
        /// The oldest entry that is kept; one beyond the head if none is.
        oldest: u64,
    },
    /// The position does not exist in this store's change log.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The request breaks a limit.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
