//! The candidates of a query, in the order of creation or of completion.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::time_blocks::blocks;
use super::way::Way;
use super::{Answer, Row, Steps};
use crate::format::schema::Tag;
use crate::format::{LinkKind, TimeKind, job_prefix, label_prefix};
use crate::model::error::ReadError;
use crate::model::execution::Header;
use crate::model::query::{Access, Place, Query};
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::read::View;
use crate::read::sequence::Merged;
use crate::storage::{Pick, damaged};

pub(super) type Numbers<'r> = Box<dyn Iterator<Item = Result<u64, ReadError>> + 'r>;

/// The numbers after a query's cursor.
fn after(query: &Query) -> RangeInclusive<u64> {
    match (&query.after, query.newest_first) {
        (None, _) => 0..=u64::MAX,
        (Some(cursor), true) => match cursor.place.number.checked_sub(1) {
            Some(last) => 0..=last,
            None => nothing(),
        },
        (Some(cursor), false) => match cursor.place.number.checked_add(1) {
            Some(first) => first..=u64::MAX,
            None => nothing(),
        },
    }
}

#[allow(clippy::reversed_empty_ranges, reason = "no number lies in it")]
fn nothing() -> RangeInclusive<u64> {
    1..=0
}

/// The numbers that a way gives, in the query's direction.
pub(super) fn numbers<'r, V: View + ?Sized>(
    view: &'r V,
    query: &Query,
    way: &Way,
    range: RangeInclusive<u64>,
) -> Result<Numbers<'r>, ReadError> {
    if range.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    let tables = view.tables();
    let text = |text: &Option<Text>| text.clone().unwrap_or_default();
    let one = |tag, prefix: &[u8]| -> Result<Numbers<'r>, ReadError> {
        Ok(directed(tables.index_rows(tag, prefix, &range)?, query.newest_first))
    };
    let linked = |kind, id: &str| -> Result<Numbers<'r>, ReadError> {
        let rows = tables.linked_to(kind, id, tables.number(id)?, &range)?;
        Ok(directed(rows, query.newest_first))
    };
    match way.plan.access {
        Access::Job => one(Tag::Jobs, &job_prefix(&text(&query.job))),
        Access::Parent => linked(LinkKind::Parent, &text(&query.parent)),
        Access::Previous => linked(LinkKind::Previous, &text(&query.previous)),
        Access::Label => {
            let key = way.plan.label.as_deref().unwrap_or_default();
            let mut lists = Vec::new();
            for list in &way.lists {
                let prefix = label_prefix(key, &list.value, list.group);
                lists.push(tables.index_rows(Tag::Labels, &prefix, &range)?);
            }
            Ok(merged(lists, query.newest_first))
        }
        Access::Id => {
            let mut found = Vec::new();
            for number in tables.id_rows(&text(&query.id_prefix))? {
                match number {
                    Ok(number) if !range.contains(&number) => {}
                    Err(ReadError::Storage(error)) => return Err(error.into()),
                    number => found.push(number),
                }
            }
            // Damaged rows first, the numbers in order.
            found.sort_unstable_by_key(|number| number.as_ref().ok().copied());
            if query.newest_first {
                found.reverse();
            }
            Ok(Box::new(found.into_iter()))
        }
        _ => {
            let codes = query.state_codes(&view.settings().lifecycle);
            let lists = codes.iter().map(|code| tables.state_rows(*code, &range));
            Ok(merged(lists.collect::<Result<Vec<_>, _>>()?, query.newest_first))
        }
    }
}

fn directed<'r>(
    rows: impl DoubleEndedIterator<Item = Result<u64, ReadError>> + 'r,
    newest_first: bool,
) -> Numbers<'r> {
    if newest_first { Box::new(rows.rev()) } else { Box::new(rows) }
}

fn merged<'r>(
    mut lists: Vec<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + 'r>,
    newest_first: bool,
) -> Numbers<'r> {
    match (lists.len(), lists.pop()) {
        (1, Some(only)) => directed(only, newest_first),
        (_, last) => directed(Merged::new(lists.into_iter().chain(last).collect()), newest_first),
    }
}

/// The matches among a way's candidates, in the order of creation.
pub(super) fn candidates<'r, V: View + ?Sized>(
    view: &'r V,
    query: Arc<Query>,
    way: &Way,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    let range = after(&query);
    if way.plan.access == Access::Scan {
        return scan(view, query, range, payload);
    }
    let tag = match way.plan.access {
        Access::Job => Tag::Jobs,
        Access::Parent | Access::Previous => Tag::Links,
        Access::Label => Tag::Labels,
        Access::Id => Tag::Ids,
        _ => Tag::States,
    };
    let numbers = numbers(view, &query, way, range)?;
    Ok(Box::new(numbers.filter_map(move |number| match number {
        Ok(number) => picked(view, &query, number, tag, payload, Place { time: 0, number }),
        Err(error) => Some(Row::error(error)),
    })))
}

/// The execution that a row of an index names, if the query wants it.
fn picked<V: View + ?Sized>(
    view: &V,
    query: &Query,
    number: u64,
    index: Tag,
    payload: bool,
    place: Place,
) -> Option<Row> {
    let pick = Pick { keep: &|header| query.matches(header), payload };
    let found = match view.tables().execution_if(number, &view.settings().lifecycle, pick) {
        Ok(Some(found)) => Ok(found?),
        Ok(None) => Err(damaged(index, &number.to_be_bytes(), "the execution of the row is missing").into()),
        Err(error) => Err(error),
    };
    Some(Row { place: Some(place), found })
}

/// Every execution, but those in blocks that cannot hold the times that are asked for.
fn scan<'r, V: View + ?Sized>(
    view: &'r V,
    query: Arc<Query>,
    range: RangeInclusive<u64>,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    let mut ranges = blocks(view, TimeKind::Executions, query.created, range)?;
    if query.newest_first {
        ranges.reverse();
    }
    Ok(Box::new(ranges.into_iter().flat_map(move |range| -> Answer<'r> {
        let (keep, newest_first) = (query.clone(), query.newest_first);
        let keep = move |header: &Header| keep.matches(header);
        let rows = match view.tables().execution_rows_if(range, &view.settings().lifecycle, keep, payload) {
            Ok(rows) => rows,
            Err(error) => return Box::new(std::iter::once(Row::error(error))),
        };
        let row = |(number, found): (Option<u64>, Result<_, ReadError>)| {
            let place = number.map(|number| Place { time: 0, number });
            found.transpose().map(|found| Row { place, found })
        };
        if newest_first { Box::new(rows.rev().filter_map(row)) } else { Box::new(rows.filter_map(row)) }
    })))
}

/// The matches in the order of completion.
pub(super) fn completed<'r, V: View + ?Sized>(
    view: &'r V,
    query: Arc<Query>,
    payload: bool,
) -> Result<Steps<'r>, ReadError> {
    let (least, greatest) =
        query.completed.unwrap_or((Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX)));
    let (mut start, mut end) = ((least, 0), (greatest, u64::MAX));
    if let Some(cursor) = &query.after {
        let Place { time, number } = cursor.place;
        let time = Timestamp::from_nanos(time);
        // Numbers begin at 1, so there is one before and one after each.
        match query.newest_first {
            true => end = end.min((time, number.saturating_sub(1))),
            false => start = start.max((time, number.saturating_add(1))),
        }
    }
    if start > end {
        return Ok(Box::new(std::iter::empty()));
    }
    let newest_first = query.newest_first;
    let rows = view.tables().completion_rows(start..=end)?;
    let row = move |row: Result<(Timestamp, u64), ReadError>| match row {
        Ok((at, number)) => {
            let place = Place { time: at.as_nanos(), number };
            picked(view, &query, number, Tag::Completions, payload, place)
        }
        Err(error) => Some(Row::error(error)),
    };
    Ok(if newest_first { Box::new(rows.rev().map(row)) } else { Box::new(rows.map(row)) })
}
