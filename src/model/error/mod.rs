//! The errors: one enum for each kind of act, and [`Error`] over all of them.
//!
//! What can happen in several kinds of acts is one type in all of them, under one name: [`StorageError`], [`InputError`], [`Damage`],
//! [`PositionError`] and [`Reentrant`]. On the way to [`Error`] they come out of the enum of the act, so that there, too, each has one
//! place.

mod cause;
mod commit;
mod damage;
pub(crate) mod damages;
mod open;
mod page;
mod read;
mod remedy;
mod storage;
mod watch;
mod write;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;

pub use crate::model::bookmark::PositionError;
pub use crate::model::lifecycle::LifecycleError;
pub use crate::model::limits::InputError;
pub use cause::Cause;
pub use commit::{BatchError, BeginError, CommitError, Reentrant, WriterError};
pub use damage::Damage;
pub use open::OpenError;
pub use page::DamagedPage;
pub use read::ReadError;
pub use remedy::Remedy;
pub use storage::StorageError;
pub(crate) use storage::{is_full, no_thread};
pub use watch::WatchError;
pub use write::WriteError;

/// Any error of this crate, for `?`.
///
/// What can happen in several kinds of acts is found in one place, whatever the act was: a store that was closed is
/// [`Error::Storage`], be it in a read, a write or a wait. [`remedy`](Error::remedy) says what can be done about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store was not opened.
    #[error(transparent)]
    Open(OpenError),
    /// A write transaction did not begin.
    #[error(transparent)]
    Begin(BeginError),
    /// There is no writer in a transaction.
    #[error(transparent)]
    Writer(WriterError),
    /// Something was not written.
    #[error(transparent)]
    Write(WriteError),
    /// A transaction was not committed, or it is not known whether it was.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A closure was not taken into the group commit, or has no result.
    #[error(transparent)]
    Batch(BatchError),
    /// Changes or output could not be followed.
    #[error(transparent)]
    Watch(WatchError),
    /// A call would have waited for the thread that made it.
    #[error(transparent)]
    Reentrant(#[from] Reentrant),
    /// A position does not exist in this store's change log, or was trimmed.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// A stored row is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// What was given breaks a limit or a rule.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The store, or the file under it, did not do what it was to do.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The states and transitions that were given make no lifecycle.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// A text is no JSON document, or a document is not of the type that it was to be read as.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// An export is whole but for what is damaged: everything that could be read was written, and each line with damage in it has a member
    /// `damaged` that says what is missing. Do not delete what was exported before that is settled.
    #[error("{damaged} of the {lines} lines that were exported are damaged; the first: {first}")]
    Incomplete {
        /// How many lines were written.
        lines: u64,
        /// How many of them say that something is damaged.
        damaged: u64,
        /// What was damaged first.
        #[source]
        first: Damage,
    },
    /// The caller's own error, out of a closure that was passed to [`Store::write`](crate::Store::write) or
    /// [`Store::read`](crate::Store::read): see [`Error::caller`].
    #[error(transparent)]
    Caller(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of the caller's own, for closures that are passed to [`Store::write`](crate::Store::write) and the like: they return
    /// this type, and it comes back as [`Error::Caller`]. With `impl From<OwnError> for execstore::Error` a `?` does the same.
    ///
    /// ```
    /// # use execstore::{Error, NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// #[derive(Debug, PartialEq, thiserror::Error)]
    /// #[error("the budget is used up")]
    /// struct UsedUp;
    ///
    /// let refused = store.write(|w| {
    ///     w.create(NewExecution::new("job-1").id("e"))?;
    ///     Err::<(), _>(Error::caller(UsedUp))
    /// });
    /// let Err(Error::Caller(why)) = refused else { panic!("{refused:?}") };
    /// assert_eq!(why.downcast_ref(), Some(&UsedUp));
    /// assert_eq!(store.get("e")?, None); // rolled back
    /// # Ok::<(), Error>(())
    /// ```
    pub fn caller(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Caller(error.into())
    }
}

/// Takes what several kinds of acts have in common out of the enum of one act.
macro_rules! flattened {
    ($($act:ident in $place:ident: $($common:ident),+;)+) => {$(
        impl From<$act> for Error {
            fn from(error: $act) -> Self {
                match error {
                    $($act::$common(error) => Self::$common(error),)+
                    other => Self::$place(other),
                }
            }
        }
    )+};
}
flattened! {
    OpenError in Open: Input, Storage;
    BeginError in Begin: Reentrant, Storage;
    WriterError in Writer: Damaged, Storage;
    WriteError in Write: Position, Damaged, Input, Storage;
    BatchError in Batch: Reentrant, Storage;
    WatchError in Watch: Position, Reentrant, Damaged, Input, Storage;
}

/// Whoever reads on the way has everything in its enum that reading can come to.
macro_rules! reading {
    ($($act:ident),+) => {$(
        impl From<ReadError> for $act {
            fn from(error: ReadError) -> Self {
                match error {
                    ReadError::Damaged(error) => Self::Damaged(error),
                    ReadError::Position(error) => Self::Position(error),
                    ReadError::Input(error) => Self::Input(error),
                    ReadError::Storage(error) => Self::Storage(error),
                }
            }
        }
    )+};
}
reading!(Error, WatchError, WriteError);
