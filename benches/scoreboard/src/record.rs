//! The records that every subject keeps, and the bytes that the bare engines keep them as.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use execstore::Text;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    New,
    AskForBid,
    AskForBidAccepted,
    AskForBidRejected,
    BidAccepted,
    Running,
    Publishing,
    BidRejected,
    Completed,
    Failed,
    Cancelled,
}

const NAMES: [&str; 11] = [
    "New",
    "AskForBid",
    "AskForBidAccepted",
    "AskForBidRejected",
    "BidAccepted",
    "Running",
    "Publishing",
    "BidRejected",
    "Completed",
    "Failed",
    "Cancelled",
];

impl State {
    pub const ALL: [State; 11] = [
        State::New,
        State::AskForBid,
        State::AskForBidAccepted,
        State::AskForBidRejected,
        State::BidAccepted,
        State::Running,
        State::Publishing,
        State::BidRejected,
        State::Completed,
        State::Failed,
        State::Cancelled,
    ];
    pub const LIVE: [State; 3] = [State::BidAccepted, State::Running, State::Publishing];

    pub fn code(self) -> usize {
        self as usize
    }

    pub fn name(self) -> &'static str {
        NAMES[self.code()]
    }

    pub fn of(name: &str) -> State {
        State::ALL.into_iter().find(|state| state.name() == name).unwrap()
    }

    pub fn is_terminal(self) -> bool {
        use State::{AskForBidRejected, BidRejected, Cancelled, Completed, Failed};
        matches!(self, AskForBidRejected | BidRejected | Completed | Failed | Cancelled)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Desired {
    Pending,
    Running,
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub id: Text,
    pub job_id: Text,
    pub namespace: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<Text>,
    pub desired: Desired,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
    pub revision: u64,
    pub event_count: u64,
    pub created_at: i64,
    pub modified_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Text, Text>,
}

/// An execution: the header decoded, the payload as text, as `execstore::Execution` has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub header: Header,
    pub payload: String,
}

/// The details stay text, as in `execstore::Event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub topic: Text,
    pub message: Text,
    pub time: i64,
    #[serde(skip)]
    pub details: String,
}

/// An entry of the change log: the header after the change, the state before it, and its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub time: i64,
    pub before: Option<State>,
    pub first_event: u64,
    pub last_event: u64,
    pub header: Header,
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        frame(&self.header, &self.payload)
    }

    pub fn decode(bytes: &[u8]) -> Record {
        let (header, payload) = unframe(bytes);
        Record { header: serde_json::from_slice(header).unwrap(), payload }
    }
}

impl Event {
    pub fn encode(&self) -> Vec<u8> {
        frame(self, &self.details)
    }

    pub fn decode(bytes: &[u8]) -> Event {
        let (event, details) = unframe(bytes);
        Event { details, ..serde_json::from_slice(event).unwrap() }
    }
}

/// The parsed part as JSON behind its length, then the text that stays text.
fn frame(part: &impl Serialize, text: &str) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, part).unwrap();
    let length = u32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn unframe(bytes: &[u8]) -> (&[u8], String) {
    let (length, rest) = bytes.split_first_chunk::<4>().unwrap();
    let (part, text) = rest.split_at(u32::from_le_bytes(*length) as usize);
    (part, String::from_utf8(text.to_vec()).unwrap())
}

pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_nanos()).unwrap()
}
