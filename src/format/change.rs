//! The encoding of change log entries: the header after the change, and what was different before.

use super::execution::{EncodedHeader, decode_header};
use super::schema::table;
use super::undo::{decode_undo, encode_undo};
use super::{Reader, Reason, Writer, encode, number_of, open};
use crate::model::buckets::check_row;
use crate::model::change::{About, Change, ChangeKind, OfBucket, OfExecution, RowChange};
use crate::model::entry::{BucketEntry, ExecutionEntry};
use crate::model::hash::Link;
use crate::model::id::ChangeSeq;
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;

/// In the byte of the kind: the hashes of a tamper-evident store are at the end.
const LINKED: u8 = 0x80;

fn code(kind: ChangeKind, link: Option<&Link>) -> u8 {
    let code = match kind {
        ChangeKind::Created => 1,
        ChangeKind::Updated => 2,
        ChangeKind::EventsAppended => 3,
        ChangeKind::Deleted => 4,
        ChangeKind::RowPut => 5,
        ChangeKind::RowDeleted => 6,
        ChangeKind::BucketDeleted => 7,
    };
    if link.is_some() { code | LINKED } else { code }
}

/// Encodes an entry of the change log about an execution.
pub(crate) fn encode_change(
    key: &[u8; 8],
    (change, header, link): (&ExecutionEntry<'_>, &EncodedHeader, Option<&Link>),
    out: &mut Vec<u8>,
) {
    encode::<table::Changes>(key, out, |w| {
        w.byte(code(change.kind, link));
        w.time(change.time);
        w.number(change.number.0);
        w.number(change.follows);
        w.number(change.payload_version.0);
        w.number(change.new_events);
        header.write(w);
        encode_undo(change.undo, w);
        write_link(link, w);
    });
}

/// Encodes an entry of the change log about a bucket.
pub(crate) fn encode_bucket_change(
    key: &[u8; 8],
    (change, link): (&BucketEntry<'_>, Option<&Link>),
    out: &mut Vec<u8>,
) {
    encode::<table::Changes>(key, out, |w| {
        w.byte(code(change.kind(), link));
        w.time(change.time);
        w.byte(u8::from(change.not_before.is_some()));
        if let Some(time) = change.not_before {
            w.time(time);
        }
        w.number(change.path.len() as u64);
        change.path.iter().for_each(|name| w.text(name));
        if let Some(row) = &change.row {
            w.bytes(row.key);
            w.byte(u8::from(row.was_there));
            if let Some(value) = row.value {
                w.bytes(value);
            }
        }
        write_link(link, w);
    });
}

fn write_link(link: Option<&Link>, w: &mut Writer<'_>) {
    if let Some(link) = link {
        w.rest(&link.previous);
        w.rest(&link.content);
    }
}

fn kind_of(byte: u8) -> Result<ChangeKind, Reason> {
    match byte & !LINKED {
        1 => Ok(ChangeKind::Created),
        2 => Ok(ChangeKind::Updated),
        3 => Ok(ChangeKind::EventsAppended),
        4 => Ok(ChangeKind::Deleted),
        5 => Ok(ChangeKind::RowPut),
        6 => Ok(ChangeKind::RowDeleted),
        7 => Ok(ChangeKind::BucketDeleted),
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
    let about = match kind {
        ChangeKind::RowPut | ChangeKind::RowDeleted | ChangeKind::BucketDeleted => {
            About::Bucket(of_bucket(&mut r, kind)?)
        }
        _ => About::Execution(of_execution(&mut r, seq, lifecycle)?),
    };
    let link = match is_linked {
        true => Some(Link { previous: r.hash()?, content: r.hash()? }),
        false => None,
    };
    r.end()?;
    Ok(Change { seq, time, kind, about, link })
}

fn of_execution(r: &mut Reader<'_>, seq: ChangeSeq, lifecycle: &Lifecycle) -> Result<OfExecution, Reason> {
    let (number, follows) = (RowId(r.number()?), r.number()?);
    let (payload_version, new_events) = (PayloadVersion(r.number()?), r.number()?);
    if follows >= seq.0 {
        return Err("the entry follows one that is not before it".into());
    }
    let header = decode_header(r, number, lifecycle)?;
    if new_events > header.event_count {
        return Err("the entry has more events than its execution".into());
    }
    let undo = decode_undo(r, lifecycle)?;
    Ok(OfExecution { number, follows, header, payload_version, undo, new_events })
}

fn flag(r: &mut Reader<'_>) -> Result<bool, Reason> {
    match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("{other} is neither yes nor no")),
    }
}

fn of_bucket(r: &mut Reader<'_>, kind: ChangeKind) -> Result<OfBucket, Reason> {
    let not_before = if flag(r)? { Some(r.time()?) } else { None };
    let path = path_of(r)?;
    if kind == ChangeKind::BucketDeleted {
        return Ok(OfBucket { path, row: None, not_before });
    }
    let (key, was_there) = (r.bytes()?.to_vec(), flag(r)?);
    let value = if kind == ChangeKind::RowPut { Some(r.bytes()?.to_vec()) } else { None };
    check_row(&key, value.as_deref()).map_err(|error| error.to_string())?;
    Ok(OfBucket { path, row: Some(RowChange { key, value, was_there }), not_before })
}

fn path_of(r: &mut Reader<'_>) -> Result<Vec<Text>, Reason> {
    let mut path = Vec::new();
    for _ in 0..r.number()? {
        path.push(Text::from(r.text()?));
    }
    if path.is_empty() { Err("the entry names no bucket".into()) } else { Ok(path) }
}

/// What stands at the beginning of an entry: enough to leave most of those that a filter is not about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) kind: ChangeKind,
    pub(crate) about: Glimpsed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glimpsed {
    /// The code of the state is that after the change.
    Execution { id: Text, job: Text, state: u8 },
    /// By the names on the way to it.
    Bucket(Vec<Text>),
}

impl Glimpse {
    fn of(mut r: Reader<'_>) -> Result<Self, Reason> {
        let kind = kind_of(r.byte()?)?;
        r.time()?;
        if matches!(kind, ChangeKind::RowPut | ChangeKind::RowDeleted | ChangeKind::BucketDeleted) {
            if flag(&mut r)? {
                r.time()?;
            }
            return Ok(Self { kind, about: Glimpsed::Bucket(path_of(&mut r)?) });
        }
        // The execution, the entry before, the payload's version, the events; and which parts the header has.
        for _ in 0..5 {
            r.number()?;
        }
        let about = Glimpsed::Execution { id: r.id()?, job: r.id()?, state: r.byte()? };
        Ok(Self { kind, about })
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

/// Decodes that; `None` if it is about no execution.
pub(crate) fn decode_follows(key: &[u8; 8], value: &[u8]) -> Result<Option<Follows>, Reason> {
    let mut r = open::<table::Changes>(key, value)?;
    let kind = r.byte()? & !LINKED;
    if kind > 4 {
        return Ok(None);
    }
    r.fixed()?;
    Ok(Some(Follows { number: RowId(r.number()?), follows: r.number()?, is_deleted: kind == 4 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::execution::tests::full;
    use crate::model::entry::Entry;
    use crate::model::execution::{DesiredState, Header, NewExecution};
    use crate::model::id::Revision;
    use crate::model::time::Timestamp;
    use crate::model::undo::Undo;

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
                about: About::Execution(OfExecution {
                    number: RowId(300),
                    follows: 7,
                    header: Box::new(Header { incarnation: 300.into(), ..after.clone() }),
                    payload_version: PayloadVersion(3),
                    undo: Box::new(undo),
                    new_events: 0,
                }),
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
                    let header = EncodedHeader::of(change.header().unwrap());
                    let Entry::Execution(entry) = change.entry() else { unreachable!() };
                    encode_change(&key, (&entry, &header, link.as_ref()), &mut out);
                    assert_eq!(decode_change(&key, &out, &lifecycle).unwrap(), change);
                    let is_deleted = kind == ChangeKind::Deleted;
                    let follows = Follows { number: RowId(300), follows: 7, is_deleted };
                    assert_eq!(decode_follows(&key, &out), Ok(Some(follows)));
                }
            }
        }
    }

    #[test]
    fn changes_of_rows_come_back() {
        let lifecycle = Lifecycle::compute_node();
        let row = |value: Option<&[u8]>, was_there| RowChange {
            key: b"\x00k\xff".to_vec(),
            value: value.map(<[u8]>::to_vec),
            was_there,
        };
        for (kind, row) in [
            (ChangeKind::RowPut, Some(row(Some(b""), false))),
            (ChangeKind::RowPut, Some(row(Some(&[7; 300]), true))),
            (ChangeKind::RowDeleted, Some(row(None, true))),
            (ChangeKind::BucketDeleted, None),
        ] {
            for link in [None, Some(Link { previous: [7; 32], content: [9; 32] })] {
                for not_before in [None, Some(Timestamp::from_nanos(-3))] {
                    let path = vec!["outer".into(), "\u{3a9}".into()];
                    let about = About::Bucket(OfBucket { path: path.clone(), row: row.clone(), not_before });
                    let time = Timestamp::from_nanos(5);
                    let change = Change { seq: ChangeSeq(8), time, kind, about, link };
                    let Entry::Bucket(entry) = change.entry() else { unreachable!() };
                    let (key, mut out) = (8u64.to_be_bytes(), Vec::new());
                    encode_bucket_change(&key, (&entry, link.as_ref()), &mut out);
                    assert_eq!(decode_change(&key, &out, &lifecycle).unwrap(), change);
                    assert_eq!(decode_follows(&key, &out), Ok(None));
                    let seen = Glimpse { kind, about: Glimpsed::Bucket(path.clone()) };
                    let keep = |glimpse: &Glimpse| *glimpse != seen;
                    assert_eq!(decode_change_if(&key, &out, &lifecycle, Some(&keep)), Ok(None));
                }
            }
        }
    }
}
