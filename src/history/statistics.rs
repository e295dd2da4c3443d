//! Numbers about the history.

use std::sync::Arc;
use std::time::Duration;

use super::limited;
use crate::format::all_zero;
use crate::format::schema::Tag;
use crate::model::error::ReadError;
use crate::model::execution::DEFAULT_NAMESPACE;
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::query::Query;
use crate::model::text::Text;
use crate::read::{List, View};
use crate::storage::{Snapshot, Tables};

/// How long executions took, from creation to completion: see
/// [`Selection::durations`](crate::query::Selection::durations).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durations {
    /// Each of them, the shortest first.
    sorted: Vec<u64>,
}

impl Durations {
    /// How many executions there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The duration that so many percent of the executions did not exceed: the nearest rank. `None` if there are
    /// no executions. 0 gives the shortest, 50 the median, 100 the longest.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let last = self.sorted.len().checked_sub(1)?;
        let rank = (percent.clamp(0.0, 100.0) / 100.0 * self.sorted.len() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1).min(last)).map(|nanos| Duration::from_nanos(*nanos))
    }

    /// The mean; `None` if there are no executions.
    pub fn mean(&self) -> Option<Duration> {
        let sum: u128 = self.sorted.iter().map(|nanos| u128::from(*nanos)).sum();
        let mean = sum.checked_div(self.sorted.len() as u128)?;
        u64::try_from(mean).ok().map(Duration::from_nanos)
    }
}

pub(super) fn durations<V: View + ?Sized>(view: &V, query: &Arc<Query>) -> Result<Durations, ReadError> {
    let mut sorted = Vec::new();
    for row in limited(view, query, false)? {
        let header = row.found?.header;
        if let Some(completed) = header.completed_at {
            // The clock may have gone back between the two: then it took no time.
            let took = i128::from(completed.as_nanos()) - i128::from(header.created_at.as_nanos());
            sorted.push(u64::try_from(took.max(0)).unwrap_or(u64::MAX));
        }
    }
    sorted.sort_unstable();
    Ok(Durations { sorted })
}

/// The executions of one job, of one namespace, or with one value of a label, counted: see [`Groups`](crate::query::Groups).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The job, the namespace, or the label's value.
    pub value: Text,
    /// How many executions are in the group.
    pub total: u64,
    /// How many of them are in each state, states with none left out.
    pub states: Vec<(State, u64)>,
}

fn group(lifecycle: &Lifecycle, value: Text, counts: &[u64]) -> Group {
    let states = lifecycle.states().zip(counts).filter(|(_, count)| **count > 0);
    let states = states.map(|(state, count)| (state.clone(), *count)).collect();
    Group { value, total: counts.iter().sum(), states }
}

/// A group, if it has executions.
pub(super) fn group_of<V: View + ?Sized>(view: &V, value: &str, counts: &[u64]) -> Option<Group> {
    let group = group(&view.settings().lifecycle, value.into(), counts);
    (group.total > 0).then_some(group)
}

fn groups<'r, V: View + ?Sized>(
    view: &'r V,
    rows: impl DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + 'r,
) -> List<'r, Group> {
    let lifecycle = &view.settings().lifecycle;
    List::new(rows.map(move |row| row.map(|(value, counts)| group(lifecycle, value, &counts))))
}

pub(super) fn label_values<'r, V: View + ?Sized>(
    view: &'r V,
    key: &str,
    after: Option<&str>,
) -> Result<List<'r, Group>, ReadError> {
    Ok(groups(view, view.counts_of_labels(key, after)?))
}

pub(super) fn jobs<'r, V: View + ?Sized>(
    view: &'r V,
    after: Option<&str>,
) -> Result<List<'r, Group>, ReadError> {
    Ok(groups(view, view.counts_of_jobs(after)?))
}

/// The default namespace, which has no row, comes where it belongs in the order of the others.
pub(super) fn namespaces<'r, V: View + ?Sized>(
    view: &'r V,
    after: Option<&str>,
) -> Result<List<'r, Group>, ReadError> {
    let default = in_default(view)?;
    if all_zero(&default) || after.is_some_and(|after| after >= DEFAULT_NAMESPACE) {
        return Ok(groups(view, view.counts_of_namespaces(after, None)?));
    }
    let before = view.counts_of_namespaces(after, Some(DEFAULT_NAMESPACE))?;
    let behind = view.counts_of_namespaces(Some(DEFAULT_NAMESPACE), None)?;
    let default = std::iter::once(Ok((Text::from(DEFAULT_NAMESPACE), default)));
    Ok(groups(view, before.chain(default).chain(behind)))
}

/// How many executions a namespace has, by the code of their state.
pub(super) fn in_namespace<V: View + ?Sized>(view: &V, namespace: &str) -> Result<Vec<u64>, ReadError> {
    if namespace == DEFAULT_NAMESPACE { in_default(view) } else { view.count_of_namespace(namespace) }
}

fn in_default<V: View + ?Sized>(view: &V) -> Result<Vec<u64>, ReadError> {
    let totals = view.totals()?;
    let named = totals.named.iter().chain(std::iter::repeat(&0));
    Ok(totals.counts.iter().zip(named).map(|(all, named)| all.saturating_sub(*named)).collect())
}

/// What one table of the file takes: see [`ReadTxn::table_sizes`](crate::ReadTxn::table_sizes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSize {
    /// The table.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes of its keys and values.
    pub stored_bytes: u64,
    /// The bytes of its pages, what is unused in them included.
    pub file_bytes: u64,
}

pub(crate) fn table_sizes(tables: &Tables<Snapshot>) -> Result<Vec<TableSize>, ReadError> {
    Tag::ALL
        .into_iter()
        .map(|tag| {
            let (rows, stats) = tables.stats(tag)?;
            let (stored, rest) = (stats.stored_bytes(), stats.metadata_bytes() + stats.fragmented_bytes());
            Ok(TableSize { table: tag.name(), rows, stored_bytes: stored, file_bytes: stored + rest })
        })
        .collect()
}
