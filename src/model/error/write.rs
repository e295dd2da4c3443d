//! Why something was not written.

use super::{Damage, StorageError};
use crate::model::bookmark::PositionError;
use crate::model::execution::Header;
use crate::model::expect::{Expect, Mismatch};
use crate::model::id::{ChangeSeq, ExecutionId, JobId, Revision};
use crate::model::lifecycle::State;
use crate::model::limits::InputError;
use crate::model::report::Late;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// Why something was not written. Except for [`Storage`](WriteError::Storage), nothing was changed and the
/// transaction can continue.
///
/// What can be done about it is what [`remedy`](WriteError::remedy) says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// There is no such execution: it was deleted, or never created.
    #[error("there is no execution {id:?}")]
    NotFound {
        /// The id that was asked for.
        id: ExecutionId,
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
    #[error(
        "there is an execution {:?} already, of job {:?} in namespace {:?}, not of job {job_id:?} in namespace {namespace:?}",
        .found.id, .found.job_id, .found.namespace
    )]
    OtherExecution {
        /// The execution that there is.
        found: Box<Header>,
        /// The job that was asked for.
        job_id: JobId,
        /// The namespace that was asked for.
        namespace: Text,
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
    #[error("the checkpoint {name:?} is not where it was expected: expected {}, found {}", place(*.expected), place(*.found))]
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
    /// The source of an attachment, which is the caller's, failed.
    #[error("the value of the attachment could not be read: {0}")]
    Source(#[source] std::io::Error),
    /// The bulk operation of this name was begun with another query or another change, and is not through: run it with those,
    /// give it up with [`Store::forget_bulk`](crate::Store::forget_bulk), or begin with [`Bulk::or_anew`](crate::bulk::Bulk::or_anew).
    #[error(
        "the bulk operation {name:?} was begun with another query or another change, and is not through ({changed} changed, {refused} refused so far); run it with those, or give it up with `Store::forget_bulk`"
    )]
    OtherBulk {
        /// The name.
        name: String,
        /// How many executions the one that was begun has changed so far.
        changed: u64,
        /// How many have refused it.
        refused: u64,
    },
    /// The saved place of a bulk operation is not where this run left it: another run goes on under its name, or it was
    /// [given up](crate::Store::forget_bulk) meanwhile. What this run did before stays done.
    #[error(
        "the bulk operation {name:?} is not where this run left it; another run goes on under its name, or it was given up meanwhile"
    )]
    BulkMoved {
        /// The name.
        name: String,
    },
    /// The position does not exist in this store's change log, or what comes after it was trimmed in part, so that nobody could go on
    /// from there: a checkpoint is not saved at such a place.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// A row that the operation needs is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The file could not be read or written. The transaction cannot be committed any more.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn place(seq: Option<ChangeSeq>) -> String {
    seq.map_or_else(|| "none".to_owned(), |seq| format!("one at {seq}"))
}

impl WriteError {
    /// That there is no execution of this id; or, if the text can be no id at all, what is wrong with it.
    pub(crate) fn not_found(id: &str) -> Self {
        ExecutionId::new(id).map_or_else(Self::Input, |id| Self::NotFound { id })
    }

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
