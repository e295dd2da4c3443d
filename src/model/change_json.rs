//! The JSON of a change.

use serde::{Deserialize, Serialize};

use crate::model::buckets::check_row;
use crate::model::change::{About, Change, ChangeKind, OfBucket, OfExecution, RowChange};
use crate::model::execution::Header;
use crate::model::hash::{Hash, Link};
use crate::model::id::ChangeSeq;
use crate::model::json::form::{form, is_default};
use crate::model::limits::{InputError, check_name};
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::model::undo::Undo;

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
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    payload_version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    payload_version_before: Option<u64>,
    /// Of what is about a bucket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    bucket: Vec<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row: Option<RowChange>,
    /// Of a deletion, which changes nothing else, and of what is about a bucket: the time that it is not before, where the clock went
    /// back.
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
        let Change { seq, time, kind, about, link } = change;
        let link = link.map(|Link { previous, content }| LinkForm { previous, content });
        let form = Self {
            seq: *seq,
            time: *time,
            kind: *kind,
            before: None,
            after: None,
            new_events: 0,
            follows: ChangeSeq(0),
            payload_version: None,
            payload_version_before: None,
            bucket: Vec::new(),
            row: None,
            not_before: None,
            link,
        };
        match about {
            About::Execution(OfExecution {
                number: _,
                follows,
                header,
                payload_version,
                undo,
                new_events,
            }) => Self {
                before: change.before().map(Box::new),
                after: change.after().cloned().map(Box::new),
                new_events: *new_events,
                follows: ChangeSeq(*follows),
                payload_version: Some(payload_version.0),
                payload_version_before: undo.payload_version.map(u64::from),
                not_before: header
                    .not_before
                    .filter(|_| *kind == ChangeKind::Deleted && undo.not_before.is_some()),
                ..form
            },
            About::Bucket(OfBucket { path, row, not_before }) => {
                Self { bucket: path.clone(), row: row.clone(), not_before: *not_before, ..form }
            }
        }
    }
}

impl TryFrom<ChangeForm> for Change {
    type Error = InputError;

    fn try_from(form: ChangeForm) -> Result<Self, InputError> {
        let ChangeForm { seq, time, kind, .. } = form;
        let link = form.link.as_ref().map(|link| Link { previous: link.previous, content: link.content });
        let about = match kind {
            ChangeKind::RowPut | ChangeKind::RowDeleted | ChangeKind::BucketDeleted => {
                About::Bucket(of_bucket(form)?)
            }
            _ => About::Execution(of_execution(form)?),
        };
        Ok(Self { seq, time, kind, about, link })
    }
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, InputError> {
    Err(InputError::Invalid { what: "change", reason: reason.into() })
}

fn of_bucket(form: ChangeForm) -> Result<OfBucket, InputError> {
    let ChangeForm { kind, bucket: path, row, before, after, payload_version, not_before, .. } = form;
    if before.is_some() || after.is_some() || payload_version.is_some() {
        return invalid("it is about a bucket, and about an execution");
    }
    if path.is_empty() {
        return invalid("it is about a bucket that is not named");
    }
    path.iter().try_for_each(|name| check_name("bucket name", name))?;
    if let Some(row) = &row {
        check_row(&row.key, row.value.as_deref())?;
    }
    match (kind, &row) {
        (ChangeKind::RowPut, Some(RowChange { value: Some(_), .. }))
        | (ChangeKind::RowDeleted, Some(RowChange { value: None, was_there: true, .. }))
        | (ChangeKind::BucketDeleted, None) => Ok(OfBucket { path, row, not_before }),
        (ChangeKind::RowPut, _) => invalid("what is put has a `row` with a value"),
        (ChangeKind::RowDeleted, _) => invalid("what is deleted has a `row` that was there, without a value"),
        _ => invalid("the deletion of a bucket has no `row`"),
    }
}

fn of_execution(form: ChangeForm) -> Result<OfExecution, InputError> {
    use ChangeKind::{Created, Deleted};
    let ChangeForm { seq, kind, before, after, new_events, follows, payload_version, bucket, row, .. } = form;
    if !bucket.is_empty() || row.is_some() {
        return invalid("it is about an execution, and about a bucket");
    }
    let Some(payload_version) = payload_version else {
        return invalid("missing field `payload_version`");
    };
    let (header, undo) = match (kind, before, after) {
        (Created, None, Some(after)) => (after, Undo::default()),
        (Created, ..) => return invalid("a creation has `after`, and no `before`"),
        (Deleted, Some(before), None) => {
            let mut last = before.clone();
            last.not_before = form.not_before.or(before.not_before);
            let undo = Undo::between(&before, &last);
            (last, undo)
        }
        (Deleted, ..) => return invalid("a deletion has `before`, and no `after`"),
        (_, Some(before), Some(after)) => {
            let undo = Undo::between(&before, &after);
            if undo.apply((*after).clone()) != *before {
                return invalid("what it is about is another execution before it and after it");
            }
            (after, undo)
        }
        _ => return invalid("it needs `before` and `after`"),
    };
    if follows >= seq {
        return invalid(format!("it is number {seq}, and follows {follows}"));
    }
    if new_events > header.event_count {
        return invalid(format!("{new_events} of {} events are new", header.event_count));
    }
    let undo = Undo { payload_version: form.payload_version_before.map(PayloadVersion), ..undo };
    Ok(OfExecution {
        number: RowId::of(&header),
        follows: follows.0,
        header,
        payload_version: PayloadVersion(payload_version),
        undo: Box::new(undo),
        new_events,
    })
}
