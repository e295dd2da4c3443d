//! The encoding of change log entries: the header after the change, and what was different before.

use super::execution::{
    EncodedHeader, decode_header, decode_labels, desired, desired_code, encode_labels, state,
};
use super::schema::table;
use super::{Reader, Reason, Writer, encode, number_of, open};
use crate::model::change::{Change, ChangeKind, Entry, Undo};
use crate::model::hash::Link;
use crate::model::id::{ChangeSeq, ExecutionId, Revision};
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;

// Which parts differ. The order of the bits is the order of the parts.
const NAME: u64 = 1;
const NODE: u64 = 1 << 1;
const STATE: u64 = 1 << 2;
const MESSAGE: u64 = 1 << 3;
const DESIRED: u64 = 1 << 4;
const PARENT: u64 = 1 << 5;
const PREVIOUS: u64 = 1 << 6;
const LABELS: u64 = 1 << 7;
const REVISION: u64 = 1 << 8;
const MODIFIED: u64 = 1 << 9;
const COMPLETED: u64 = 1 << 10;
const EVENTS: u64 = 1 << 11;
const PAYLOAD: u64 = 1 << 12;
const PREVIEW: u64 = 1 << 13;
const ATTEMPT: u64 = 1 << 14;
const REPORTED: u64 = 1 << 15;
const NOT_BEFORE: u64 = 1 << 16;
const KNOWN: u64 = (1 << 17) - 1;

/// In the byte of the kind: the hashes of a tamper-evident store are at the end.
const LINKED: u8 = 0x80;

/// Encodes an entry of the change log.
pub(crate) fn encode_change(
    key: &[u8; 8],
    (change, header, link): (&Entry<'_>, &EncodedHeader, Option<&Link>),
    out: &mut Vec<u8>,
) {
    encode::<table::Changes>(key, out, |w| {
        let kind = match change.kind {
            ChangeKind::Created => 1,
            ChangeKind::Updated => 2,
            ChangeKind::EventsAppended => 3,
            ChangeKind::Deleted => 4,
        };
        w.byte(if link.is_some() { kind | LINKED } else { kind });
        w.time(change.time);
        w.number(change.number.0);
        w.number(change.follows);
        w.number(change.payload_version.0);
        w.number(change.new_events);
        header.write(w);
        encode_undo(change.undo, w);
        if let Some(link) = link {
            w.rest(&link.previous);
            w.rest(&link.content);
        }
    });
}

fn kind_of(byte: u8) -> Result<ChangeKind, Reason> {
    match byte & !LINKED {
        1 => Ok(ChangeKind::Created),
        2 => Ok(ChangeKind::Updated),
        3 => Ok(ChangeKind::EventsAppended),
        4 => Ok(ChangeKind::Deleted),
        other => Err(format!("there is no kind of change number {other}")),
    }
}

/// Decodes an entry of the change log.
pub(crate) fn decode_change(key: &[u8; 8], value: &[u8], lifecycle: &Lifecycle) -> Result<Change, Reason> {
    decode_body(key, open::<table::Changes>(key, value)?, lifecycle)
}

fn decode_body(key: &[u8; 8], mut r: Reader<'_>, lifecycle: &Lifecycle) -> Result<Change, Reason> {
    let seq = ChangeSeq(number_of(key));
    let kind = r.byte()?;
    let is_linked = kind & LINKED != 0;
    let kind = kind_of(kind)?;
    let time = r.time()?;
    let (number, follows) = (RowId(r.number()?), r.number()?);
    let (payload_version, new_events) = (PayloadVersion(r.number()?), r.number()?);
    if follows >= seq.0 {
        return Err("the entry follows one that is not before it".into());
    }
    let header = decode_header(&mut r, number, lifecycle)?;
    if new_events > header.event_count {
        return Err("the entry has more events than its execution".into());
    }
    let undo = decode_undo(&mut r, lifecycle)?;
    let link = match is_linked {
        true => Some(Link { previous: r.hash()?, content: r.hash()? }),
        false => None,
    };
    r.end()?;
    Ok(Change { seq, time, kind, number, follows, header, payload_version, undo, new_events, link })
}

/// What stands at the beginning of an entry: enough to leave most of those that a filter is not about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) kind: ChangeKind,
    pub(crate) id: Text,
    pub(crate) job: Text,
    /// The code of the state after the change.
    pub(crate) state: u8,
}

impl Glimpse {
    fn of(mut r: Reader<'_>) -> Result<Self, Reason> {
        let kind = kind_of(r.byte()?)?;
        r.time()?;
        // The execution, the entry before, the payload's version, the events; and which parts the header has.
        for _ in 0..5 {
            r.number()?;
        }
        Ok(Self { kind, id: r.id()?, job: r.id()?, state: r.byte()? })
    }
}

/// Decodes an entry if it is wanted by what stands at its beginning.
pub(crate) fn decode_change_if(
    key: &[u8; 8],
    value: &[u8],
    lifecycle: &Lifecycle,
    keep: Option<&dyn Fn(&Glimpse) -> bool>,
) -> Result<Option<Change>, Reason> {
    let r = open::<table::Changes>(key, value)?;
    if let Some(keep) = keep
        && !keep(&Glimpse::of(Reader::new(r.ahead()))?)
    {
        return Ok(None);
    }
    decode_body(key, r, lifecycle).map(Some)
}

/// What an entry is about, and no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Follows {
    /// The execution.
    pub(crate) number: RowId,
    /// The entry before it for the same execution; 0 if there was none.
    pub(crate) follows: u64,
    pub(crate) is_deleted: bool,
}

/// Decodes that.
pub(crate) fn decode_follows(key: &[u8; 8], value: &[u8]) -> Result<Follows, Reason> {
    let mut r = open::<table::Changes>(key, value)?;
    let is_deleted = r.byte()? & !LINKED == 4;
    r.fixed()?;
    Ok(Follows { number: RowId(r.number()?), follows: r.number()?, is_deleted })
}

fn encode_undo(undo: &Undo, w: &mut Writer<'_>) {
    let Undo {
        name,
        node_id,
        state,
        message,
        desired,
        parent,
        previous,
        labels,
        revision,
        modified_at,
        completed_at,
        event_count,
        payload_version,
        preview,
        attempt,
        reported_at,
        not_before,
    } = undo;
    let mut parts = 0;
    for (part, differs) in [
        (NAME, name.is_some()),
        (NODE, node_id.is_some()),
        (STATE, state.is_some()),
        (MESSAGE, message.is_some()),
        (DESIRED, desired.is_some()),
        (PARENT, parent.is_some()),
        (PREVIOUS, previous.is_some()),
        (LABELS, labels.is_some()),
        (REVISION, revision.is_some()),
        (MODIFIED, modified_at.is_some()),
        (COMPLETED, completed_at.is_some()),
        (EVENTS, event_count.is_some()),
        (PAYLOAD, payload_version.is_some()),
        (PREVIEW, preview.is_some()),
        (ATTEMPT, attempt.is_some()),
        (REPORTED, reported_at.is_some()),
        (NOT_BEFORE, not_before.is_some()),
    ] {
        parts |= if differs { part } else { 0 };
    }
    w.number(parts);
    let text = |old: &Option<Option<Text>>, w: &mut Writer<'_>| {
        if let Some(old) = old {
            optional(old.as_deref(), w);
        }
    };
    let link = |old: &Option<Option<ExecutionId>>, w: &mut Writer<'_>| {
        if let Some(old) = old {
            optional(old.as_ref().map(ExecutionId::as_str), w);
        }
    };
    text(name, w);
    text(node_id, w);
    if let Some(old) = state {
        w.byte(old.code());
    }
    text(message, w);
    if let Some(old) = desired {
        w.byte(desired_code(*old));
    }
    link(parent, w);
    link(previous, w);
    if let Some(old) = labels {
        encode_labels(old, w);
    }
    if let Some(old) = revision {
        w.number(old.0);
    }
    if let Some(old) = modified_at {
        w.time(*old);
    }
    let time = |old: Option<Option<Timestamp>>, w: &mut Writer<'_>| {
        if let Some(old) = old {
            w.byte(u8::from(old.is_some()));
            // The place of a time that there is none of has the same length.
            w.time(old.unwrap_or(Timestamp::from_nanos(0)));
        }
    };
    time(*completed_at, w);
    event_count.iter().for_each(|old| w.number(*old));
    payload_version.iter().for_each(|old| w.number(old.0));
    text(preview, w);
    attempt.iter().for_each(|old| w.number(*old));
    time(*reported_at, w);
    time(*not_before, w);
}

fn decode_undo(r: &mut Reader<'_>, lifecycle: &Lifecycle) -> Result<Box<Undo>, Reason> {
    let parts = r.number()?;
    if parts & !KNOWN != 0 {
        return Err(format!("the entry has unknown parts ({parts:#x})"));
    }
    let has = |part: u64| parts & part != 0;
    let mut undo = Box::<Undo>::default();
    if has(NAME) {
        undo.name = Some(decode_optional(r)?);
    }
    if has(NODE) {
        undo.node_id = Some(decode_optional(r)?);
    }
    if has(STATE) {
        undo.state = Some(state(r.byte()?, lifecycle)?);
    }
    if has(MESSAGE) {
        undo.message = Some(decode_optional(r)?);
    }
    if has(DESIRED) {
        undo.desired = Some(desired(r.byte()?)?);
    }
    if has(PARENT) {
        undo.parent = Some(decode_optional(r)?.map(ExecutionId::from_stored));
    }
    if has(PREVIOUS) {
        undo.previous = Some(decode_optional(r)?.map(ExecutionId::from_stored));
    }
    if has(LABELS) {
        undo.labels = Some(decode_labels(r)?);
    }
    if has(REVISION) {
        undo.revision = Some(Revision(r.number()?));
    }
    if has(MODIFIED) {
        undo.modified_at = Some(r.time()?);
    }
    if has(COMPLETED) {
        undo.completed_at = Some(decode_time(r)?);
    }
    if has(EVENTS) {
        undo.event_count = Some(r.number()?);
    }
    if has(PAYLOAD) {
        undo.payload_version = Some(PayloadVersion(r.number()?));
    }
    if has(PREVIEW) {
        undo.preview = Some(decode_optional(r)?);
    }
    if has(ATTEMPT) {
        undo.attempt = Some(r.number()?);
    }
    if has(REPORTED) {
        undo.reported_at = Some(decode_time(r)?);
    }
    if has(NOT_BEFORE) {
        undo.not_before = Some(decode_time(r)?);
    }
    Ok(undo)
}

fn optional(text: Option<&str>, w: &mut Writer<'_>) {
    w.byte(u8::from(text.is_some()));
    if let Some(text) = text {
        w.id(text);
    }
}

fn decode_time(r: &mut Reader<'_>) -> Result<Option<Timestamp>, Reason> {
    let is_set = r.byte()? != 0;
    let time = r.time()?;
    Ok(is_set.then_some(time))
}

fn decode_optional(r: &mut Reader<'_>) -> Result<Option<Text>, Reason> {
    match r.byte()? {
        0 => Ok(None),
        _ => r.id().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::execution::tests::full;
    use crate::model::execution::{DesiredState, Header, NewExecution};

    #[test]
    fn changes_come_back() {
        let lifecycle = Lifecycle::compute_node();
        let bare = NewExecution::new("j").state("Running").build(&lifecycle, 10, Timestamp::from_nanos(9));
        let mut before = bare.unwrap().into_header();
        before.desired = DesiredState::Stopped;
        before.completed_at = Some(Timestamp::from_nanos(3));
        before.revision = Revision(7);
        for (before, after) in [(&before, &full()), (&full(), &before), (&before, &before)] {
            let mut undo = Undo::between(before, after);
            undo.payload_version = undo.name.is_some().then_some(PayloadVersion(2));
            let mut change = Change {
                seq: ChangeSeq(8),
                time: Timestamp::from_nanos(5),
                kind: ChangeKind::Updated,
                number: RowId(300),
                follows: 7,
                header: Box::new(Header { incarnation: 300.into(), ..after.clone() }),
                payload_version: PayloadVersion(3),
                undo: Box::new(undo),
                new_events: 0,
                link: None,
            };
            for kind in
                [ChangeKind::Created, ChangeKind::Updated, ChangeKind::EventsAppended, ChangeKind::Deleted]
            {
                change.kind = kind;
                for link in [None, Some(Link { previous: [7; 32], content: [9; 32] })] {
                    change.link = link;
                    let mut out = Vec::new();
                    let key = 8u64.to_be_bytes();
                    let header = EncodedHeader::of(&change.header);
                    encode_change(&key, (&change.entry(), &header, link.as_ref()), &mut out);
                    assert_eq!(decode_change(&key, &out, &lifecycle).unwrap(), change);
                    let is_deleted = kind == ChangeKind::Deleted;
                    let follows = Follows { number: RowId(300), follows: 7, is_deleted };
                    assert_eq!(decode_follows(&key, &out), Ok(follows));
                }
            }
        }
    }
}
