//! What lies beside the executions that a query finds: the size of their attachments, their visits.

use super::{Rows, finished, limited};
use crate::model::attachments::AttachmentUsage;
use crate::model::error::ReadError;
use crate::model::execution::Header;
use crate::model::query::Query;
use crate::model::time::Timestamp;
use crate::read::View;

/// What the attachments take of all executions that a query finds.
pub(crate) fn usage<V: View + ?Sized>(view: &V, query: &Query) -> Result<AttachmentUsage, ReadError> {
    let mut usage = AttachmentUsage::default();
    for row in limited(view, query, false)? {
        let number = row.found?.number;
        for attachment in view.tables().attachment_rows(number, "")? {
            usage.add(&attachment?.0);
        }
    }
    Ok(usage)
}

pub(crate) fn unvisited<'r, V: View + ?Sized>(
    view: &'r V,
    query: Query,
    since: Timestamp,
) -> Result<Rows<'r, Header>, ReadError> {
    finished(view, query, false, move |found| match view.tables().visits(found.number) {
        Ok(visits) => {
            let last = visits.map_or(found.header.created_at, |visits| visits.last);
            (last < since).then_some(Ok(*found.header))
        }
        Err(error) => Some(Err(error)),
    })
}
