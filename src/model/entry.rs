//! An entry of the change log, as it is written and hashed. Pure.

use crate::model::change::{About, Change, ChangeKind, OfBucket};
use crate::model::execution::Header;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::model::undo::Undo;

/// An entry.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    Execution(ExecutionEntry<'a>),
    Bucket(BucketEntry<'a>),
}

#[derive(Clone, Copy)]
pub(crate) struct ExecutionEntry<'a> {
    pub(crate) time: Timestamp,
    pub(crate) kind: ChangeKind,
    pub(crate) number: RowId,
    pub(crate) follows: u64,
    pub(crate) header: &'a Header,
    pub(crate) payload_version: PayloadVersion,
    pub(crate) undo: &'a Undo,
    pub(crate) new_events: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct BucketEntry<'a> {
    pub(crate) time: Timestamp,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) path: &'a [Text],
    pub(crate) row: Option<RowEntry<'a>>,
}

#[derive(Clone, Copy)]
pub(crate) struct RowEntry<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) was_there: bool,
}

impl BucketEntry<'_> {
    pub(crate) fn kind(&self) -> ChangeKind {
        match self.row {
            None => ChangeKind::BucketDeleted,
            Some(RowEntry { value: None, .. }) => ChangeKind::RowDeleted,
            Some(_) => ChangeKind::RowPut,
        }
    }
}

impl Change {
    pub(crate) fn entry(&self) -> Entry<'_> {
        match &self.about {
            About::Execution(of) => Entry::Execution(ExecutionEntry {
                time: self.time,
                kind: self.kind,
                number: of.number,
                follows: of.follows,
                header: &of.header,
                payload_version: of.payload_version,
                undo: &of.undo,
                new_events: of.new_events,
            }),
            About::Bucket(OfBucket { path, row, not_before }) => Entry::Bucket(BucketEntry {
                time: self.time,
                not_before: *not_before,
                path,
                row: row.as_ref().map(|row| RowEntry {
                    key: &row.key,
                    value: row.value.as_deref(),
                    was_there: row.was_there,
                }),
            }),
        }
    }
}
