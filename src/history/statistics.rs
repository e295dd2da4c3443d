//! Numbers about the history.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limited;
use crate::format::all_zero;
use crate::format::schema::Tag;
use crate::model::error::ReadError;
use crate::model::execution::DEFAULT_NAMESPACE;
use crate::model::json::Count;
use crate::model::json::form::form;
use crate::model::lifecycle::{Lifecycle, Phase, State};
use crate::model::limits::InputError;
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

pub(super) fn durations<V: View + ?Sized>(view: &V, query: &Query) -> Result<Durations, ReadError> {
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableSize {
    /// The table.
    pub table: Cow<'static, str>,
    /// How many rows it has.
    #[serde(with = "crate::model::json::count")]
    pub rows: u64,
    /// The bytes of its keys and values.
    #[serde(with = "crate::model::json::count")]
    pub stored_bytes: u64,
    /// The bytes of its pages, what is unused in them included.
    #[serde(with = "crate::model::json::count")]
    pub file_bytes: u64,
}

pub(crate) fn table_sizes(tables: &Tables<Snapshot>) -> Result<Vec<TableSize>, ReadError> {
    Tag::ALL
        .into_iter()
        .map(|tag| {
            let (rows, stats) = tables.stats(tag)?;
            let (stored, rest) = (stats.stored_bytes(), stats.metadata_bytes() + stats.fragmented_bytes());
            Ok(TableSize { table: tag.name().into(), rows, stored_bytes: stored, file_bytes: stored + rest })
        })
        .collect()
}

/// The JSON of durations: each of them in nanoseconds.
#[derive(Serialize, Deserialize)]
struct DurationsForm {
    durations_ns: Vec<Count>,
}

form!(Durations as DurationsForm);

impl From<&Durations> for DurationsForm {
    fn from(durations: &Durations) -> Self {
        Self { durations_ns: durations.sorted.iter().map(|nanos| Count(*nanos)).collect() }
    }
}

impl From<DurationsForm> for Durations {
    fn from(form: DurationsForm) -> Self {
        let mut sorted: Vec<u64> = form.durations_ns.into_iter().map(|Count(nanos)| nanos).collect();
        sorted.sort_unstable();
        Self { sorted }
    }
}

/// The JSON of a group.
#[derive(Serialize, Deserialize)]
struct GroupForm {
    value: Text,
    total: Count,
    states: Vec<StateCount>,
}

#[derive(Serialize, Deserialize)]
struct StateCount {
    name: String,
    phase: Phase,
    count: Count,
}

form!(Group as GroupForm);

impl From<&Group> for GroupForm {
    fn from(group: &Group) -> Self {
        let states = group.states.iter().map(|(state, count)| StateCount {
            name: state.as_str().to_owned(),
            phase: state.phase(),
            count: Count(*count),
        });
        Self { value: group.value.clone(), total: Count(group.total), states: states.collect() }
    }
}

impl TryFrom<GroupForm> for Group {
    type Error = InputError;

    fn try_from(form: GroupForm) -> Result<Self, InputError> {
        let invalid = |reason| InputError::Invalid { what: "group", reason };
        let GroupForm { value, total: Count(total), states } = form;
        let sum = states.iter().try_fold(0, |sum: u64, state| sum.checked_add(state.count.0));
        if sum != Some(total) {
            return Err(invalid(format!("the counts of its states do not add up to {total}")));
        }
        let state = |StateCount { name, phase, count }: StateCount| {
            let state = State::named(&name, phase).map_err(|error| invalid(error.to_string()))?;
            Ok((state, count.0))
        };
        Ok(Self { value, total, states: states.into_iter().map(state).collect::<Result<_, _>>()? })
    }
}
