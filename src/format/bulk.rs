//! The encoding of how far a named bulk operation is.

use super::{Reader, Reason, Writer, check_frame, finish_frame};

/// What a bulk operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkKind {
    Update,
    Delete,
}

/// How far a bulk operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BulkPlace {
    /// The last execution that it looked at.
    pub(crate) after: u64,
    /// The last execution that there was when it began.
    pub(crate) end: u64,
    pub(crate) what: BulkKind,
    /// The fingerprint of its query and of its change.
    pub(crate) asked: u64,
    /// How many executions it has changed, and how many it left because they refused.
    pub(crate) done: u64,
    pub(crate) refused: u64,
}

/// Encodes a row of the table `bulk_progress`.
pub(crate) fn encode_bulk(table: u8, key: &[u8], place: &BulkPlace, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    w.number(place.after);
    w.number(place.end);
    w.byte(match place.what {
        BulkKind::Update => 1,
        BulkKind::Delete => 2,
    });
    w.fixed(place.asked);
    w.number(place.done);
    w.number(place.refused);
    finish_frame(table, key, out);
}

/// Decodes a row of the table `bulk_progress`.
pub(crate) fn decode_bulk(table: u8, key: &[u8], value: &[u8]) -> Result<BulkPlace, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let (after, end) = (r.number()?, r.number()?);
    let what = match r.byte()? {
        1 => BulkKind::Update,
        2 => BulkKind::Delete,
        other => return Err(format!("there is no bulk operation {other}")),
    };
    let asked = r.fixed()?;
    let (done, refused) = (r.number()?, r.number()?);
    r.end()?;
    Ok(BulkPlace { after, end, what, asked, done, refused })
}
