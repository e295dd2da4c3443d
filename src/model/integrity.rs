//! Tamper evidence: what is hashed of an entry of the change log, and what an exported log proves. Pure.

use std::fmt;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::model::entry::{BucketEntry, Entry, ExecutionEntry};
use crate::model::events::NewEvent;
use crate::model::execution::Header;
use crate::model::hash::{Hash, Link, Sum, hex};
use crate::model::id::ChangeSeq;
use crate::model::json::base64::base64;
use crate::model::json::{Count, written};
use crate::model::time::Timestamp;

/// What the totals of a tamper-evident store carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The hash of the last entry of the log.
    pub(crate) head: Hash,
    /// The hash of the last entry that was trimmed; before that, one that stands for the store.
    pub(crate) anchor: Hash,
    pub(crate) sum: Sum,
}

impl Seal {
    /// That of a new store.
    pub(crate) fn new(store_id: u128) -> Self {
        let genesis = genesis(store_id);
        Self { head: genesis, anchor: genesis, sum: Sum::default() }
    }
}

/// What stands before the first change.
pub(crate) fn genesis(store_id: u128) -> Hash {
    let id = uuid::Uuid::from_u128(store_id);
    Sha256::digest(format!("execstore change log of {}", id.hyphenated())).into()
}

/// An event as it is hashed: members in the order of their names, times as texts.
#[derive(Serialize)]
struct EventDocument<'a> {
    details: &'a str,
    message: &'a str,
    time: String,
    topic: &'a str,
}

/// The digest of what came with a change: the line of each event, then the payload if it is new.
pub(crate) struct Content(Sha256);

impl Content {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn event(&mut self, details: &str, message: &str, topic: &str, time: Timestamp) {
        let event = EventDocument { details, message, time: time.to_string(), topic };
        self.0.update(written(&event));
        self.0.update("\n");
    }

    pub(crate) fn payload(&mut self, text: &str) {
        self.0.update("payload\n");
        self.0.update(text);
    }

    pub(crate) fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

/// The digest of what comes with a change that is being made.
pub(crate) fn content(events: &[NewEvent], now: Timestamp, payload: Option<&str>) -> Hash {
    let mut content = Content::new();
    for event in events {
        let details = event.details.as_ref().map_or("{}", |details| details.as_str());
        content.event(details, &event.message, &event.topic, event.time.unwrap_or(now));
    }
    if let Some(payload) = payload {
        content.payload(payload);
    }
    content.finish()
}

/// An entry of the log as it is hashed and exported: members in the order of their names, times as texts, labels as
/// pairs, so that the text is the same in every language.
#[derive(Serialize)]
struct ChangeDocument<'a> {
    attempt: Count,
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    created_at: String,
    desired: String,
    events: Count,
    id: &'a str,
    job_id: &'a str,
    kind: String,
    labels: Vec<(&'a str, &'a str)>,
    message: Option<&'a str>,
    modified_at: String,
    name: Option<&'a str>,
    namespace: &'a str,
    new_events: Count,
    node_id: Option<&'a str>,
    not_before: Option<String>,
    number: Count,
    parent: Option<&'a str>,
    payload_version: Count,
    preview: Option<&'a str>,
    previous: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_hash: Option<String>,
    reported_at: Option<String>,
    revision: Count,
    seq: Count,
    state: &'a str,
    time: String,
}

/// The same for an entry about a bucket. Bytes are texts in base64.
#[derive(Serialize)]
struct BucketDocument<'a> {
    bucket: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    key: Option<String>,
    kind: String,
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_hash: Option<String>,
    seq: Count,
    time: String,
    value: Option<String>,
    was_there: Option<bool>,
}

/// The document of an entry.
pub(crate) fn document(seq: u64, entry: &Entry<'_>, link: Option<&Link>) -> String {
    match entry {
        Entry::Execution(entry) => of_execution(seq, entry, link),
        Entry::Bucket(entry) => of_bucket(seq, entry, link),
    }
}

fn of_bucket(seq: u64, entry: &BucketEntry<'_>, link: Option<&Link>) -> String {
    let BucketEntry { time, not_before, path, row } = entry;
    let document = BucketDocument {
        bucket: path.iter().map(|name| &**name).collect(),
        content: link.map(|link| hex(&link.content)),
        key: row.map(|row| base64(row.key)),
        kind: entry.kind().to_string(),
        not_before: not_before.map(|time| time.to_string()),
        previous_hash: link.map(|link| hex(&link.previous)),
        seq: Count(seq),
        time: time.to_string(),
        value: row.and_then(|row| row.value).map(base64),
        was_there: row.map(|row| row.was_there),
    };
    written(&document)
}

fn of_execution(seq: u64, entry: &ExecutionEntry<'_>, link: Option<&Link>) -> String {
    let Header {
        id,
        incarnation: _,
        job_id,
        namespace,
        name,
        node_id,
        state,
        message,
        desired,
        parent,
        previous,
        labels,
        revision,
        created_at,
        modified_at,
        completed_at,
        not_before,
        attempt,
        reported_at,
        event_count,
        preview,
    } = entry.header;
    let text = |time: &Timestamp| time.to_string();
    let document = ChangeDocument {
        attempt: Count(*attempt),
        completed_at: completed_at.as_ref().map(text),
        content: link.map(|link| hex(&link.content)),
        created_at: text(created_at),
        desired: desired.to_string(),
        events: Count(*event_count),
        id: id.as_str(),
        job_id: job_id.as_str(),
        kind: entry.kind.to_string(),
        labels: labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        message: message.as_deref(),
        modified_at: text(modified_at),
        name: name.as_deref(),
        namespace,
        new_events: Count(entry.new_events),
        node_id: node_id.as_deref(),
        not_before: not_before.as_ref().map(text),
        number: Count(entry.number.0),
        parent: parent.as_ref().map(|id| id.as_str()),
        payload_version: Count(entry.payload_version.0),
        preview: preview.as_deref(),
        previous: previous.as_ref().map(|id| id.as_str()),
        previous_hash: link.map(|link| hex(&link.previous)),
        reported_at: reported_at.as_ref().map(text),
        revision: Count(revision.0),
        seq: Count(seq),
        state: state.as_str(),
        time: text(&entry.time),
    };
    written(&document)
}

pub(crate) fn change_hash(seq: u64, entry: &Entry<'_>, link: &Link) -> Hash {
    Sha256::digest(document(seq, entry, Some(link))).into()
}

/// A place in the chain of a tamper-evident store: an entry of the log and its hash. See
/// [`Log::chain_head`](crate::log::Log::chain_head).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChainHead {
    /// The entry; 0 before the first.
    pub seq: ChangeSeq,
    /// Its SHA-256; before the first entry, a hash that stands for the store.
    #[serde(with = "crate::model::hash::hex_text")]
    pub hash: [u8; 32],
}

impl fmt::Display for ChainHead {
    /// The number and the hash in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, hex(&self.hash))
    }
}

/// What an exported log proves: that between two places of a chain nothing was altered, reordered or removed.
///
/// Compare the ends with what [`Log::chain_anchor`](crate::log::Log::chain_anchor) and
/// [`chain_head`](crate::log::Log::chain_head) gave, now or when you noted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogProof {
    /// The place before the first line.
    pub after: ChainHead,
    /// The place of the last line.
    pub head: ChainHead,
}

/// Why an exported log proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogProofError {
    /// There are no lines.
    #[error("the log is empty")]
    Empty,
    /// A line is not one that was exported by a tamper-evident store, or was altered, or others are missing before it.
    #[error("line {line}: {fault}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        fault: LogLineFault,
    },
    /// It could not be read.
    #[error("the log could not be read: {0}")]
    Io(#[source] std::io::Error),
}

/// What is wrong with a line of an exported log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogLineFault {
    /// It is no entry of a tamper-evident log.
    #[error("it is no entry of a tamper-evident log: {0}")]
    NotAnEntry(#[source] serde_json::Error),
    /// Its hash is not that of its change.
    #[error("the hash is not that of the change")]
    Hash,
    /// It does not follow the line before.
    #[error("change {found} follows {before}")]
    Order {
        /// The change of the line before.
        before: ChangeSeq,
        /// The change of this line.
        found: ChangeSeq,
    },
    /// Its previous hash is not that of the line before.
    #[error("the previous hash is not that of the line before")]
    PreviousHash,
}

#[derive(Deserialize)]
struct ExportedLine<'a> {
    #[serde(borrow)]
    change: &'a RawValue,
    #[serde(with = "crate::model::hash::hex_text")]
    hash: Hash,
}

#[derive(Deserialize)]
struct Chained {
    seq: ChangeSeq,
    #[serde(with = "crate::model::hash::hex_text")]
    previous_hash: Hash,
}

impl Chained {
    /// The change before this one, 0 if this is the first.
    fn before(&self) -> Result<ChangeSeq, serde_json::Error> {
        let before = self.seq.0.checked_sub(1).map(ChangeSeq);
        before.ok_or_else(|| serde::de::Error::custom("there is no change 0"))
    }
}

impl LogProof {
    /// Checks what [`Log::export`](crate::log::Log::export) wrote, a line at a time.
    ///
    /// The hash of a line is the SHA-256 of the text of its member `change`, in which `previous_hash` is the hash of the
    /// line before: a few lines in any language.
    pub fn check(log: impl BufRead) -> Result<LogProof, LogProofError> {
        let mut proof: Option<LogProof> = None;
        for (line, text) in (1..).zip(log.lines()) {
            let text = text.map_err(LogProofError::Io)?;
            proof = Some(Self::follow(proof, &text).map_err(|fault| LogProofError::Line { line, fault })?);
        }
        proof.ok_or(LogProofError::Empty)
    }

    /// What is proved once a line follows.
    fn follow(proof: Option<LogProof>, text: &str) -> Result<LogProof, LogLineFault> {
        let exported: ExportedLine<'_> = serde_json::from_str(text).map_err(LogLineFault::NotAnEntry)?;
        let change: Chained =
            serde_json::from_str(exported.change.get()).map_err(LogLineFault::NotAnEntry)?;
        let hash: Hash = Sha256::digest(exported.change.get()).into();
        if exported.hash != hash {
            return Err(LogLineFault::Hash);
        }
        let before = change.before().map_err(LogLineFault::NotAnEntry)?;
        let after = match proof {
            None => ChainHead { seq: before, hash: change.previous_hash },
            Some(proof) if proof.head.seq != before => {
                return Err(LogLineFault::Order { before: proof.head.seq, found: change.seq });
            }
            Some(proof) if proof.head.hash != change.previous_hash => return Err(LogLineFault::PreviousHash),
            Some(proof) => proof.after,
        };
        Ok(LogProof { after, head: ChainHead { seq: change.seq, hash } })
    }
}
