//! Tamper evidence: the hashes that chain the entries of the change log, and the sum over all rows. Pure.

use std::fmt;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::change::Entry;
use crate::event::NewEvent;
use crate::execution::Header;
use crate::id::ChangeSeq;
use crate::json::Count;
use crate::time::Timestamp;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

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

/// What an entry of the log carries in a tamper-evident store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The hash of the entry before.
    pub(crate) previous: Hash,
    /// The digest of the events and the payload that came with it.
    pub(crate) content: Hash,
}

/// A sum of hashes modulo 2^256. The order does not matter, and what was added can be taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) [u64; 4]);

impl Sum {
    pub(crate) fn add(&mut self, hash: Hash) {
        self.add_sum(Sum(limbs(hash)));
    }

    /// Adds what was summed up elsewhere.
    pub(crate) fn add_sum(&mut self, other: Sum) {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first | second);
        }
    }

    pub(crate) fn subtract(&mut self, hash: Hash) {
        let mut borrow = false;
        for (limb, less) in self.0.iter_mut().zip(limbs(hash)) {
            let (rest, first) = limb.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first | second);
        }
    }
}

fn limbs(hash: Hash) -> [u64; 4] {
    let (limbs, _) = hash.as_chunks::<8>();
    std::array::from_fn(|place| limbs.get(place).map_or(0, |limb| u64::from_le_bytes(*limb)))
}

/// The hash of a row for the sum.
pub(crate) fn row_hash(table: u8, key: &[u8], value: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([table]);
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().into()
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
        // Texts in a flat struct: cannot fail.
        self.0.update(serde_json::to_string(&event).unwrap_or_default());
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

/// The document of an entry.
pub(crate) fn document(seq: u64, entry: &Entry<'_>, link: Option<&Link>) -> String {
    let header: &Header = entry.header;
    let time = |time: Timestamp| time.to_string();
    let document = ChangeDocument {
        attempt: Count(header.attempt),
        completed_at: header.completed_at.map(time),
        content: link.map(|link| hex(&link.content)),
        created_at: time(header.created_at),
        desired: header.desired.to_string(),
        events: Count(header.event_count),
        id: header.id.as_str(),
        job_id: header.job_id.as_str(),
        kind: entry.kind.to_string(),
        labels: header.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
        message: header.message.as_deref(),
        modified_at: time(header.modified_at),
        name: header.name.as_deref(),
        namespace: &header.namespace,
        new_events: Count(entry.new_events),
        node_id: header.node_id.as_deref(),
        not_before: header.not_before.map(time),
        number: Count(entry.number),
        parent: header.parent.as_ref().map(|id| id.as_str()),
        payload_version: Count(entry.payload_version),
        preview: header.preview.as_deref(),
        previous: header.previous.as_ref().map(|id| id.as_str()),
        previous_hash: link.map(|link| hex(&link.previous)),
        reported_at: header.reported_at.map(time),
        revision: Count(header.revision.0),
        seq: Count(seq),
        state: header.state.as_str(),
        time: time(entry.time),
    };
    serde_json::to_string(&document).unwrap_or_default()
}

pub(crate) fn change_hash(seq: u64, entry: &Entry<'_>, link: &Link) -> Hash {
    Sha256::digest(document(seq, entry, Some(link))).into()
}

pub(crate) fn hex(hash: &Hash) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A place in the chain of a tamper-evident store: an entry of the log and its hash. See
/// [`Readable::chain_head`](crate::Readable::chain_head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainHead {
    /// The entry; 0 before the first.
    pub seq: ChangeSeq,
    /// Its SHA-256; before the first entry, a hash that stands for the store.
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
/// Compare the ends with what [`Readable::chain_anchor`](crate::Readable::chain_anchor) and
/// [`chain_head`](crate::Readable::chain_head) gave, now or when you noted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// A line is not one that was exported by a tamper-evident store, or was altered.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It could not be read.
    #[error("the log could not be read: {0}")]
    Io(#[source] std::io::Error),
}

#[derive(Deserialize)]
struct ExportedLine<'a> {
    #[serde(borrow)]
    change: &'a RawValue,
    hash: String,
}

#[derive(Deserialize)]
struct Chained {
    seq: ChangeSeq,
    previous_hash: String,
}

impl LogProof {
    /// Checks what [`Readable::export_changes`](crate::Readable::export_changes) wrote, a line at a time.
    ///
    /// The hash of a line is the SHA-256 of the text of its member `change`, in which `previous_hash` is the hash of the
    /// line before: a few lines in any language.
    pub fn check(log: impl BufRead) -> Result<LogProof, LogProofError> {
        let mut proof: Option<LogProof> = None;
        for (line, text) in (1..).zip(log.lines()) {
            let text = text.map_err(LogProofError::Io)?;
            let wrong = |reason: &str| LogProofError::Line { line, reason: reason.to_owned() };
            let exported: ExportedLine<'_> =
                serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
            let Chained { seq: ChangeSeq(seq), previous_hash } =
                serde_json::from_str(exported.change.get()).map_err(|error| wrong(&error.to_string()))?;
            let hash: Hash = Sha256::digest(exported.change.get()).into();
            if exported.hash != hex(&hash) {
                return Err(wrong("the hash is not that of the change"));
            }
            let previous = unhex(&previous_hash).ok_or_else(|| wrong("the previous hash is none"))?;
            let head = ChainHead { seq: ChangeSeq(seq), hash };
            match &mut proof {
                None => {
                    let before = seq.checked_sub(1).ok_or_else(|| wrong("there is no change 0"))?;
                    let after = ChainHead { seq: ChangeSeq(before), hash: previous };
                    proof = Some(LogProof { after, head });
                }
                Some(proof) if proof.head.seq.0.checked_add(1) != Some(seq) => {
                    return Err(wrong(&format!("change {seq} follows {}", proof.head.seq)));
                }
                Some(proof) if proof.head.hash != previous => {
                    return Err(wrong("the previous hash is not that of the line before"));
                }
                Some(proof) => proof.head = head,
            }
        }
        proof.ok_or(LogProofError::Empty)
    }
}

pub(crate) fn unhex(text: &str) -> Option<Hash> {
    unhex_all(text)?.try_into().ok()
}

/// The bytes that lower-case hexadecimal digits spell.
pub(crate) fn unhex_all(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_forget_what_is_taken_away() {
        let hash = |n: u8| row_hash(n, b"key", b"value");
        let (mut one, mut other) = (Sum::default(), Sum::default());
        (0..100).for_each(|n| one.add(hash(n)));
        (0..100).rev().for_each(|n| other.add(hash(n)));
        assert_eq!(one, other);
        (0..50).for_each(|n| one.subtract(hash(n)));
        let mut rest = Sum::default();
        (50..100).for_each(|n| rest.add(hash(n)));
        assert_eq!(one, rest);
        let mut all = Sum([u64::MAX; 4]);
        all.add([
            1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        assert_eq!(all, Sum::default());
        all.subtract(hash(1));
        all.add(hash(1));
        assert_eq!(all, Sum::default());
    }

    #[test]
    fn a_row_is_its_table_key_and_value() {
        let hashes = [
            row_hash(1, b"ab", b"c"),
            row_hash(1, b"a", b"bc"),
            row_hash(2, b"ab", b"c"),
            row_hash(1, b"", b"abc"),
        ];
        for (n, one) in hashes.iter().enumerate() {
            assert!(hashes.iter().skip(n + 1).all(|two| one != two));
        }
        assert_eq!(unhex(&hex(&hashes[0])), Some(hashes[0]));
        for bad in ["", "zz", &"A".repeat(64), &"é".repeat(32)] {
            assert_eq!(unhex(bad), None);
        }
    }
}
