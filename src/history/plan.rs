//! Which way to answer a query.

use super::ask::Ask;
use super::candidates::numbers;
use super::sorted::piece;
use super::statistics::in_namespace;
use super::way::{AccessPath, Candidates, Index, LabelList, Way};
use crate::model::error::ReadError;
use crate::model::query::{Access, LabelIs, OrderBy, Query};
use crate::model::row_id::RowId;
use crate::model::text::Text;
use crate::read::View;

/// How far the rows of a way are counted that has no counter. Measured: about 25 µs.
pub(super) const COUNTED: u64 = 256;
/// With so many candidates of another way, one whose rows are too many to be counted is taken to have fewer.
const MANY: u64 = 4_096;
/// How many lists of numbers are merged at most: one for each value and group of states.
const LISTS: usize = 64;

/// Candidates, and how many there are at most, as far as that is known.
type Choice = (Candidates, Option<u64>);

pub(super) fn plan<V: View + ?Sized>(view: &V, ask: &Ask<'_>) -> Result<Way, ReadError> {
    let total = view.totals()?.executions();
    let walk = || Way { path: AccessPath::Walk, rows: Some(total) };
    let (best, rows) = match (ask.query.using, ask.order) {
        (Some(Access::Modified), OrderBy::Modified) | (Some(Access::Completed), OrderBy::Completed) => {
            return Ok(walk());
        }
        (Some(access), _) => match indexes(view, &ask.query, Some(access))?.into_iter().next() {
            Some((index, rows)) => (Candidates::Index(index), rows),
            None => (Candidates::Scan, Some(total)),
        },
        (None, _) => choose(view, &ask.query, total)?,
    };
    if ask.order == OrderBy::Created {
        return Ok(Way { path: AccessPath::Direct(best), rows });
    }
    if ask.query.using.is_some() {
        return Ok(Way { path: AccessPath::Sorted(best), rows });
    }
    let is_dear = rows.is_some_and(|rows| to_sort(ask, rows) >= total);
    let path = match best {
        Candidates::Index(_) if is_dear => AccessPath::Walk,
        Candidates::Scan => AccessPath::Walk,
        // Who gets all of the matches would walk to the end of the order.
        Candidates::Index(index) if rows.is_none_or(|rows| rows > piece(ask) as u64) => {
            AccessPath::Tried(index)
        }
        Candidates::Index(index) => AccessPath::Sorted(Candidates::Index(index)),
    };
    Ok(if matches!(path, AccessPath::Walk) { walk() } else { Way { path, rows } })
}

/// How many rows are looked at to find so many candidates in another order: all of them for each piece.
pub(super) fn to_sort(ask: &Ask<'_>, rows: u64) -> u64 {
    let given = ask.limit.map_or(rows, |limit| rows.min(limit as u64));
    rows.saturating_mul(given.div_ceil(piece(ask).max(1) as u64).max(1))
}

/// The number of executions that a query finds, if a counter tells it.
pub(super) fn counted<V: View + ?Sized>(view: &V, query: &Query) -> Result<Option<u64>, ReadError> {
    if query.asks_what_has_no_counter() {
        return Ok(None);
    }
    let counts = match (query.labels.as_slice(), &query.namespace, &query.job) {
        ([], None, None) => return in_states(view, query).map(Some),
        ([], Some(namespace), None) => in_namespace(view, namespace)?,
        ([], None, Some(job)) => view.counts_of_job(job)?,
        ([LabelIs { key, values: Some(values) }], None, None) => {
            let mut sum = 0;
            for value in values {
                sum += wanted(view, query, &view.counts_of_label(key, value)?);
            }
            return Ok(Some(sum));
        }
        (_, _, _) => return Ok(None),
    };
    Ok(Some(wanted(view, query, &counts)))
}

/// How many of those that were counted by state are in the states that are asked for.
fn wanted<V: View + ?Sized>(view: &V, query: &Query, counts: &[u64]) -> u64 {
    let states = view.settings().lifecycle.states();
    states.zip(counts).filter(|(state, _)| query.has_state(state)).map(|(_, count)| count).sum()
}

/// The fewest candidates.
fn choose<V: View + ?Sized>(view: &V, query: &Query, total: u64) -> Result<Choice, ReadError> {
    let mut best: Option<(Index, Option<u64>)> = None;
    for (index, rows) in indexes(view, query, None)? {
        let better = match (&best, rows) {
            (None, _) => true,
            (Some((_, known)), Some(rows)) => known.is_none_or(|known| rows < known),
            // Too many to be counted in passing: but for a job of many thousands that is still the fewest.
            (Some((_, known)), None) => known.is_some_and(|known| known > MANY),
        };
        if better {
            best = Some((index, rows));
        }
    }
    Ok(best.map_or((Candidates::Scan, Some(total)), |(index, rows)| (Candidates::Index(index), rows)))
}

/// The indexes that the query's conditions offer, or that of one kind, with how many rows each has.
fn indexes<V: View + ?Sized>(
    view: &V,
    query: &Query,
    only: Option<Access>,
) -> Result<Vec<(Index, Option<u64>)>, ReadError> {
    let wanted = |access: Access| only.is_none_or(|only| only == access);
    let mut found: Vec<(Index, Option<u64>)> = Vec::new();
    if wanted(Access::Label) {
        for label in &query.labels {
            if let Some(lists) = label_lists(view, query, label)? {
                let rows = lists.iter().map(|list| list.rows).sum();
                found.push((Index::Label { key: label.key.clone(), lists }, Some(rows)));
            }
        }
        // The value with the fewest comes first, also if it is the only way that is wanted.
        found.sort_by_key(|(_, rows)| *rows);
    }
    if wanted(Access::States) && query.names_states {
        let codes = query.state_codes(&view.settings().lifecycle);
        found.push((Index::States(codes), Some(in_states(view, query)?)));
    }
    if let Some(job) = query.job.as_ref().filter(|_| wanted(Access::Job)) {
        // Without its counters the job can be found all the same.
        let rows = match view.counts_of_job(job) {
            Ok(counts) => Some(counts.iter().sum()),
            Err(ReadError::Storage(error)) => return Err(error.into()),
            Err(_) => None,
        };
        found.push((Index::Job(job.clone()), rows));
    }
    let links = [
        query.parent.clone().filter(|_| wanted(Access::Parent)).map(Index::Parent),
        query.previous.clone().filter(|_| wanted(Access::Previous)).map(Index::Previous),
    ];
    for index in links.into_iter().flatten() {
        let most = found.iter().filter_map(|(_, rows)| *rows).min().map_or(COUNTED, |rows| rows.min(COUNTED));
        let rows = numbers(view, &index, RowId::ALL, query.newest_first)?.take(most as usize).count() as u64;
        found.push((index, (rows < most || most == 0).then_some(rows)));
    }
    if let Some(prefix) = query.id_prefix.as_ref().filter(|_| wanted(Access::Id)) {
        // Ids do not come in the order of creation: their numbers are collected, if they are few.
        let rows = view.tables().id_rows(prefix)?.take(MANY as usize + 1).count() as u64;
        if rows <= MANY || only.is_some() {
            found.push((Index::Id(prefix.clone()), (rows <= MANY).then_some(rows)));
        }
    }
    Ok(found)
}

/// How many executions are in the states that are asked for.
fn in_states<V: View + ?Sized>(view: &V, query: &Query) -> Result<u64, ReadError> {
    Ok(wanted(view, query, &view.totals()?.counts))
}

/// Where the rows of a label lie, lists without any that is wanted left out; `None` if there are too many to be merged.
pub(super) fn label_lists<V: View + ?Sized>(
    view: &V,
    query: &Query,
    label: &LabelIs,
) -> Result<Option<Vec<LabelList>>, ReadError> {
    let lifecycle = &view.settings().lifecycle;
    let codes = query.state_codes(lifecycle);
    let mut lists: Vec<LabelList> = Vec::new();
    let mut add = |value: &Text, counts: &[u64]| {
        let first = lists.len();
        for (code, rows) in (0u8..).zip(counts.iter().copied()).filter(|(_, rows)| *rows > 0) {
            let group = lifecycle.group(code);
            let wanted = if codes.contains(&code) { rows } else { 0 };
            match lists.iter_mut().skip(first).find(|list| list.group == group) {
                Some(list) => (list.rows, list.wanted) = (list.rows + rows, list.wanted + wanted),
                None => lists.push(LabelList { value: value.clone(), group, rows, wanted }),
            }
        }
        lists.retain(|list| list.wanted > 0);
        lists.len() <= LISTS
    };
    match &label.values {
        Some(values) => {
            for value in values {
                if !add(value, &view.counts_of_label(&label.key, value)?) {
                    return Ok(None);
                }
            }
        }
        None => {
            for row in view.counts_of_labels(&label.key, None)? {
                let (value, counts) = row?;
                if !add(&value, &counts) {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(lists))
}
