//! The errors: one enum for each kind of act, and [`Error`] over all of them.
//!
//! Storage errors can come from every call that touches the file; what they mean is said once, at
//! [`StorageError`].

mod open;

use std::path::PathBuf;
use std::sync::Arc;

use crate::bookmark::PositionError;
use crate::expect::{Expect, Mismatch};
use crate::id::{ChangeSeq, ExecutionId, Revision};
use crate::lifecycle::State;
use crate::report::Late;
use crate::time::Timestamp;

pub use open::OpenError;

/// Input that breaks a limit or a rule. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Something is larger than the limit, in bytes or in number.
    #[error("{what}: {actual} is more than the maximum of {maximum}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The largest size that is accepted.
        maximum: usize,
    },
    /// Something is not of the form that it must have.
    #[error("invalid {what}: {reason}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// A lifecycle that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// More states than the format can number.
    #[error("{actual} states are more than the maximum of {maximum}")]
    TooManyStates {
        /// How many there are.
        actual: usize,
        /// How many are accepted.
        maximum: usize,
    },
    /// A state's name is empty or too long.
    #[error("the state name {name:?} has {actual} bytes, not 1 to {maximum}")]
    Name {
        /// The name.
        name: String,
        /// Its length in bytes.
        actual: usize,
        /// The longest accepted.
        maximum: usize,
    },
    /// A state is declared twice.
    #[error("the state {name:?} is declared twice")]
    Duplicate {
        /// Its name.
        name: String,
    },
    /// Every state is terminal, so no execution could begin.
    #[error("no state is pending or live, so no execution could begin")]
    NoInitialState,
    /// A transition names a state that is not declared.
    #[error("a transition names the state {name:?}, which is not declared")]
    UnknownState {
        /// The name.
        name: String,
    },
    /// A transition leads out of a terminal state.
    #[error("the transition from {from:?} to {to:?} leaves a terminal state")]
    LeavesTerminal {
        /// The terminal state.
        from: String,
        /// Where the transition leads.
        to: String,
    },
}

/// The file could not be read or written.
///
/// After one of these the store stops writing: every later write says [`Poisoned`](StorageError::Poisoned),
/// because what reached the disk is no longer certain. Reads of what was committed go on where they can.
/// Drop every handle and open the store again; what was acknowledged is there.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database under the store failed.
    #[error("the database failed: {0}")]
    Database(#[source] Arc<redb::Error>),
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

macro_rules! storage_from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for StorageError {
            fn from(error: $error) -> Self {
                match redb::Error::from(error) {
                    redb::Error::PreviousIo => StorageError::Poisoned,
                    redb::Error::Io(error) if is_full(&error) => {
                        StorageError::OutOfSpace { free: None, reserve: 0 }
                    }
                    error => StorageError::Database(Arc::new(error)),
                }
            }
        }
    )+};
}
storage_from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError
);

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
    /// The position is none in this store's change log.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// The request breaks a limit.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why something was not written. But for [`Storage`](WriteError::Storage), nothing was changed and the
/// transaction can go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such execution.
    #[error("there is no execution {id:?}")]
    NotFound {
        /// The id that was asked for.
        id: String,
    },
    /// There is an execution of this id already. Ids are those of the whole store: another job or namespace does not matter.
    #[error("there is an execution {id:?} already")]
    AlreadyExists {
        /// The id.
        id: ExecutionId,
    },
    /// The execution of this id is not the one that [`create_or_get`](crate::Writer::create_or_get) was asked for: it is of another
    /// job, or in another namespace, which never change. Ids are those of the whole store: make them of more than what is
    /// unique in a job or a namespace.
    #[error("there is an execution {id:?} already, of {found}, not of {expected}")]
    OtherExecution {
        /// The id.
        id: ExecutionId,
        /// The job and the namespace that were asked for.
        expected: String,
        /// Those of the execution that there is.
        found: String,
    },
    /// The execution is not as the caller expected it: read it again and decide anew.
    #[error(
        "execution {id:?} is not as expected: expected {expected}, found {}",
        crate::expect::found(.actual_state, *.actual_revision, .mismatches)
    )]
    Conflict {
        /// The execution.
        id: ExecutionId,
        /// What was expected.
        expected: Box<Expect>,
        /// The state that was found.
        actual_state: State,
        /// The revision that was found.
        actual_revision: Revision,
        /// What does not hold, each with what was expected and what was found. At least one.
        mismatches: Vec<Mismatch>,
    },
    /// The checkpoint is not where the caller expected it: somebody else moved it.
    #[error("the checkpoint {name:?} is not as expected: expected {expected:?}, found {found:?}")]
    CheckpointMoved {
        /// Its name.
        name: String,
        /// Where it was expected; `None` if it was expected not to be there.
        expected: Option<ChangeSeq>,
        /// Where it is; `None` if it is not there.
        found: Option<ChangeSeq>,
    },
    /// The execution has ended, and stays in the state that it ended in.
    #[error("execution {id:?} ended in {state} and cannot go to {to}")]
    Terminal {
        /// The execution.
        id: ExecutionId,
        /// The state that it ended in.
        state: State,
        /// The state that was asked for.
        to: State,
    },
    /// The update is a report that came late. [`Writer::report`](crate::Writer::report) gives the same as an outcome.
    #[error("the report of execution {id:?} came late: {why}")]
    Late {
        /// The execution.
        id: ExecutionId,
        /// What is known already.
        why: Late,
    },
    /// A bulk operation found the execution by a time that cannot be right, so that it may not be old at all: see
    /// [`Bulk::trust_times`](crate::Bulk::trust_times).
    #[error(
        "execution {id:?} may not be old: the clock was wrong when it noted {time} as the time at which it was {what}"
    )]
    DoubtfulTime {
        /// The execution.
        id: ExecutionId,
        /// Which of its times: `created`, `modified` or `completed`.
        what: &'static str,
        /// The time.
        time: Timestamp,
    },
    /// The lifecycle does not allow this transition.
    #[error("execution {id:?} cannot go from {from} to {to}")]
    Transition {
        /// The execution.
        id: ExecutionId,
        /// The state that it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// An execution cannot begin in a terminal state.
    #[error("an execution cannot begin in {state}, which is terminal")]
    InitialState {
        /// The state.
        state: State,
    },
    /// The lifecycle has no such state.
    #[error("the lifecycle has no state {state:?}")]
    UnknownState {
        /// The name that was given.
        state: String,
    },
    /// The link would lead from the execution back to itself.
    #[error("execution {id:?} cannot have a link to {link:?}, which comes after it: that would be a cycle")]
    Cycle {
        /// The execution.
        id: ExecutionId,
        /// The parent or previous execution that it was to have.
        link: ExecutionId,
    },
    /// There is no execution that the link names, and the store was opened to refuse that.
    #[error("execution {id:?} cannot have a link to {missing:?}, which is not there")]
    MissingLink {
        /// The execution.
        id: ExecutionId,
        /// The parent or previous execution that is missing.
        missing: ExecutionId,
    },
    /// The input breaks a limit or a rule.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A closure of the group commit may run more than once, and what it reads from cannot: use
    /// [`Store::write`](crate::Store::write).
    #[error("a source cannot be read in the group commit, whose closures may run again; use `Store::write`")]
    SourceInBatch,
    /// What an attachment was to be read from failed.
    #[error("the value of the attachment could not be read: {0}")]
    Source(#[source] std::io::Error),
    /// The bulk operation of this name was begun with another query or another change, and is not through: run it with those,
    /// give it up with [`Store::forget_bulk`](crate::Store::forget_bulk), or begin with [`Bulk::or_anew`](crate::Bulk::or_anew).
    #[error(
        "the bulk operation {name:?} was begun with another query or another change, and is not through; run it with those, or give it up with `Store::forget_bulk`"
    )]
    OtherBulk {
        /// The name.
        name: String,
    },
    /// A checkpoint cannot be ahead of the change log.
    #[error("checkpoint {seq} is beyond the head of the change log, {head}")]
    CheckpointBeyondHead {
        /// The sequence number that was given.
        seq: u64,
        /// The head of the change log.
        head: u64,
    },
    /// The position is none in this store's change log.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// What comes after the position was trimmed in part, so that a consumer could not go on from there. The position before the oldest
    /// entry is the earliest that there is.
    #[error("checkpoint {seq} is behind the trimmed part of the change log, whose oldest entry is {oldest}")]
    CheckpointTrimmed {
        /// The sequence number that was given.
        seq: u64,
        /// The oldest entry that is kept; one beyond the head if none is.
        oldest: u64,
    },
    /// The transaction is not one of this store's database, so nothing can be written through it.
    #[error("the transaction belongs to another database: it holds store {found}, not {expected}")]
    ForeignTransaction {
        /// This store's id.
        expected: String,
        /// The id of the store in the transaction's database, or what is there instead.
        found: String,
    },
    /// The transaction has a writer already: drop that one first.
    #[error("the transaction has another writer, or the caller holds one of the store's tables open")]
    WriterInUse,
    /// A row that the operation needs is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The file could not be read or written. The transaction cannot be committed any more.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damage) => WriteError::Damaged(damage),
            ReadError::UnknownState { state } => WriteError::UnknownState { state },
            ReadError::Input(error) => WriteError::Input(error),
            ReadError::Position(error) => WriteError::Position(error),
            ReadError::Storage(error) => WriteError::Storage(error),
            ReadError::InvalidCursor { reason } => {
                WriteError::Input(InputError::Invalid { what: "cursor", reason: reason.into() })
            }
            trimmed @ ReadError::Trimmed { .. } => WriteError::Input(InputError::Invalid {
                what: "range of changes",
                reason: trimmed.to_string(),
            }),
        }
    }
}

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

/// Why changes could not be followed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// The log was trimmed beyond the watcher's position, so changes are missing. Read the present records
    /// and go on with [`Watcher::seek`](crate::Watcher::seek).
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
    /// The log could not be read. After damage, a [`Start::After`](crate::Start::After) the damaged entry goes
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
    /// [`Store::read`](crate::Store::read).
    #[error(transparent)]
    Caller(#[from] Box<dyn std::error::Error + Send + Sync>),
}
