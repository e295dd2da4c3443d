//! The encoding of how often an execution was visited.

use super::schema::table;
use super::{Reader, Reason, Row, Writer};
use crate::model::visits::Visits;

impl Row for table::Visits {
    type New<'a> = Visits;
    type Value<'v> = Visits;

    fn write(visits: Visits, w: &mut Writer<'_>) {
        w.number(visits.count);
        w.time(visits.last);
    }

    fn read(_: &[u8; 8], r: &mut Reader<'_>) -> Result<Visits, Reason> {
        Ok(Visits { count: r.number()?, last: r.time()? })
    }
}
