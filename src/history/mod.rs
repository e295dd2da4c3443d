//! Answering queries: a plan, candidates in the order that is asked for, pages of them, and counts.

mod candidates;
mod export;
mod groups;
mod lineage;
mod log;
mod modified;
mod plan;
mod selection;
mod side_data;
mod sorted;
mod statistics;
mod time_blocks;
mod tried;
mod way;

use std::sync::Arc;

use crate::format::LinkKind;
use crate::model::error::{InputError, ReadError};
use crate::model::execution::{Execution, Header};
use crate::model::limits::{MAX_PAGE, check_size};
use crate::model::query::{Access, Cursor, OrderBy, Page, Place, Query, QueryPlan};
use crate::read::{View, load};
use crate::storage::Found;

pub use groups::Groups;
pub use lineage::{Lineage, Trace, Tree};
pub use log::Log;
pub use selection::Selection;
pub use statistics::{Durations, Group, TableSize};

use export::export;
pub(crate) use groups::By;
use side_data::{unvisited, usage};
use statistics::durations;
pub(crate) use statistics::table_sizes;

/// How many executions a page has that names no limit.
const PAGE: usize = 100;

/// A lazy list of what a query finds, in its order.
///
/// A damaged row is an error in its own place and does not end the list; a storage error ends it.
pub struct Rows<'r, T>(Box<dyn Iterator<Item = Result<T, ReadError>> + 'r>);

impl<'r, T> Rows<'r, T> {
    pub(crate) fn new(rows: impl Iterator<Item = Result<T, ReadError>> + 'r) -> Self {
        Self(Box::new(rows))
    }
}

impl<T> Iterator for Rows<'_, T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<T> std::fmt::Debug for Rows<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

/// One row of an answer, and its place in the order as far as that is known.
pub(crate) struct Row {
    pub(crate) place: Option<Place>,
    pub(crate) found: Result<Found, ReadError>,
}

impl Row {
    fn error(error: impl Into<ReadError>) -> Self {
        Self { place: None, found: Err(error.into()) }
    }
}

type Answer<'r> = Box<dyn Iterator<Item = Row> + 'r>;

/// The steps of a walk; `None` for what was looked at and left out.
type Steps<'r> = Box<dyn Iterator<Item = Option<Row>> + 'r>;

/// The place of an execution in an order; `None` if it is not in it.
fn place_of(order: OrderBy, found: &Found) -> Option<Place> {
    match order {
        OrderBy::Created => Some(Place { time: 0, number: found.number }),
        OrderBy::Modified => Some(Place { time: 0, number: found.last_change }),
        OrderBy::Completed => {
            found.header.completed_at.map(|at| Place { time: at.as_nanos(), number: found.number })
        }
    }
}

/// What a query finds, in its order, from its cursor on. Its limit is not applied.
pub(crate) fn rows<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    query.check(&view.settings().lifecycle)?;
    if let Some(cursor) = &query.after {
        if cursor.store != view.settings().incarnation {
            let reason = "it is of another store, or of this one before an older copy was put back";
            return Err(ReadError::InvalidCursor { reason });
        }
        if (cursor.order, cursor.newest_first) != (query.order, query.newest_first) {
            return Err(ReadError::InvalidCursor { reason: "it is of another order" });
        }
        if cursor.query != query.fingerprint() {
            return Err(ReadError::InvalidCursor { reason: "it is of another query" });
        }
    }
    let way = plan::plan(view, query)?;
    let query = Arc::new(query.clone());
    let access = way.plan.access;
    // What a walk comes upon, no index has found.
    let by = (!way.plan.walks).then_some(access);
    let mut rows: Answer<'r> = match access {
        _ if way.plan.walks => Box::new(tried::Tried::new(view, query.clone(), way, payload)?),
        _ if way.plan.sorts => Box::new(sorted::Sorted::new(view, query.clone(), way, payload)),
        Access::Modified | Access::Completed => Box::new(steps(view, query.clone(), payload)?.flatten()),
        _ => candidates::candidates(view, query.clone(), &way, payload)?,
    };
    for (kind, id, by_it) in [
        (LinkKind::Parent, &query.parent, Access::Parent),
        (LinkKind::Previous, &query.previous, Access::Previous),
    ] {
        if let Some(id) = id.clone().filter(|_| by != Some(by_it))
            && let Some(target) = view.tables().number(&id)?
        {
            rows = Box::new(rows.filter_map(move |row| led(view, kind, &id, target, row)));
        }
    }
    Ok(rows)
}

/// The order that a query asks for, from its cursor on.
fn steps<'r, V: View + ?Sized>(
    view: &'r V,
    query: Arc<Query>,
    payload: bool,
) -> Result<Steps<'r>, ReadError> {
    match query.order {
        OrderBy::Modified => modified::walk(view, query, payload),
        _ => candidates::completed(view, query, payload),
    }
}

/// The row, if the link of its execution leads to the one of the number, and not to another that has had the id.
fn led<V: View + ?Sized>(view: &V, kind: LinkKind, id: &str, target: u64, row: Row) -> Option<Row> {
    let Ok(found) = &row.found else { return Some(row) };
    match view.tables().link(kind, id, found.number) {
        Ok(to) => (to.target == target).then_some(row),
        Err(error) => Some(Row { place: row.place, found: Err(error) }),
    }
}

fn finished<'r, V: View + ?Sized, T: 'r>(
    view: &'r V,
    query: &Query,
    payload: bool,
    finish: fn(&V, Found) -> Result<T, ReadError>,
) -> Result<Rows<'r, T>, ReadError> {
    let limit = query.limit.unwrap_or(usize::MAX);
    let rows = rows(view, query, payload)?.take(limit);
    let mut ended = false;
    Ok(Rows(Box::new(rows.map_while(move |row| {
        if ended {
            return None;
        }
        let item = row.found.and_then(|found| finish(view, found));
        ended = matches!(item, Err(ReadError::Storage(_)));
        Some(item)
    }))))
}

/// The rows of a query's answer, up to its limit, without payloads.
pub(crate) fn limited<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
) -> Result<impl Iterator<Item = Row> + use<'r, V>, ReadError> {
    Ok(rows(view, query, false)?.take(query.limit.unwrap_or(usize::MAX)))
}

/// The same with the payloads that lie in the records.
fn limited_whole<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
) -> Result<impl Iterator<Item = Row> + use<'r, V>, ReadError> {
    Ok(rows(view, query, true)?.take(query.limit.unwrap_or(usize::MAX)))
}

fn summary<V: View + ?Sized>(_: &V, found: Found) -> Result<Header, ReadError> {
    Ok(*found.header)
}

pub(crate) fn executions<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
) -> Result<Rows<'r, Execution>, ReadError> {
    finished(view, query, true, load)
}

pub(crate) fn summaries<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
) -> Result<Rows<'r, Header>, ReadError> {
    finished(view, query, false, summary)
}

pub(crate) fn page<V: View + ?Sized>(view: &V, query: &Query) -> Result<Page<Execution>, ReadError> {
    read_page(view, query, true, load)
}

pub(crate) fn summary_page<V: View + ?Sized>(view: &V, query: &Query) -> Result<Page<Header>, ReadError> {
    read_page(view, query, false, summary)
}

fn read_page<V: View + ?Sized, T>(
    view: &V,
    query: &Query,
    payload: bool,
    finish: fn(&V, Found) -> Result<T, ReadError>,
) -> Result<Page<T>, ReadError> {
    query.check(&view.settings().lifecycle)?;
    let limit = query.limit.unwrap_or(PAGE);
    check_size("page limit", limit, MAX_PAGE)?;
    let mut page = Page { executions: Vec::new(), damaged: Vec::new(), next: None };
    let mut last = None;
    // One row more than asked for tells whether there is a next page.
    for row in rows(view, &query.clone().limit(limit.saturating_add(1)), payload)? {
        if page.executions.len() + page.damaged.len() >= limit
            && let Some(place) = last
        {
            page.next = Some(Cursor {
                store: view.settings().incarnation,
                query: query.fingerprint(),
                order: query.order,
                newest_first: query.newest_first,
                place,
            });
            return Ok(page);
        }
        last = row.place.or(last);
        match row.found.and_then(|found| finish(view, found)) {
            Ok(execution) => page.executions.push(execution),
            Err(error @ ReadError::Damaged(_)) => page.damaged.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(page)
}

/// How many executions a query finds: from the counters where they can tell, else one by one.
pub(crate) fn count<V: View + ?Sized>(view: &V, query: &Query) -> Result<u64, ReadError> {
    query.check(&view.settings().lifecycle)?;
    let bare = query.limit.is_none() && query.after.is_none() && query.using.is_none();
    let counted = if bare && query.order != OrderBy::Completed { plan::counted(view, query)? } else { None };
    if let Some(count) = counted {
        return Ok(count);
    }
    let mut query = query.clone();
    // The order does not matter for a number, unless it is of the first ones.
    if query.limit.is_none() && query.after.is_none() && query.order == OrderBy::Modified {
        query.order = OrderBy::Created;
    }
    let mut count = 0;
    for row in limited(view, &query)? {
        row.found?;
        count += 1;
    }
    Ok(count)
}

pub(crate) fn explain<V: View + ?Sized>(view: &V, query: &Query) -> Result<QueryPlan, ReadError> {
    query.check(&view.settings().lifecycle)?;
    let way = plan::plan(view, query)?;
    let filters = plan::filters(query, &way);
    Ok(QueryPlan { filters, ..way.plan })
}

/// The first of a query's answer, from the end of its order.
pub(crate) fn latest<V: View + ?Sized>(view: &V, query: &Query) -> Result<Option<Execution>, ReadError> {
    if query.after.is_some() {
        return Err(ReadError::InvalidCursor {
            reason: "the latest of all is asked for, which no cursor is before",
        });
    }
    let query = query.clone().newest_first().limit(1);
    executions(view, &query)?.next().transpose()
}

fn invalid(what: &'static str, reason: impl Into<String>) -> ReadError {
    InputError::Invalid { what, reason: reason.into() }.into()
}
