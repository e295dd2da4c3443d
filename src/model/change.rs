//! The entries of the store-wide change log. Pure.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::execution::Header;
use crate::model::hash::{Hash, Link};
use crate::model::id::{ChangeSeq, EventSeq, ExecutionId, Incarnation, JobId, Revision};
use crate::model::json::form::{form, is_default};
use crate::model::lifecycle::State;
use crate::model::limits::InputError;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::time::{Timestamp, at_the_earliest};
use crate::model::undo::Undo;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeKind {
    /// An execution was created.
    Created,
    /// An execution was updated; events may have come with it.
    Updated,
    /// Events were appended and nothing else.
    EventsAppended,
    /// An execution was deleted, with its events.
    Deleted,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::EventsAppended => "events appended",
            ChangeKind::Deleted => "deleted",
        })
    }
}

/// One entry of the change log.
///
/// It carries the execution's header right after and right before the change. The payloads stay in the
/// store: [`Log::payload_after`](crate::log::Log::payload_after) and
/// [`payload_before`](crate::log::Log::payload_before) read them for as long as the entry is kept, also when the
/// execution has been deleted since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(crate) seq: ChangeSeq,
    pub(crate) time: Timestamp,
    pub(crate) kind: ChangeKind,
    /// The execution's number in this store: the key of its payloads.
    pub(crate) number: RowId,
    /// The change before it of the same execution; 0 if there was none.
    pub(crate) follows: u64,
    /// After the change; the last one of a deleted execution.
    pub(crate) header: Box<Header>,
    pub(crate) payload_version: PayloadVersion,
    pub(crate) undo: Box<Undo>,
    pub(crate) new_events: u64,
    /// In a tamper-evident store.
    pub(crate) link: Option<Link>,
}

impl Change {
    /// Its place in the log.
    pub fn seq(&self) -> ChangeSeq {
        self.seq
    }

    /// When it was made, by the store's clock.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// When it was written at the earliest, as far as its times can be right.
    pub(crate) fn written_at(&self, now: Timestamp) -> Option<Timestamp> {
        at_the_earliest([self.time].into_iter().chain(self.header.not_before), now)
    }

    /// What it did.
    pub fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The execution that changed.
    pub fn execution_id(&self) -> &ExecutionId {
        &self.header.id
    }

    /// The job of the execution that changed.
    pub fn job_id(&self) -> &JobId {
        &self.header.job_id
    }

    /// Which of the executions that have had this id it is.
    pub fn incarnation(&self) -> Incarnation {
        self.header.incarnation
    }

    /// The revision after the change; of a deleted execution its last.
    pub fn revision(&self) -> Revision {
        self.header.revision
    }

    /// The state before the change; `None` if the change created the execution.
    pub fn state_before(&self) -> Option<&State> {
        (self.kind != ChangeKind::Created).then_some(self.undo.state.as_ref().unwrap_or(&self.header.state))
    }

    /// The state after the change; `None` if the change deleted the execution.
    pub fn state_after(&self) -> Option<&State> {
        (self.kind != ChangeKind::Deleted).then_some(&self.header.state)
    }

    /// The sequence numbers of the events that came with the change; `None` if none came.
    pub fn events(&self) -> Option<RangeInclusive<EventSeq>> {
        let last = self.header.event_count;
        (self.new_events > 0).then(|| EventSeq(last - self.new_events + 1)..=EventSeq(last))
    }

    /// The header right after the change; `None` if the change deleted the execution.
    pub fn after(&self) -> Option<&Header> {
        (self.kind != ChangeKind::Deleted).then_some(&self.header)
    }

    /// The header right before the change, put together on each call; `None` if the change created the
    /// execution.
    pub fn before(&self) -> Option<Header> {
        (self.kind != ChangeKind::Created).then(|| self.undo.apply((*self.header).clone()))
    }

    /// The same without a copy.
    pub(crate) fn into_before(self) -> Option<Header> {
        (self.kind != ChangeKind::Created).then(|| self.undo.apply(*self.header))
    }

    /// `true` if the change gave the execution another payload, or its first.
    pub fn payload_changed(&self) -> bool {
        self.kind == ChangeKind::Created || self.undo.payload_version.is_some()
    }

    /// The payload that nothing needs any more once this entry and all before it are gone, by execution and
    /// version: the one that the change replaced, or the last one of a deleted execution.
    pub(crate) fn last_need(&self) -> Option<(RowId, PayloadVersion)> {
        let version = match self.kind {
            ChangeKind::Deleted => Some(self.payload_version),
            _ => self.undo.payload_version,
        };
        version.map(|version| (self.number, version))
    }

    pub(crate) fn payload_version_before(&self) -> PayloadVersion {
        self.undo.payload_version.unwrap_or(self.payload_version)
    }
}

/// An entry of the log to be written.
pub(crate) struct Entry<'a> {
    pub(crate) time: Timestamp,
    pub(crate) kind: ChangeKind,
    pub(crate) number: RowId,
    pub(crate) follows: u64,
    pub(crate) header: &'a Header,
    pub(crate) payload_version: PayloadVersion,
    pub(crate) undo: &'a Undo,
    pub(crate) new_events: u64,
}

impl Change {
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry {
            time: self.time,
            kind: self.kind,
            number: self.number,
            follows: self.follows,
            header: &self.header,
            payload_version: self.payload_version,
            undo: &self.undo,
            new_events: self.new_events,
        }
    }
}

/// The JSON of a change: the whole header before it and after it.
#[derive(Serialize, Deserialize)]
struct ChangeForm {
    seq: ChangeSeq,
    time: Timestamp,
    kind: ChangeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Box<Header>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Box<Header>>,
    #[serde(default, skip_serializing_if = "is_default", with = "crate::model::json::count")]
    new_events: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    follows: ChangeSeq,
    #[serde(with = "crate::model::json::count")]
    payload_version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    payload_version_before: Option<u64>,
    /// Of a deletion, which changes nothing else: the time that it is not before, where the clock went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<LinkForm>,
}

/// What an entry of a tamper-evident store carries.
#[derive(Serialize, Deserialize)]
struct LinkForm {
    #[serde(with = "crate::model::hash::hex_text")]
    previous: Hash,
    #[serde(with = "crate::model::hash::hex_text")]
    content: Hash,
}

form!(Change as ChangeForm);

impl From<&Change> for ChangeForm {
    fn from(change: &Change) -> Self {
        let Change { seq, time, kind, number: _, follows, header, payload_version, undo, new_events, link } =
            change;
        let link = link.map(|Link { previous, content }| LinkForm { previous, content });
        Self {
            seq: *seq,
            time: *time,
            kind: *kind,
            before: change.before().map(Box::new),
            after: change.after().cloned().map(Box::new),
            new_events: *new_events,
            follows: ChangeSeq(*follows),
            payload_version: payload_version.0,
            payload_version_before: undo.payload_version.map(u64::from),
            not_before: header
                .not_before
                .filter(|_| *kind == ChangeKind::Deleted && undo.not_before.is_some()),
            link,
        }
    }
}

impl TryFrom<ChangeForm> for Change {
    type Error = InputError;

    fn try_from(form: ChangeForm) -> Result<Self, InputError> {
        use ChangeKind::{Created, Deleted, EventsAppended, Updated};
        let ChangeForm { seq, time, kind, before, after, new_events, follows, .. } = form;
        let invalid = |reason: String| Err(InputError::Invalid { what: "change", reason });
        let (header, undo) = match (kind, before, after) {
            (Created, None, Some(after)) => (after, Undo::default()),
            (Updated | EventsAppended, Some(before), Some(after)) => {
                let undo = Undo::between(&before, &after);
                if undo.apply((*after).clone()) != *before {
                    return invalid("what it is about is another execution before it and after it".into());
                }
                (after, undo)
            }
            (Deleted, Some(before), None) => {
                let mut last = before.clone();
                last.not_before = form.not_before.or(before.not_before);
                let undo = Undo::between(&before, &last);
                (last, undo)
            }
            (Created, ..) => return invalid("a creation has `after`, and no `before`".into()),
            (Updated | EventsAppended, ..) => return invalid("it needs `before` and `after`".into()),
            (Deleted, ..) => return invalid("a deletion has `before`, and no `after`".into()),
        };
        if follows >= seq {
            return invalid(format!("it is number {seq}, and follows {follows}"));
        }
        if new_events > header.event_count {
            return invalid(format!("{new_events} of {} events are new", header.event_count));
        }
        let undo = Undo { payload_version: form.payload_version_before.map(PayloadVersion), ..undo };
        let link = form.link.map(|LinkForm { previous, content }| Link { previous, content });
        Ok(Self {
            seq,
            time,
            kind,
            number: RowId::of(&header),
            follows: follows.0,
            header,
            payload_version: PayloadVersion(form.payload_version),
            undo: Box::new(undo),
            new_events,
            link,
        })
    }
}
