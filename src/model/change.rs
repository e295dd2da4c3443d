//! The entries of the store-wide change log. Pure.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::execution::Header;
use crate::model::hash::Link;
use crate::model::id::{ChangeSeq, EventSeq, ExecutionId, Incarnation, JobId, Revision};
use crate::model::lifecycle::State;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;
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
    /// A row of a bucket whose rows are logged was written.
    RowPut,
    /// A row of such a bucket was removed.
    RowDeleted,
    /// Such a bucket was deleted, or one that it lies in: with all rows and all buckets in it.
    BucketDeleted,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::EventsAppended => "events appended",
            ChangeKind::Deleted => "deleted",
            ChangeKind::RowPut => "row put",
            ChangeKind::RowDeleted => "row deleted",
            ChangeKind::BucketDeleted => "bucket deleted",
        })
    }
}

/// One entry of the change log: about an execution, or about a bucket whose rows are
/// [logged](crate::buckets::BucketMut::set_logged).
///
/// About an execution it carries the header right after and right before the change. The payloads stay in the
/// store: [`Log::payload_after`](crate::log::Log::payload_after) and
/// [`payload_before`](crate::log::Log::payload_before) read them for as long as the entry is kept, also when the
/// execution has been deleted since. About a row of a bucket it carries the [row](Self::row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(crate) seq: ChangeSeq,
    pub(crate) time: Timestamp,
    pub(crate) kind: ChangeKind,
    pub(crate) about: About,
    /// In a tamper-evident store.
    pub(crate) link: Option<Link>,
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Execution(OfExecution),
    Bucket(OfBucket),
}

/// What an entry about an execution says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfExecution {
    /// The execution's number in this store: the key of its payloads.
    pub(crate) number: RowId,
    /// The change before it of the same execution; 0 if there was none.
    pub(crate) follows: u64,
    /// After the change; the last one of a deleted execution.
    pub(crate) header: Box<Header>,
    pub(crate) payload_version: PayloadVersion,
    pub(crate) undo: Box<Undo>,
    pub(crate) new_events: u64,
}

impl OfExecution {
    pub(crate) fn payload_version_before(&self) -> PayloadVersion {
        self.undo.payload_version.unwrap_or(self.payload_version)
    }
}

/// What an entry about a bucket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfBucket {
    /// The names on the way to it, the outermost first.
    pub(crate) path: Vec<Text>,
    /// Unless the bucket was deleted.
    pub(crate) row: Option<RowChange>,
    /// The time that it is not before, where the clock went back.
    pub(crate) not_before: Option<Timestamp>,
}

/// What a change did to a row of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RowChange {
    /// The key of the row.
    #[serde(rename = "key_base64", with = "crate::model::json::base64")]
    pub key: Vec<u8>,
    /// Its value from then on; `None` if it was removed.
    #[serde(
        rename = "value_base64",
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::json::base64::optional"
    )]
    pub value: Option<Vec<u8>>,
    /// There was a row of this key before.
    pub was_there: bool,
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
        let not_before = match &self.about {
            About::Execution(of) => of.header.not_before,
            About::Bucket(of) => of.not_before,
        };
        at_the_earliest([self.time].into_iter().chain(not_before), now)
    }

    /// What it did.
    pub fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// What it says of an execution, if it is about one.
    pub(crate) fn of_execution(&self) -> Option<&OfExecution> {
        match &self.about {
            About::Execution(of) => Some(of),
            About::Bucket(_) => None,
        }
    }

    fn of_bucket(&self) -> Option<&OfBucket> {
        match &self.about {
            About::Execution(_) => None,
            About::Bucket(of) => Some(of),
        }
    }

    /// The header after the change, or the last one.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.of_execution().map(|of| &*of.header)
    }

    /// The execution that changed; `None` if the change is about a bucket.
    pub fn execution_id(&self) -> Option<&ExecutionId> {
        self.header().map(|header| &header.id)
    }

    /// The job of the execution that changed; `None` if the change is about a bucket.
    pub fn job_id(&self) -> Option<&JobId> {
        self.header().map(|header| &header.job_id)
    }

    /// Which of the executions that have had this id it is; `None` if the change is about a bucket.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.header().map(|header| header.incarnation)
    }

    /// The revision after the change; of a deleted execution its last. `None` if the change is about a bucket.
    pub fn revision(&self) -> Option<Revision> {
        self.header().map(|header| header.revision)
    }

    /// The names on the way to the bucket that changed, the outermost first; `None` if the change is about an execution. If it
    /// [deleted](ChangeKind::BucketDeleted) a bucket, everything is gone whose way begins with these names.
    pub fn bucket(&self) -> Option<&[Text]> {
        self.of_bucket().map(|of| of.path.as_slice())
    }

    /// The row of a bucket that changed, with its value; `None` if the change is about an execution, or deleted a bucket.
    pub fn row(&self) -> Option<&RowChange> {
        self.of_bucket()?.row.as_ref()
    }

    /// The state before the change; `None` if the change created the execution, or is about none.
    pub fn state_before(&self) -> Option<&State> {
        let of = self.of_execution().filter(|_| self.kind != ChangeKind::Created)?;
        Some(of.undo.state.as_ref().unwrap_or(&of.header.state))
    }

    /// The state after the change; `None` if the change deleted the execution, or is about none.
    pub fn state_after(&self) -> Option<&State> {
        self.after().map(|header| &header.state)
    }

    /// The sequence numbers of the events that came with the change; `None` if none came.
    pub fn events(&self) -> Option<RangeInclusive<EventSeq>> {
        let of = self.of_execution().filter(|of| of.new_events > 0)?;
        let last = of.header.event_count;
        Some(EventSeq(last - of.new_events + 1)..=EventSeq(last))
    }

    /// The header right after the change; `None` if the change deleted the execution, or is about none.
    pub fn after(&self) -> Option<&Header> {
        self.header().filter(|_| self.kind != ChangeKind::Deleted)
    }

    /// The header right before the change, put together on each call; `None` if the change created the
    /// execution, or is about none.
    pub fn before(&self) -> Option<Header> {
        let of = self.of_execution().filter(|_| self.kind != ChangeKind::Created)?;
        Some(of.undo.apply((*of.header).clone()))
    }

    /// `true` if the change gave the execution another payload, or its first.
    pub fn payload_changed(&self) -> bool {
        let changed =
            |of: &OfExecution| self.kind == ChangeKind::Created || of.undo.payload_version.is_some();
        self.of_execution().is_some_and(changed)
    }

    /// The payload that nothing needs any more once this entry and all before it are gone, by execution and
    /// version: the one that the change replaced, or the last one of a deleted execution.
    pub(crate) fn last_need(&self) -> Option<(RowId, PayloadVersion)> {
        let of = self.of_execution()?;
        let version = match self.kind {
            ChangeKind::Deleted => Some(of.payload_version),
            _ => of.undo.payload_version,
        };
        version.map(|version| (of.number, version))
    }
}
