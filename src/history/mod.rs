//! Answering queries: a plan, candidates in the order that is asked for, pages of them, and counts.

mod ask;
mod candidates;
#[cfg(test)]
mod costs;
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

use std::iter::Take;
use std::rc::Rc;

use crate::format::LinkKind;
use crate::model::error::{InputError, ReadError};
use crate::model::execution::Execution;
use crate::model::limits::{MAX_PAGE, check_size};
use crate::model::query::{Cursor, OrderBy, Page, Position, Query, QueryPlan};
use crate::model::row_id::RowId;
use crate::read::{View, load};
use crate::storage::StoredExecution;
use ask::{Ask, Asked};
use way::{AccessPath, Candidates, Index, Way};

pub(crate) use groups::By;
pub use groups::Groups;
pub use lineage::{Lineage, Trace, Tree};
pub use log::Log;
pub use selection::Selection;
pub(crate) use statistics::table_sizes;
pub use statistics::{Durations, Group, TableSize};

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
    pub(crate) place: Option<Position>,
    pub(crate) found: Result<StoredExecution, ReadError>,
}

impl Row {
    fn error(error: impl Into<ReadError>) -> Self {
        Self { place: None, found: Err(error.into()) }
    }
}

type Answer<'r> = Box<dyn Iterator<Item = Row> + 'r>;

/// The steps of a walk; `None` for what was looked at and left out.
type Steps<'r> = Box<dyn Iterator<Item = Option<Row>> + 'r>;

/// What a query finds, in its order, from its cursor on. The limit is not applied.
fn answer<'r, V: View + ?Sized>(view: &'r V, ask: Ask<'r>, payload: bool) -> Result<Answer<'r>, ReadError> {
    let Way { path, rows } = plan::plan(view, &ask)?;
    let mut links = Vec::new();
    for (kind, id) in [(LinkKind::Parent, &ask.query.parent), (LinkKind::Previous, &ask.query.previous)] {
        // What a walk comes upon, no index has found.
        let is_answered = matches!(
            (kind, path.index()),
            (LinkKind::Parent, Some(Index::Parent(_))) | (LinkKind::Previous, Some(Index::Previous(_)))
        );
        if let Some(id) = id.clone().filter(|_| !is_answered)
            && let Some(target) = view.tables().number(&id)?
        {
            links.push((kind, id, target));
        }
    }
    let mut answer: Answer<'r> = match path {
        AccessPath::Direct(candidates) => candidates::matches(view, ask, Rc::new(candidates), None, payload)?,
        AccessPath::Walk => Box::new(steps(view, ask, payload)?.flatten()),
        AccessPath::Sorted(candidates) => Box::new(sorted::Sorted::new(view, ask, candidates, payload)),
        AccessPath::Tried(index) => Box::new(tried::Tried::new(view, ask, index, rows, payload)?),
    };
    for (kind, id, target) in links {
        answer = Box::new(answer.filter_map(move |row| led(view, kind, &id, target, row)));
    }
    Ok(answer)
}

/// The same for a query as a caller gave it.
pub(crate) fn rows<'r, V: View + ?Sized>(
    view: &'r V,
    query: &'r Query,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    let ask = Ask::new(view, query)?.check_cursor(view)?;
    answer(view, ask, payload)
}

/// The order that a query asks for, from its cursor on.
fn steps<'r, V: View + ?Sized>(view: &'r V, ask: Ask<'r>, payload: bool) -> Result<Steps<'r>, ReadError> {
    match ask.order {
        OrderBy::Modified => modified::walk(view, ask, payload),
        OrderBy::Completed => candidates::completed(view, ask, payload),
        OrderBy::Created => candidates::matches(view, ask, Rc::new(Candidates::Scan), None, payload)
            .map(|rows| -> Steps<'r> { Box::new(rows.map(Some)) }),
    }
}

/// The row, if the link of its execution leads to the one of the number, and not to another that has had the id.
fn led<V: View + ?Sized>(view: &V, kind: LinkKind, id: &str, target: RowId, row: Row) -> Option<Row> {
    let Ok(found) = &row.found else { return Some(row) };
    match view.tables().link(kind, id, found.number) {
        Ok(to) => (to.target == target).then_some(row),
        Err(error) => Some(Row { place: row.place, found: Err(error) }),
    }
}

/// Finishes each row of a query's answer, up to its limit. Ends after a storage error.
fn finished<'r, V: View + ?Sized, T: 'r>(
    view: &'r V,
    query: Query,
    payload: bool,
    mut finish: impl FnMut(StoredExecution) -> Option<Result<T, ReadError>> + 'r,
) -> Result<Rows<'r, T>, ReadError> {
    let mut rows = limited(view, query, payload)?;
    let mut ended = false;
    Ok(Rows::new(std::iter::from_fn(move || {
        loop {
            if ended {
                return None;
            }
            let item = match rows.next()?.found {
                Ok(found) => match finish(found) {
                    Some(item) => item,
                    None => continue,
                },
                Err(error) => Err(error),
            };
            ended = matches!(item, Err(ReadError::Storage(_)));
            return Some(item);
        }
    })))
}

/// The rows of a query's answer, up to its limit; with the payloads that lie in the records, if they are wanted.
fn limited<'r, V: View + ?Sized>(
    view: &'r V,
    query: impl Into<Asked<'r>>,
    payload: bool,
) -> Result<Take<Answer<'r>>, ReadError> {
    let ask = Ask::new(view, query)?.check_cursor(view)?;
    let most = ask.most();
    Ok(answer(view, ask, payload)?.take(most))
}

/// A page, each of its rows finished.
fn page<V: View + ?Sized, T>(
    view: &V,
    query: &Query,
    payload: bool,
    finish: fn(&V, StoredExecution) -> Result<T, ReadError>,
) -> Result<Page<T>, ReadError> {
    let mut ask = Ask::new(view, query)?;
    let limit = ask.limit.unwrap_or(PAGE);
    check_size("page limit", limit, MAX_PAGE)?;
    // One row more than asked for tells whether there is a next page.
    ask.limit = Some(limit.saturating_add(1));
    let mut page = Page { executions: Vec::new(), damaged: Vec::new(), next: None };
    let mut last = None;
    for row in answer(view, ask.check_cursor(view)?, payload)? {
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
fn count<V: View + ?Sized>(view: &V, query: &Query) -> Result<u64, ReadError> {
    let mut ask = Ask::new(view, query)?.check_cursor(view)?;
    let is_whole = ask.limit.is_none() && ask.after.is_none();
    if is_whole
        && query.using.is_none()
        && ask.order != OrderBy::Completed
        && let Some(count) = plan::counted(view, query)?
    {
        return Ok(count);
    }
    // The order does not matter for a number, unless it is of the first ones.
    if is_whole && ask.order == OrderBy::Modified {
        ask.order = OrderBy::Created;
    }
    let most = ask.most();
    answer(view, ask, false)?.take(most).try_fold(0, |count, row| row.found.map(|_| count + 1))
}

/// The first of a query's answer, from the end of its order.
fn latest<V: View + ?Sized>(view: &V, query: &Query) -> Result<Option<Execution>, ReadError> {
    if query.after.is_some() {
        let reason = "the latest of all is asked for, which no cursor is before";
        return Err(InputError::InvalidCursor { reason }.into());
    }
    let ask = Ask { newest_first: true, limit: Some(1), ..Ask::new(view, query)? };
    let first = answer(view, ask, true)?.next();
    first.map(|row| row.found.and_then(|found| load(view, found))).transpose()
}

fn explain<V: View + ?Sized>(view: &V, query: &Query) -> Result<QueryPlan, ReadError> {
    Ok(plan::plan(view, &Ask::new(view, query)?)?.plan(query))
}
