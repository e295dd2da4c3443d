//! The execution record: its header and its payload. Pure.

mod apply;
mod edit;
mod json;
mod new;
mod requests;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::id::{ExecutionId, Incarnation, JobId, Revision};
use crate::model::json::Json;
use crate::model::lifecycle::State;
use crate::model::limits::{
    InputError, MAX_LABELS, MAX_MESSAGE, MAX_NAME, check_id, check_label, check_len, check_size, check_text,
};
use crate::model::text::Text;
use crate::model::time::Timestamp;

pub(crate) use json::HeaderForm;
pub use new::NewExecution;
pub(crate) use update::PayloadEdit;
pub use update::Update;

/// A small sorted map of strings: at most 64 labels of 128 + 256 bytes.
pub type Labels = BTreeMap<Text, Text>;

/// The namespace of an execution that was given none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What the owner wants of an execution, as opposed to the [`State`] that it is in. The store keeps it and
/// draws no conclusion from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// Not to run yet. The default.
    #[default]
    Pending,
    /// To run.
    Running,
    /// To stop.
    Stopped,
}

impl fmt::Display for DesiredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DesiredState::Pending => "pending",
            DesiredState::Running => "running",
            DesiredState::Stopped => "stopped",
        })
    }
}

/// Everything of an execution but its payload: what the store reads, checks and indexes, and what a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The execution's id.
    pub id: ExecutionId,
    /// Which of the executions that have had this id it is.
    pub incarnation: Incarnation,
    /// The job that it belongs to. Never changes.
    pub job_id: JobId,
    /// The namespace, `"default"` if none was given. Never changes.
    pub namespace: Text,
    /// A name, for people.
    pub name: Option<Text>,
    /// The node that runs it.
    pub node_id: Option<Text>,
    /// The state that it is in.
    pub state: State,
    /// Why it is in that state, for people. An update that does not set it leaves it.
    pub message: Option<Text>,
    /// What its owner wants.
    pub desired: DesiredState,
    /// The execution that caused this one. It need not exist, unless
    /// [`Builder::set_missing_links`](crate::Builder::set_missing_links) says so. It is the one that had this id when the link was
    /// made, or if nobody had, the first to be created with it; not another that has the id later.
    pub parent: Option<ExecutionId>,
    /// The attempt that this one replaces. The same holds for it.
    pub previous: Option<ExecutionId>,
    /// The caller's own labels.
    pub labels: Labels,
    /// Counts the updates, from 1.
    pub revision: Revision,
    /// When it was created, by the store's clock.
    pub created_at: Timestamp,
    /// When it last changed or got events. Never before `created_at`, and never goes back.
    pub modified_at: Timestamp,
    /// When it reached a terminal state.
    pub completed_at: Option<Timestamp>,
    /// If the clock stood before the store's own last time when this execution was written, that last time: either the times
    /// above are too early, or that one was too late. Nothing is taken for old on their account before that is settled.
    pub not_before: Option<Timestamp>,
    /// The number of the attempt that reported last, 0 if none gave a number: see [`Update::attempt`].
    pub attempt: u64,
    /// The time that the last report of this attempt named: see [`Update::reported_at`].
    pub reported_at: Option<Timestamp>,
    /// How many events its history has.
    pub event_count: u64,
    /// A short text for lists, which the caller chose: at most 256 bytes.
    pub preview: Option<Text>,
}

/// An execution: its [`Header`], whose fields are read directly, and its payload.
///
/// ```
/// # use execstore::{Json, NewExecution, Readable, Store};
/// # #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)] struct Spec { image: String }
/// # let store = Store::in_memory()?;
/// # let spec = Spec { image: "alpine".into() };
/// # let new = NewExecution::new("job-1").payload(Json::from_serialize(&spec)?);
/// let execution = store.create(new)?;
/// println!("{} is {} since {}", execution.id, execution.state, execution.modified_at);
/// let spec: Spec = execution.payload()?;
/// # assert_eq!(spec.image, "alpine");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Apart, since it is large and handed on often.
    pub(crate) header: Box<Header>,
    pub(crate) payload: Json,
}

impl Execution {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header alone.
    pub fn into_header(self) -> Header {
        *self.header
    }

    /// The payload, read as the caller's own type. Costs a parse each time.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.payload.parse()
    }

    /// The payload as it is kept.
    pub fn payload_json(&self) -> &Json {
        &self.payload
    }
}

impl Deref for Execution {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

fn link(what: &'static str, id: Option<Text>) -> Result<Option<ExecutionId>, InputError> {
    let Some(id) = id else { return Ok(None) };
    check_id(what, &id)?;
    Ok(Some(ExecutionId::from_stored(id)))
}

fn check_payload(payload: &Json, maximum: usize) -> Result<(), InputError> {
    check_text("payload", payload)?;
    check_size("payload", payload.as_str().len(), maximum)
}

impl Header {
    /// Checks the parts that a caller can set. Ids are checked where they are made.
    pub(super) fn check(&self) -> Result<(), InputError> {
        check_len("namespace", &self.namespace, MAX_NAME)?;
        check_len("name", self.name.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_len("node id", self.node_id.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_len("message", self.message.as_deref().unwrap_or_default(), MAX_MESSAGE)?;
        check_len("preview", self.preview.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_size("number of labels", self.labels.len(), MAX_LABELS)?;
        self.labels.iter().try_for_each(|(key, value)| check_label(key, value))
    }
}
