//! The encoding of change log entries: the header after the change, and what was different before.

use super::execution::{EncodedHeader, decode_header};
use super::schema::table;
use super::undo::{decode_undo, encode_undo};
use super::{Reader, Reason, encode, number_of, open};
use crate::model::change::{Change, ChangeKind, Entry};
use crate::model::hash::Link;
use crate::model::id::ChangeSeq;
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::execution::tests::full;
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
