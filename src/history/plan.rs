//! Which way to answer a query.

use std::ops::RangeInclusive;

use super::candidates::numbers;
use super::sorted::piece;
use super::statistics::in_namespace;
use super::way::{LabelList, Way};
use crate::model::error::ReadError;
use crate::model::query::{Access, LabelIs, OrderBy, Query, QueryPlan};
use crate::model::text::Text;
use crate::read::View;

/// How far the rows of a way are counted that has no counter. Measured: about 25 µs.
pub(super) const COUNTED: u64 = 256;
/// With so many candidates of another way, one whose rows are too many to be counted is taken to have fewer.
const MANY: u64 = 4_096;
/// How many lists of numbers are merged at most: one for each value and group of states.
const LISTS: usize = 64;

/// All numbers.
pub(super) const ALL: RangeInclusive<u64> = 0..=u64::MAX;

pub(super) fn plan<V: View + ?Sized>(view: &V, query: &Query) -> Result<Way, ReadError> {
    let total = total(view)?;
    let mut best = match query.using {
        Some(Access::Modified) if query.order == OrderBy::Modified => return Ok(walk(query, total)),
        Some(Access::Completed) if query.order == OrderBy::Completed => return Ok(walk(query, total)),
        Some(access) => ways(view, query, Some(access))?.into_iter().next().unwrap_or_else(|| scan(total)),
        None => choose(view, query, total)?,
    };
    if query.order != OrderBy::Created {
        if query.using.is_none() {
            let cost = best.plan.rows.map(|rows| to_sort(query, rows));
            if best.plan.access == Access::Scan || cost.is_some_and(|cost| cost >= total) {
                return Ok(walk(query, total));
            }
            // Who gets all of the matches would walk to the end of the order.
            best.plan.walks = best.plan.rows.is_none_or(|rows| rows > piece(query) as u64);
        }
        best.plan.sorts = true;
    }
    Ok(best)
}

/// How many rows are looked at to find so many candidates in another order: all of them for each piece.
pub(super) fn to_sort(query: &Query, rows: u64) -> u64 {
    let given = query.limit.map_or(rows, |limit| rows.min(limit as u64));
    rows.saturating_mul(given.div_ceil(piece(query).max(1) as u64).max(1))
}

/// The number of executions that a query finds, if a counter tells it.
pub(super) fn counted<V: View + ?Sized>(view: &V, query: &Query) -> Result<Option<u64>, ReadError> {
    let bare = query.job.is_none()
        && query.parent.is_none()
        && query.previous.is_none()
        && query.id_prefix.is_none()
        && (query.created, query.modified, query.completed) == (None, None, None);
    if !bare {
        return Ok(None);
    }
    match (query.labels.as_slice(), &query.namespace) {
        ([], None) => in_states(view, query).map(Some),
        ([], Some(namespace)) if !query.names_states => in_namespace(view, namespace).map(Some),
        ([label], None) if label.values.is_some() => with_label(view, query, label),
        _ => Ok(None),
    }
}

fn total<V: View + ?Sized>(view: &V) -> Result<u64, ReadError> {
    Ok(view.totals()?.executions())
}

fn way(access: Access, rows: Option<u64>) -> Way {
    let plan = QueryPlan { access, label: None, rows, walks: false, sorts: false, filters: false };
    Way { plan, lists: Vec::new() }
}

fn scan(total: u64) -> Way {
    way(Access::Scan, Some(total))
}

/// In the order that is asked for.
fn walk(query: &Query, total: u64) -> Way {
    match query.order {
        OrderBy::Modified => way(Access::Modified, Some(total)),
        _ => way(Access::Completed, Some(total)),
    }
}

/// The way with the fewest candidates.
fn choose<V: View + ?Sized>(view: &V, query: &Query, total: u64) -> Result<Way, ReadError> {
    let mut best: Option<Way> = None;
    for way in ways(view, query, None)? {
        let better = match (&best, way.plan.rows) {
            (None, _) => true,
            (Some(best), Some(rows)) => best.plan.rows.is_none_or(|known| rows < known),
            // Too many to be counted in passing: but for a job of many thousands that is still the fewest.
            (Some(best), None) => best.plan.rows.is_some_and(|known| known > MANY),
        };
        if better {
            best = Some(way);
        }
    }
    Ok(best.unwrap_or_else(|| scan(total)))
}

/// The ways that the query's conditions offer, or that of one kind.
fn ways<V: View + ?Sized>(view: &V, query: &Query, only: Option<Access>) -> Result<Vec<Way>, ReadError> {
    let wanted = |access: Access| only.is_none_or(|only| only == access);
    let mut ways = Vec::new();
    if wanted(Access::Label) {
        for label in &query.labels {
            if let Some(lists) = label_lists(view, query, label)? {
                let mut way = way(Access::Label, Some(lists.iter().map(|list| list.rows).sum()));
                (way.plan.label, way.lists) = (Some(label.key.clone()), lists);
                ways.push(way);
            }
        }
        // The value with the fewest comes first, also if it is the only way that is wanted.
        ways.sort_by_key(|way| way.plan.rows);
    }
    if wanted(Access::States) && query.names_states {
        ways.push(way(Access::States, Some(in_states(view, query)?)));
    }
    for (access, asked) in [
        (Access::Job, query.job.is_some()),
        (Access::Parent, query.parent.is_some()),
        (Access::Previous, query.previous.is_some()),
        (Access::Id, query.id_prefix.is_some()),
    ] {
        if asked && wanted(access) {
            let mut way = way(access, None);
            if access == Access::Id {
                // Ids do not come in the order of creation: their numbers are collected, if they are few.
                let prefix = query.id_prefix.as_deref().unwrap_or_default();
                let rows = view.tables().id_rows(prefix)?.take(MANY as usize + 1).count() as u64;
                if rows <= MANY || only.is_some() {
                    way.plan.rows = (rows <= MANY).then_some(rows);
                    ways.push(way);
                }
                continue;
            }
            let most =
                ways.iter().filter_map(|way| way.plan.rows).min().map_or(COUNTED, |rows| rows.min(COUNTED));
            let rows = numbers(view, query, &way, ALL)?.take(most as usize).count() as u64;
            if rows < most || most == 0 {
                way.plan.rows = Some(rows);
            }
            ways.push(way);
        }
    }
    Ok(ways)
}

/// How many executions are in the states that are asked for.
fn in_states<V: View + ?Sized>(view: &V, query: &Query) -> Result<u64, ReadError> {
    let totals = view.totals()?;
    Ok(query.state_codes(&view.settings().lifecycle).iter().map(|code| totals.count(*code)).sum())
}

/// How many executions have a label, in the states that are asked for; `None` if its values are too many.
fn with_label<V: View + ?Sized>(view: &V, query: &Query, label: &LabelIs) -> Result<Option<u64>, ReadError> {
    let lists = label_lists(view, query, label)?;
    Ok(lists.map(|lists| lists.iter().map(|list| list.wanted).sum()))
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

/// `true` if the query has conditions that the way leaves to be checked.
pub(super) fn filters(query: &Query, way: &Way) -> bool {
    let plan = &way.plan;
    let mut rest = query.clone();
    (rest.order, rest.newest_first, rest.limit) = (OrderBy::Created, true, None);
    (rest.after, rest.using) = (None, None);
    match plan.access {
        Access::Scan => rest.created = None,
        Access::Modified => rest.modified = None,
        Access::Completed => rest.completed = None,
        Access::States => (rest.states, rest.phases, rest.names_states) = (Vec::new(), Vec::new(), false),
        Access::Label => {
            if way.lists.iter().all(|list| list.rows == list.wanted) {
                (rest.states, rest.phases, rest.names_states) = (Vec::new(), Vec::new(), false);
            }
            rest.labels.retain(|label| Some(&label.key) != plan.label.as_ref());
        }
        Access::Job => rest.job = None,
        Access::Parent => rest.parent = None,
        Access::Previous => rest.previous = None,
        Access::Id => rest.id_prefix = None,
    }
    rest != Query::new()
}
