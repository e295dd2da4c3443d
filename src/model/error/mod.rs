//! The errors: one enum for each kind of act, and [`Error`] over all of them.
//!
//! Storage errors can come from every call that touches the file; what they mean is said once, at
//! [`StorageError`].

mod commit;
mod open;
mod read;
mod storage;
mod watch;
mod write;

pub use crate::model::lifecycle::LifecycleError;
pub use crate::model::limits::InputError;
pub use commit::{BatchError, CommitError};
pub use open::OpenError;
pub use read::{Damage, ReadError};
pub use storage::StorageError;
pub(crate) use storage::is_full;
pub use watch::WatchError;
pub use write::WriteError;

/// Any error of this crate, for `?`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// See [`OpenError`].
    #[error(transparent)]
    Open(#[from] OpenError),
    /// See [`ReadError`].
    #[error(transparent)]
    Read(#[from] ReadError),
    /// See [`WriteError`].
    #[error(transparent)]
    Write(#[from] WriteError),
    /// See [`CommitError`].
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// See [`BatchError`].
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// See [`WatchError`].
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// See [`StorageError`].
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// See [`InputError`].
    #[error(transparent)]
    Input(#[from] InputError),
    /// See [`LifecycleError`].
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
