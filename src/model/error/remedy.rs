//! What a caller can do about an error.

use super::{
    BatchError, BeginError, CommitError, Error, OpenError, ReadError, StorageError, WatchError, WriteError,
    WriterError,
};

/// What a caller can do about an error; given by [`Error::remedy`].
///
/// ```
/// # use execstore::error::Remedy;
/// # use execstore::{Error, NewExecution, Store};
/// # let store = Store::in_memory()?;
/// let mut attempts = 0;
/// let created = loop {
///     let result = store.create(NewExecution::new("job-1").id("e"));
///     match result.as_ref().map_err(Error::remedy) {
///         Err(Remedy::Retry) if attempts < 3 => attempts += 1,
///         _ => break result?,
///     }
/// };
/// # assert_eq!(created.id, "e");
/// let again = store.create(NewExecution::new("job-1").id("e"));
/// assert_eq!(again.unwrap_err().remedy(), Remedy::Reread);
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// The call itself has to be another one: it would fail again, whatever is in the store.
    Correct,
    /// What the call relied on is not so, or not any more: read, and decide again.
    Reread,
    /// Something is in the way for the moment, and nothing was done: make the same call again a little later.
    Retry,
    /// Nothing has to be done: the rest happens by itself once what is named has ended.
    Wait,
    /// Make room on the disk, then make the same call again. The store goes on.
    MakeRoom,
    /// This store takes no more calls of this kind: drop every handle and open it again.
    Reopen,
    /// Something in the file is damaged: restore a backup, or go on without it.
    Restore,
}

impl StorageError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Database(_) | Self::Journal(_) | Self::Panicked { .. } => Remedy::Reopen,
            Self::Told { .. } | Self::Poisoned { .. } => Remedy::Reopen,
            Self::Closed | Self::OtherProcess { .. } => Remedy::Reopen,
            Self::Damaged(_) | Self::DamagedPage(_) => Remedy::Restore,
            Self::Busy | Self::StillRunning { .. } => Remedy::Wait,
            Self::Thread { .. } => Remedy::Retry,
            Self::OutOfSpace { .. } => Remedy::MakeRoom,
            Self::ReadOnly { .. } | Self::ReadWithin => Remedy::Correct,
        }
    }
}

impl OpenError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::AlreadyOpen { .. } => Remedy::Retry,
            Self::JournalDamaged { .. } | Self::Damaged { .. } => Remedy::Restore,
            Self::Storage(error) => error.remedy(),
            Self::NoLocks { .. }
            | Self::NotFound { .. }
            | Self::DanglingLink { .. }
            | Self::AlreadyExists { .. }
            | Self::Empty { .. }
            | Self::NotADatabase { .. }
            | Self::NotAStore
            | Self::Format { .. }
            | Self::Lifecycle { .. }
            | Self::NotTamperEvident
            | Self::JournalPending
            | Self::Input(_)
            | Self::Io { .. } => Remedy::Correct,
        }
    }
}

impl ReadError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Damaged(_) => Remedy::Restore,
            Self::Position(_) => Remedy::Reread,
            Self::Input(_) => Remedy::Correct,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl BeginError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Reentrant(_) => Remedy::Correct,
            Self::WriterHeld { .. } => Remedy::Retry,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl WriterError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::ForeignTransaction { .. } | Self::WriterInUse => Remedy::Correct,
            Self::Damaged(_) => Remedy::Restore,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl WriteError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::CheckpointMoved { .. }
            | Self::BulkMoved { .. }
            | Self::Terminal { .. }
            | Self::Late { .. }
            | Self::DoubtfulTime { .. }
            | Self::Transition { .. }
            | Self::MissingLink { .. }
            | Self::Position(_) => Remedy::Reread,
            Self::OtherExecution { .. }
            | Self::InitialState { .. }
            | Self::Cycle { .. }
            | Self::Input(_)
            | Self::Source(_)
            | Self::OtherBulk { .. } => Remedy::Correct,
            Self::Damaged(_) => Remedy::Restore,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl CommitError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::RolledBack(reason) => reason.remedy(),
            Self::Unknown(_) => Remedy::Reopen,
        }
    }
}

impl BatchError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::QueueTooLarge { .. } | Self::QueueFull { .. } | Self::Lost => Remedy::Retry,
            Self::Panicked { .. } | Self::Reentrant(_) | Self::Taken => Remedy::Correct,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl WatchError {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Position(_) | Self::NoCheckpoint { .. } => Remedy::Reread,
            Self::Reentrant(_) | Self::Input(_) => Remedy::Correct,
            Self::AlreadyRunning { .. } => Remedy::Retry,
            Self::Damaged(_) => Remedy::Restore,
            Self::Storage(error) => error.remedy(),
        }
    }
}

impl Error {
    /// What can be done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Open(error) => error.remedy(),
            Self::Begin(error) => error.remedy(),
            Self::Writer(error) => error.remedy(),
            Self::Write(error) => error.remedy(),
            Self::Commit(error) => error.remedy(),
            Self::Batch(error) => error.remedy(),
            Self::Watch(error) => error.remedy(),
            Self::Storage(error) => error.remedy(),
            Self::Position(_) => Remedy::Reread,
            Self::Damaged(_) | Self::Incomplete { .. } => Remedy::Restore,
            Self::Reentrant(_) | Self::Input(_) | Self::Lifecycle(_) | Self::Json(_) | Self::Caller(_) => {
                Remedy::Correct
            }
        }
    }

    /// `true` if the store takes no more writes after it, until it is opened again.
    pub fn stops_writing(&self) -> bool {
        match self {
            Self::Storage(error) | Self::Commit(CommitError::RolledBack(error)) => error.stops_writing(),
            Self::Commit(CommitError::Unknown(_)) => true,
            _ => false,
        }
    }
}
