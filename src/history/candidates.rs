//! The candidates of a query, in the order of creation or of completion.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::rc::Rc;

use super::ask::Ask;
use super::time_blocks::blocks;
use super::way::{Candidates, Index};
use super::{Answer, Row, Steps};
use crate::format::schema::Tag;
use crate::format::{LinkKind, TimeKind};
use crate::model::error::ReadError;
use crate::model::query::Position;
use crate::model::row_id::RowId;
use crate::model::time::Timestamp;
use crate::read::View;
use crate::read::sequence::Merged;
use crate::storage::{Pick, Seen, damaged};

pub(super) type Numbers<'r> = Box<dyn Iterator<Item = Result<RowId, ReadError>> + 'r>;

/// The numbers after a query's cursor.
fn after(ask: &Ask<'_>) -> RangeInclusive<RowId> {
    match (ask.after, ask.newest_first) {
        (None, _) => RowId::ALL,
        (Some(place), true) => match place.key.checked_sub(1) {
            Some(last) => RowId::NONE..=RowId(last),
            None => nothing(),
        },
        (Some(place), false) => match place.key.checked_add(1) {
            Some(first) => RowId(first)..=RowId::MAX,
            None => nothing(),
        },
    }
}

fn nothing() -> RangeInclusive<RowId> {
    RowId::MAX..=RowId::NONE
}

/// The numbers that an index gives, in the direction that is asked for.
pub(super) fn numbers<'r, V: View + ?Sized>(
    view: &'r V,
    index: &Index,
    range: RangeInclusive<RowId>,
    newest_first: bool,
) -> Result<Numbers<'r>, ReadError> {
    if range.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    let tables = view.tables();
    let linked = |kind, id: &str| -> Result<Numbers<'r>, ReadError> {
        Ok(directed(tables.linked_to(kind, id, tables.number(id)?, &range)?, newest_first))
    };
    match index {
        Index::States(codes) => {
            let lists = codes.iter().map(|code| tables.state_rows(*code, &range));
            Ok(merged(lists.collect::<Result<Vec<_>, _>>()?, newest_first))
        }
        Index::Job(job) => Ok(directed(tables.job_rows(job, &range)?, newest_first)),
        Index::Label { key, lists } => {
            let lists = lists.iter().map(|list| tables.label_rows(key, &list.value, list.group, &range));
            Ok(merged(lists.collect::<Result<Vec<_>, _>>()?, newest_first))
        }
        Index::Parent(id) => linked(LinkKind::Parent, id),
        Index::Previous(id) => linked(LinkKind::Previous, id),
        Index::Id(prefix) => {
            let mut found = Vec::new();
            for number in tables.id_rows(prefix)? {
                match number {
                    Ok(number) if !range.contains(&number) => {}
                    Err(ReadError::Storage(error)) => return Err(error.into()),
                    number => found.push(number),
                }
            }
            // Damaged rows first, the numbers in order.
            found.sort_unstable_by_key(|number| number.as_ref().ok().copied());
            if newest_first {
                found.reverse();
            }
            Ok(Box::new(found.into_iter()))
        }
    }
}

fn directed<'r>(
    rows: impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + 'r,
    newest_first: bool,
) -> Numbers<'r> {
    if newest_first { Box::new(rows.rev()) } else { Box::new(rows) }
}

fn merged<'r>(
    mut lists: Vec<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + 'r>,
    newest_first: bool,
) -> Numbers<'r> {
    match (lists.len(), lists.pop()) {
        (1, Some(only)) => directed(only, newest_first),
        (_, last) => directed(Merged::new(lists.into_iter().chain(last).collect()), newest_first),
    }
}

/// What else than the query's conditions decides whether a candidate is taken.
pub(super) type Wanted<'r> = Rc<dyn Fn(Seen<'_>) -> bool + 'r>;

/// The matches among the candidates, in the order of creation.
pub(super) fn matches<'r, V: View + ?Sized>(
    view: &'r V,
    ask: Ask<'r>,
    candidates: Rc<Candidates>,
    wanted: Option<Wanted<'r>>,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    let range = after(&ask);
    let Candidates::Index(index) = &*candidates else { return scan(view, ask, range, wanted, payload) };
    let numbers = numbers(view, index, range, ask.newest_first)?;
    Ok(Box::new(numbers.filter_map(move |number| match number {
        Ok(number) => {
            // There is no other kind of candidates here.
            let Candidates::Index(index) = &*candidates else { return None };
            let belied = Cell::new(None);
            let keep = |seen: Seen<'_>| {
                belied.set(index.belied_by(seen.header));
                belied.get().is_none()
                    && ask.matches(seen.header)
                    && wanted.as_ref().is_none_or(|wanted| wanted(seen))
            };
            let place = Position { time: 0, key: number.0 };
            let row = picked(view, number, index.table(), Pick { keep: &keep, payload }, place);
            match belied.get() {
                None => row,
                Some(reason) => {
                    let found = Err(damaged(index.table(), &number.to_be_bytes(), reason).into());
                    Some(Row { place: Some(place), found })
                }
            }
        }
        Err(error) => Some(Row::error(error)),
    })))
}

/// The execution that a row of an index names, if it is wanted.
fn picked<V: View + ?Sized>(
    view: &V,
    number: RowId,
    table: Tag,
    pick: Pick<'_>,
    place: Position,
) -> Option<Row> {
    let found = match view.tables().execution_if(number, &view.settings().lifecycle, pick) {
        Ok(Some(found)) => Ok(found?),
        Ok(None) => Err(damaged(table, &number.to_be_bytes(), "the execution of the row is missing").into()),
        Err(error) => Err(error),
    };
    Some(Row { place: Some(place), found })
}

/// Every execution, but those in blocks that cannot hold the times that are asked for.
fn scan<'r, V: View + ?Sized>(
    view: &'r V,
    ask: Ask<'r>,
    range: RangeInclusive<RowId>,
    wanted: Option<Wanted<'r>>,
    payload: bool,
) -> Result<Answer<'r>, ReadError> {
    let mut ranges = {
        let (first, last) = range.into_inner();
        blocks(view, TimeKind::Executions, ask.query.created, first.0..=last.0)?
    };
    if ask.newest_first {
        ranges.reverse();
    }
    Ok(Box::new(ranges.into_iter().flat_map(move |range| -> Answer<'r> {
        let (asked, wanted, newest_first) = (ask.clone(), wanted.clone(), ask.newest_first);
        let keep = move |seen: Seen<'_>| {
            asked.matches(seen.header) && wanted.as_ref().is_none_or(|wanted| wanted(seen))
        };
        let range = RowId(*range.start())..=RowId(*range.end());
        let rows = match view.tables().execution_rows_if(range, &view.settings().lifecycle, keep, payload) {
            Ok(rows) => rows,
            Err(error) => return Box::new(std::iter::once(Row::error(error))),
        };
        let row = |(number, found): (Option<RowId>, Result<_, ReadError>)| {
            let place = number.map(|number| Position { time: 0, key: number.0 });
            found.transpose().map(|found| Row { place, found })
        };
        if newest_first { Box::new(rows.rev().filter_map(row)) } else { Box::new(rows.filter_map(row)) }
    })))
}

/// The matches in the order of completion.
pub(super) fn completed<'r, V: View + ?Sized>(
    view: &'r V,
    ask: Ask<'r>,
    payload: bool,
) -> Result<Steps<'r>, ReadError> {
    let (least, greatest) =
        ask.query.completed.unwrap_or((Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX)));
    let (mut start, mut end) = ((least, RowId::NONE), (greatest, RowId::MAX));
    if let Some(Position { time, key: number }) = ask.after {
        let time = Timestamp::from_nanos(time);
        // Numbers begin at 1, so there is one before and one after each.
        match ask.newest_first {
            true => end = end.min((time, RowId(number.saturating_sub(1)))),
            false => start = start.max((time, RowId(number.saturating_add(1)))),
        }
    }
    if start > end {
        return Ok(Box::new(std::iter::empty()));
    }
    let newest_first = ask.newest_first;
    let rows = view.tables().completion_rows(start..=end)?;
    let row = move |row: Result<(Timestamp, RowId), ReadError>| match row {
        Ok((at, number)) => {
            let place = Position { time: at.as_nanos(), key: number.0 };
            let pick = Pick { keep: &|seen| ask.matches(seen.header), payload };
            picked(view, number, Tag::Completions, pick, place)
        }
        Err(error) => Some(Row::error(error)),
    };
    Ok(if newest_first { Box::new(rows.rev().map(row)) } else { Box::new(rows.map(row)) })
}
