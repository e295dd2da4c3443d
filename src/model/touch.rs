//! What a commit touches, in the words of those who wait for it. Pure.
//!
//! Who waits names what it waits for with keys, hashes of a kind and a text or two; a commit names with the same keys what it
//! has touched, as far as anybody has ever waited for that kind. Two things of one key wake somebody for nothing, no more.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::model::change::ChangeKind;
use crate::model::entry::ExecutionEntry;
use crate::model::execution::Labels;

/// The key of whoever waits for everything.
pub(crate) const EVERYTHING: u64 = 0;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A change of an execution.
    Execution = 1,
    Job = 2,
    Namespace = 4,
    /// A label that an execution has after a change, or had before it.
    Label = 8,
    /// A state that an execution has come to.
    Entered = 16,
    /// An execution has come, changed its state, or gone.
    Life = 32,
    /// An output stream of an execution.
    Output = 64,
    /// No commit: whoever wants a consumer to look around.
    Nudge = 128,
    /// A bucket of the caller's.
    Bucket = 256,
}

/// The kinds that somebody has waited for, ever.
#[derive(Debug, Default)]
pub(crate) struct Listening(AtomicU16);

impl Listening {
    pub(crate) fn add(&self, kinds: u16) {
        self.0.fetch_or(kinds, Ordering::SeqCst);
    }

    pub(crate) fn kinds(&self) -> u16 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) fn key(kind: Kind, one: &str, other: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind as u16, one, other).hash(&mut hasher);
    hasher.finish().max(EVERYTHING + 1)
}

/// Where the buckets lie that lie in no other.
pub(crate) const TOP: u64 = EVERYTHING;

/// Where a bucket lies, by the names on the way to it: the key of those who wait for it.
pub(crate) fn bucket_place(parent: u64, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (Kind::Bucket as u16, parent, name).hash(&mut hasher);
    hasher.finish().max(EVERYTHING + 1)
}

/// The key of those who wait for what lies in a bucket: it goes with it. No bucket has an empty name.
pub(crate) fn bucket_gone(place: u64) -> u64 {
    bucket_place(place, "")
}

/// The keys under which to wait for a bucket: its own, and those of the deletions of what it lies in.
pub(crate) fn bucket_keys<'a>(path: impl IntoIterator<Item = &'a str>) -> Vec<u64> {
    let (mut keys, mut place) = (Vec::new(), TOP);
    for name in path {
        if place != TOP {
            keys.push(bucket_gone(place));
        }
        place = bucket_place(place, name);
    }
    keys.push(place);
    keys
}

/// The keys that a transaction has touched, of the kinds that were waited for when it began.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    kinds: u16,
    keys: Vec<u64>,
}

impl Touched {
    pub(crate) fn new(kinds: u16) -> Self {
        Self { kinds, keys: Vec::new() }
    }

    pub(crate) fn kinds(&self) -> u16 {
        self.kinds
    }

    pub(crate) fn add(&mut self, kind: Kind, one: &str, other: &str) {
        if self.kinds & kind as u16 != 0 {
            self.keys.push(key(kind, one, other));
        }
    }

    /// An entry of the change log about an execution.
    pub(crate) fn change(&mut self, entry: &ExecutionEntry<'_>) {
        if self.kinds == 0 {
            return;
        }
        let (header, undo) = (entry.header, entry.undo);
        self.add(Kind::Execution, header.id.as_str(), "");
        self.add(Kind::Job, header.job_id.as_str(), "");
        self.add(Kind::Namespace, &header.namespace, "");
        if self.kinds & Kind::Label as u16 != 0 {
            self.labels(&header.labels);
            undo.labels.iter().for_each(|labels| self.labels(labels));
        }
        let lives = matches!(entry.kind, ChangeKind::Created | ChangeKind::Deleted);
        if lives || undo.state.is_some() {
            self.add(Kind::Entered, header.state.as_str(), "");
            self.add(Kind::Life, header.id.as_str(), "");
        }
    }

    /// Where a bucket lies, if anybody waits for buckets.
    pub(crate) fn place(&self, parent: u64, name: &str) -> u64 {
        if self.kinds & Kind::Bucket as u16 == 0 { TOP } else { bucket_place(parent, name) }
    }

    /// A bucket at a place: what lies in it, or its directory.
    pub(crate) fn bucket(&mut self, place: u64) {
        if place != TOP && self.keys.last() != Some(&place) {
            self.keys.push(place);
        }
    }

    /// A bucket has gone, with all that lie in it.
    pub(crate) fn bucket_gone(&mut self, place: u64) {
        if place != TOP {
            self.keys.extend([place, bucket_gone(place)]);
        }
    }

    fn labels(&mut self, labels: &Labels) {
        labels.iter().for_each(|(label, value)| self.add(Kind::Label, label, value));
    }

    /// What another writer of the same transaction has touched.
    pub(crate) fn join(&mut self, mut other: Self) {
        self.keys.append(&mut other.keys);
    }

    /// Nothing more comes: each key is there once.
    pub(crate) fn settled(mut self) -> Self {
        self.keys.sort_unstable();
        self.keys.dedup();
        self
    }

    /// The keys; `None` if somebody may wait for a kind that was not looked for.
    pub(crate) fn keys(&self, listening: u16) -> Option<&[u64]> {
        (listening & !self.kinds == 0).then_some(&self.keys)
    }
}
