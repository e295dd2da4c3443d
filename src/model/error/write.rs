//! Why something was not written.

use super::{Damage, ReadError, StorageError};
use crate::model::bookmark::PositionError;
use crate::model::execution::Header;
use crate::model::expect::{Expect, Mismatch};
use crate::model::id::{ChangeSeq, ExecutionId, Revision};
use crate::model::lifecycle::State;
use crate::model::limits::InputError;
use crate::model::report::Late;
use crate::model::time::Timestamp;

/// Why something was not written. Except for [`Storage`](WriteError::Storage), nothing was changed and the
/// transaction can continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such execution.
    #[error("there is no execution {id:?}")]
    NotFound {
        /// The id that was asked for.
        id: String,
    },
    /// An execution with this id already exists. Ids are unique in the whole store, whatever the job or namespace.
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
    /// The execution is not as the caller expected: read it again and decide again.
    #[error(
        "execution {id:?} is not as expected: expected {expected}, found {}",
        crate::model::expect::found(.actual_state, *.actual_revision, .mismatches)
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
    /// The checkpoint is not where the caller expected: somebody else moved it.
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
    /// [`Bulk::trust_times`](crate::bulk::Bulk::trust_times).
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
    /// The source of an attachment failed.
    #[error("the value of the attachment could not be read: {0}")]
    Source(#[source] std::io::Error),
    /// The bulk operation of this name was begun with another query or another change, and is not through: run it with those,
    /// give it up with [`Store::forget_bulk`](crate::Store::forget_bulk), or begin with [`Bulk::or_anew`](crate::bulk::Bulk::or_anew).
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
    /// The position does not exist in this store's change log.
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
    /// The transaction already has a writer: drop that one first.
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

impl WriteError {
    /// That of a condition of which something does not hold.
    pub(crate) fn conflict(expected: &Expect, found: &Header, mismatches: Vec<Mismatch>) -> Self {
        WriteError::Conflict {
            id: found.id.clone(),
            expected: Box::new(expected.clone()),
            actual_state: found.state.clone(),
            actual_revision: found.revision,
            mismatches,
        }
    }
}
