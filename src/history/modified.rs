//! The order of modification: the change log, as far as its entries are the last ones of their executions, and
//! before it the executions whose last changes were trimmed.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::spans::blocks;
use super::{Row, Rows};
use crate::codec::SpanKind;
use crate::error::ReadError;
use crate::page::Place;
use crate::query::Query;
use crate::reader::sealed::View;
use crate::tables::Pick;

type Changed<'r> = Box<dyn Iterator<Item = Result<(u64, u64), ReadError>> + 'r>;

pub(super) fn walk<'r, V: View + ?Sized>(
    view: &'r V,
    query: Arc<Query>,
    payload: bool,
) -> Result<Rows<'r>, ReadError> {
    let totals = view.totals()?;
    let (mut first, mut last) = (1, totals.head);
    if let Some(cursor) = &query.after {
        match query.newest_first {
            true => last = last.min(cursor.place.number.saturating_sub(1)),
            false => first = cursor.place.number.saturating_add(1),
        }
    }
    // Trimmed entries that are still there have no row in `settled` yet.
    let swept = view.tables().swept(totals.trimmed)?;
    let mut parts = Vec::new();
    for range in blocks(view, SpanKind::Changes, query.modified, first..=last)? {
        let (start, end) = range.into_inner();
        if start <= swept {
            parts.push((true, start..=end.min(swept)));
        }
        if end > swept {
            parts.push((false, start.max(swept + 1)..=end));
        }
    }
    let newest_first = query.newest_first;
    if newest_first {
        parts.reverse();
    }
    let changed = parts.into_iter().flat_map(move |(settled, range)| {
        part(view, settled, range, newest_first).unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
    });
    // A damaged record cannot say which of its changes is the last: it is told of once.
    let mut damaged = HashSet::new();
    Ok(Box::new(changed.filter_map(move |row| {
        let (seq, number) = match row {
            Ok(row) => row,
            Err(error) => return Some(Row::error(error)),
        };
        let pick = Pick { keep: &|header| query.matches(header), payload };
        match view.tables().execution_if(number, &view.context().lifecycle, pick) {
            Ok(found) => {
                let found = found.flatten().filter(|found| found.last_change == seq)?;
                Some(Row { place: Some(Place { time: 0, number: seq }), found: Ok(found) })
            }
            Err(error) => damaged.insert(number).then(|| Row::error(error)),
        }
    })))
}

fn part<V: View + ?Sized>(
    view: &V,
    settled: bool,
    range: RangeInclusive<u64>,
    newest_first: bool,
) -> Result<Changed<'_>, ReadError> {
    let tables = view.tables();
    Ok(match (settled, newest_first) {
        (true, true) => Box::new(tables.settled_rows(range)?.rev()),
        (true, false) => Box::new(tables.settled_rows(range)?),
        (false, true) => Box::new(tables.changed_numbers(range)?.rev()),
        (false, false) => Box::new(tables.changed_numbers(range)?),
    })
}
