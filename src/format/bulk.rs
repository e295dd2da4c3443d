//! The encoding of how far a named bulk operation is.

use super::schema::table;
use super::{Reader, Reason, Row, Writer};

/// What a bulk operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkKind {
    Update,
    Delete,
}

/// How far a bulk operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BulkProgress {
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

impl Row for table::BulkProgress {
    type New<'a> = &'a BulkProgress;
    type Value<'v> = BulkProgress;

    fn write(place: &BulkProgress, w: &mut Writer<'_>) {
        w.number(place.after);
        w.number(place.end);
        w.byte(match place.what {
            BulkKind::Update => 1,
            BulkKind::Delete => 2,
        });
        w.fixed(place.asked);
        w.number(place.done);
        w.number(place.refused);
    }

    fn read(_: &[u8], r: &mut Reader<'_>) -> Result<BulkProgress, Reason> {
        let (after, end) = (r.number()?, r.number()?);
        let what = match r.byte()? {
            1 => BulkKind::Update,
            2 => BulkKind::Delete,
            other => return Err(format!("there is no bulk operation {other}")),
        };
        let asked = r.fixed()?;
        let (done, refused) = (r.number()?, r.number()?);
        Ok(BulkProgress { after, end, what, asked, done, refused })
    }
}
