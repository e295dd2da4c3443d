//! Records, events and log entries as plain values, and the default lifecycle said once more.

use crate::buckets::Logged;
use std::sync::Arc;

use execstore::{ChangeKind, DesiredState, Execution, Header, Labels};

/// The largest payload that the tests' stores take.
pub const MAX_PAYLOAD: usize = 8 * 1024;

/// The default lifecycle, said once more: name, whether it is terminal, successors.
pub const STATES: [(&str, bool, &[&str]); 11] = [
    ("New", false, &["AskForBid", "BidAccepted", "Failed", "Cancelled"]),
    ("AskForBid", false, &["AskForBidAccepted", "AskForBidRejected", "Failed", "Cancelled"]),
    ("AskForBidAccepted", false, &["BidAccepted", "BidRejected", "Failed", "Cancelled"]),
    ("AskForBidRejected", true, &[]),
    ("BidAccepted", false, &["Running", "Failed", "Cancelled"]),
    ("Running", false, &["Publishing", "Completed", "Failed", "Cancelled"]),
    ("Publishing", false, &["Completed", "Failed", "Cancelled"]),
    ("BidRejected", true, &[]),
    ("Completed", true, &[]),
    ("Failed", true, &[]),
    ("Cancelled", true, &[]),
];

pub fn is_terminal(state: &str) -> bool {
    STATES.iter().any(|(name, terminal, _)| *terminal && *name == state)
}

/// The states that hold resources.
pub const LIVE: [&str; 3] = ["BidAccepted", "Running", "Publishing"];

/// Where the parent's and the previous attempt's link lead, by number, 0 for nobody yet: what the model knows and no read shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Targets(pub [u64; 2]);

impl PartialEq for Targets {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Targets {}

/// A record. Without a payload where only a header is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rec {
    pub id: String,
    pub incarnation: u64,
    pub job: String,
    pub namespace: String,
    pub name: Option<String>,
    pub node_id: Option<String>,
    pub state: String,
    pub message: Option<String>,
    pub desired: DesiredState,
    pub parent: Option<String>,
    pub previous: Option<String>,
    pub labels: Labels,
    pub preview: Option<String>,
    pub revision: u64,
    pub created: i64,
    pub modified: i64,
    pub completed: Option<i64>,
    pub not_before: Option<i64>,
    pub attempt: u64,
    pub reported: Option<i64>,
    pub events: u64,
    pub payload: Arc<str>,
    pub targets: Targets,
}

impl Rec {
    pub fn of_header(header: &Header) -> Self {
        Self {
            id: header.id.to_string(),
            incarnation: header.incarnation.get(),
            job: header.job_id.to_string(),
            namespace: header.namespace.to_string(),
            name: header.name.as_deref().map(str::to_owned),
            node_id: header.node_id.as_deref().map(str::to_owned),
            state: header.state.to_string(),
            message: header.message.as_deref().map(str::to_owned),
            desired: header.desired,
            parent: header.parent.as_ref().map(String::from),
            previous: header.previous.as_ref().map(String::from),
            labels: header.labels.clone(),
            preview: header.preview.as_deref().map(str::to_owned),
            revision: header.revision.get(),
            created: header.created_at.as_nanos(),
            modified: header.modified_at.as_nanos(),
            completed: header.completed_at.map(|time| time.as_nanos()),
            not_before: header.not_before.map(|time| time.as_nanos()),
            attempt: header.attempt,
            reported: header.reported_at.map(|time| time.as_nanos()),
            events: header.event_count,
            payload: "".into(),
            targets: Targets::default(),
        }
    }

    /// The ids that it has links to, and where these lead.
    pub fn links(&self) -> [(Option<&str>, u64); 2] {
        let [parent, previous] = self.targets.0;
        [(self.parent.as_deref(), parent), (self.previous.as_deref(), previous)]
    }

    pub fn of(execution: &Execution) -> Self {
        let payload = execution.payload_json().as_str().into();
        Self { payload, ..Self::of_header(execution.header()) }
    }

    pub fn header(&self) -> Self {
        Self { payload: "".into(), ..self.clone() }
    }
}

/// An event of an execution; its place in the list is its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ev {
    pub topic: String,
    pub message: String,
    pub time: Option<i64>,
    pub details: Option<String>,
}

/// An entry of the change log; its place in the list is its number.
#[derive(Clone, Debug)]
pub struct Entry {
    pub time: i64,
    pub kind: ChangeKind,
    pub before: Option<Arc<Rec>>,
    pub after: Option<Arc<Rec>>,
    pub new_events: u64,
    /// If it is about a bucket, and the time that it is not before.
    pub bucket: Option<Logged>,
}
