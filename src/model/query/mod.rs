//! What a caller asks of the history: which executions, and in which order. Pure.

mod fields;
mod order;
mod page;
mod plan;

use std::ops::{Bound, RangeBounds};

use crate::model::execution::{DesiredState, Header};
use crate::model::fingerprint::Fingerprint;
use crate::model::lifecycle::{Lifecycle, Phase, State};
use crate::model::limits::{
    InputError, MAX_ID, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_id, check_len,
};
use crate::model::text::Text;
use crate::model::time::Timestamp;

use fields::{Contained, Fields};
pub use order::OrderBy;
pub(crate) use page::Place;
pub use page::{Cursor, Page};
pub use plan::{Access, QueryPlan};

/// A condition on a label: its key, and its values if any is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelIs {
    pub(crate) key: Text,
    pub(crate) values: Option<Vec<Text>>,
}

/// Both ends included.
pub(crate) type Times = Option<(Timestamp, Timestamp)>;

/// Which executions, in which order, how many: the one value for lists, pages, counts, exports, bulk operations and
/// watch filters.
///
/// Every condition that is named must hold. States and phases, and nodes, names and desired states, that are named several times are alternatives, and an alternative
/// among none holds for nothing: [`states`](Query::states) of an empty list finds no execution. Without conditions it is all
/// executions, the newest first.
///
/// An execution has one job, one namespace, one parent, one previous attempt, one id, and one value of a label: a query that names two of them is refused
/// where it is used, with [`InputError::Invalid`](crate::error::InputError::Invalid). Times that are named twice must both hold; an empty range, or one whose end is before
/// its start, holds for nothing. Order, direction, limit, cursor and way are settings: the last call counts.
///
/// ```
/// # use execstore::{NewExecution, Query, Readable, Store};
/// # let store = Store::in_memory()?;
/// # store.create(NewExecution::new("j").label("zone", "eu").state("Running"))?;
/// let query = Query::new().state("Running").label("zone", "eu").limit(50);
/// let r = store.begin_read()?;
/// for execution in r.query(&query).rows()? {
///     println!("{}", execution?.id);
/// }
/// println!("{}", r.query(&query).explain()?); // the index of labels by "zone", at most 1 rows
/// # assert!(!r.query(&query).explain()?.is_scan());
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Query {
    pub(crate) states: Vec<Text>,
    pub(crate) phases: Vec<Phase>,
    /// States or phases were named, be it an empty list of them.
    pub(crate) names_states: bool,
    /// What was named twice, though an execution has only one of it.
    pub(crate) twice: Option<&'static str>,
    pub(crate) job: Option<Text>,
    pub(crate) namespace: Option<Text>,
    pub(crate) labels: Vec<LabelIs>,
    pub(crate) fields: Fields,
    pub(crate) parent: Option<Text>,
    pub(crate) previous: Option<Text>,
    pub(crate) created: Times,
    pub(crate) modified: Times,
    pub(crate) completed: Times,
    pub(crate) id_prefix: Option<Text>,
    /// The prefix is all of the id.
    pub(crate) whole_id: bool,
    pub(crate) order: OrderBy,
    pub(crate) newest_first: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) after: Option<Cursor>,
    pub(crate) using: Option<Access>,
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}

impl Query {
    /// All executions, the newest first.
    pub const fn new() -> Self {
        Self {
            states: Vec::new(),
            phases: Vec::new(),
            names_states: false,
            twice: None,
            job: None,
            namespace: None,
            labels: Vec::new(),
            fields: Fields::new(),
            parent: None,
            previous: None,
            created: None,
            modified: None,
            completed: None,
            id_prefix: None,
            whole_id: false,
            order: OrderBy::Created,
            newest_first: true,
            limit: None,
            after: None,
            using: None,
        }
    }

    /// In this state, or in another that is named so.
    pub fn state(mut self, state: impl AsRef<str>) -> Self {
        self.names_states = true;
        self.states.push(state.as_ref().into());
        self
    }

    /// In one of these states; of an empty list in none, unless others are named.
    pub fn states(mut self, states: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.names_states = true;
        self.states.extend(states.into_iter().map(|state| Text::from(state.as_ref())));
        self
    }

    /// In a state of this phase.
    pub fn phase(self, phase: Phase) -> Self {
        self.phases([phase])
    }

    /// In a state of one of these phases; of an empty list in none, unless others are named.
    pub fn phases(mut self, phases: impl IntoIterator<Item = Phase>) -> Self {
        self.names_states = true;
        self.phases.extend(phases);
        self
    }

    /// In a live state.
    pub fn live(self) -> Self {
        self.phase(Phase::Live)
    }

    /// In a terminal state.
    pub fn terminal(self) -> Self {
        self.phase(Phase::Terminal)
    }

    /// Of this job.
    pub fn job(mut self, job_id: impl Into<Text>) -> Self {
        name_one(&mut self.job, job_id.into(), "jobs", &mut self.twice);
        self
    }

    /// Of this namespace.
    pub fn namespace(mut self, namespace: impl Into<Text>) -> Self {
        name_one(&mut self.namespace, namespace.into(), "namespaces", &mut self.twice);
        self
    }

    /// With this label.
    pub fn label(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.labels.push(LabelIs { key: key.into(), values: Some(vec![value.into()]) });
        self
    }

    /// With a label of this key and one of these values; of an empty list with none.
    pub fn label_in(
        mut self,
        key: impl Into<Text>,
        values: impl IntoIterator<Item = impl Into<Text>>,
    ) -> Self {
        let mut values: Vec<Text> = values.into_iter().map(Into::into).collect();
        values.sort_unstable();
        values.dedup();
        self.labels.push(LabelIs { key: key.into(), values: Some(values) });
        self
    }

    /// With a label of this key, whatever its value.
    pub fn has_label(mut self, key: impl Into<Text>) -> Self {
        self.labels.push(LabelIs { key: key.into(), values: None });
        self
    }

    /// On this node, or on another that is named so. No index has nodes: see [`id_contains`](Query::id_contains) for what that costs.
    pub fn node_id(mut self, node_id: impl Into<Text>) -> Self {
        self.fields.nodes.push(node_id.into());
        self
    }

    /// Of this name, or of another that is named so. Names have no index, either.
    pub fn name(mut self, name: impl Into<Text>) -> Self {
        self.fields.names.push(name.into());
        self
    }

    /// With this desired state, or with another that is named so. It has no index, either.
    pub fn desired(mut self, desired: DesiredState) -> Self {
        self.fields.desired.push(desired);
        self
    }

    /// With an id that has this text somewhere in it. Upper and lower case differ. Texts that are named several times must all be
    /// there.
    ///
    /// This is a filter, and no index serves it: it looks at every candidate that the other conditions leave, and without any at
    /// every execution. [`explain`](crate::query::Selection::explain) says so, and [`QueryPlan::rows`](crate::query::QueryPlan::rows) how many those are.
    ///
    /// ```
    /// # use execstore::{NewExecution, Query, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("etl").id("nightly-7"))?;
    /// let r = store.begin_read()?;
    /// let search = Query::new().job("etl").id_contains("ight");
    /// assert_eq!(r.query(&search).count()?, 1);
    /// let plan = r.query(&search).explain()?;
    /// assert!(plan.filters && !plan.is_scan()); // the executions of the job
    /// assert!(r.query(&Query::new().id_contains("ight")).explain()?.is_scan()); // all of them
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn id_contains(mut self, text: impl Into<Text>) -> Self {
        self.fields.contained.push(Contained::Id(text.into()));
        self
    }

    /// Of a job whose id has this text somewhere in it: a filter like [`id_contains`](Query::id_contains).
    pub fn job_contains(mut self, text: impl Into<Text>) -> Self {
        self.fields.contained.push(Contained::Job(text.into()));
        self
    }

    /// With a label of this key whose value has this text somewhere in it: a filter like [`id_contains`](Query::id_contains).
    pub fn label_contains(mut self, key: impl Into<Text>, text: impl Into<Text>) -> Self {
        self.fields.contained.push(Contained::Label(key.into(), text.into()));
        self
    }

    /// With this parent: the execution that has the id now, or if nobody has it, any that had it. [`matches`](Query::matches), which
    /// knows no store, goes by the id alone.
    pub fn parent(mut self, parent: impl Into<Text>) -> Self {
        name_one(&mut self.parent, parent.into(), "parents", &mut self.twice);
        self
    }

    /// That replace this attempt. Of its id the same holds.
    pub fn previous(mut self, previous: impl Into<Text>) -> Self {
        name_one(&mut self.previous, previous.into(), "previous attempts", &mut self.twice);
        self
    }

    /// Created within these times.
    pub fn created(mut self, times: impl RangeBounds<Timestamp>) -> Self {
        self.created = both(self.created, ends(&times));
        self
    }

    /// Last changed within these times.
    pub fn modified(mut self, times: impl RangeBounds<Timestamp>) -> Self {
        self.modified = both(self.modified, ends(&times));
        self
    }

    /// Ended within these times. Executions that have not ended are left out, so that with states that are not terminal there are none.
    pub fn completed(mut self, times: impl RangeBounds<Timestamp>) -> Self {
        self.completed = both(self.completed, ends(&times));
        self
    }

    /// Of this id: to ask of one execution what is asked of queries.
    pub fn id(mut self, id: impl Into<Text>) -> Self {
        self.name_id(id.into(), true);
        self
    }

    /// Whose ids begin so.
    pub fn id_prefix(mut self, prefix: impl Into<Text>) -> Self {
        self.name_id(prefix.into(), false);
        self
    }

    fn name_id(&mut self, id: Text, whole: bool) {
        let other = self.id_prefix.is_some() && self.whole_id != whole;
        self.twice = self.twice.or(other.then_some("ids, or an id and a prefix"));
        name_one(&mut self.id_prefix, id, "ids, or beginnings of ids", &mut self.twice);
        self.whole_id = whole;
    }

    /// In this order; that of creation by default. The order of completion has only executions that have ended, so that with
    /// states that are not terminal it is empty.
    pub fn order_by(mut self, order: OrderBy) -> Self {
        self.order = order;
        self
    }

    /// From the end of the order. The default.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// From the beginning of the order.
    pub fn oldest_first(mut self) -> Self {
        self.newest_first = false;
        self
    }

    /// At most so many, and at least 1. A page without a limit has 100 executions, a list all of them. What counts or sums up
    /// ([`count`](crate::query::Selection::count), [`durations`](crate::query::Selection::durations) and the like) looks at no
    /// more than these either, so that "more than 1,000?" is asked at the price of 1,001: the total of a list that is shown in
    /// pages is the count of its query without the limit.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Goes on where the page that gave this cursor ended. Conditions, order and direction must be the same, in whatever
    /// sequence they are named; limit and way need not be. Anything else is
    /// [`InputError::InvalidCursor`](crate::error::InputError::InvalidCursor).
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Has the query answered in this way, or by a scan if it has no condition for it. The answer is the same;
    /// left alone, the store chooses.
    pub fn using(mut self, access: Access) -> Self {
        self.using = Some(access);
        self
    }

    /// The same executions in the order of creation. The order of completion is a condition, too: who has not ended is not in
    /// it.
    pub(crate) fn in_creation_order(mut self) -> Self {
        if self.order == OrderBy::Completed {
            let ever = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
            self.completed.get_or_insert(ever);
        }
        self.order_by(OrderBy::Created).oldest_first()
    }

    /// Its conditions alone, without order, direction, limit, cursor and way.
    pub(crate) fn conditions(&self) -> Self {
        let mut rest = self.clone();
        (rest.order, rest.newest_first, rest.limit) = (OrderBy::Created, true, None);
        (rest.after, rest.using) = (None, None);
        rest
    }

    /// `true` if it has conditions on more than states, the job, the namespace and labels. Each part by its name, so that a new one does
    /// not compile until it is here.
    pub(crate) fn asks_what_has_no_counter(&self) -> bool {
        let Self {
            states: _,
            phases: _,
            names_states: _,
            job: _,
            namespace: _,
            labels: _,
            order: _,
            newest_first: _,
            limit: _,
            after: _,
            using: _,
            twice,
            fields,
            parent,
            previous,
            created,
            modified,
            completed,
            id_prefix,
            whole_id,
        } = self;
        twice.is_some()
            || *fields != Fields::new()
            || parent.is_some()
            || previous.is_some()
            || created.is_some()
            || modified.is_some()
            || completed.is_some()
            || id_prefix.is_some()
            || *whole_id
    }

    /// `true` if the conditions hold for an execution; that it has ended is one, in the order of completion. Direction, limit and
    /// cursor do not matter.
    pub fn matches(&self, header: &Header) -> bool {
        let is = |wanted: &Option<Text>, found: &str| wanted.as_ref().is_none_or(|text| *text == *found);
        let within = |times: &Times, found: Timestamp| {
            times.is_none_or(|(least, greatest)| least <= found && found <= greatest)
        };
        let ended = self.completed.is_some() || self.order == OrderBy::Completed;
        self.twice.is_none()
            && self.has_state(&header.state)
            && is(&self.job, header.job_id.as_str())
            && is(&self.namespace, &header.namespace)
            && self.parent.as_ref().is_none_or(|id| header.parent.as_ref().is_some_and(|p| *p == id.as_str()))
            && self
                .previous
                .as_ref()
                .is_none_or(|id| header.previous.as_ref().is_some_and(|p| *p == id.as_str()))
            && within(&self.created, header.created_at)
            && within(&self.modified, header.modified_at)
            && header.completed_at.map_or(!ended, |at| within(&self.completed, at))
            && self.has_id(header.id.as_str())
            && self.labels.iter().all(|label| label.holds(header))
            && self.fields.hold(header)
    }

    /// `false` if the conditions hold for no execution of this id, job and state, as far as those are known.
    pub(crate) fn may_match(&self, id: &str, job: &str, state: Option<&State>) -> bool {
        self.job.as_ref().is_none_or(|wanted| *wanted == *job)
            && state.is_none_or(|state| self.has_state(state))
            && self.has_id(id)
    }

    fn has_id(&self, id: &str) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| match self.whole_id {
            true => *prefix == *id,
            false => id.starts_with(prefix.as_str()),
        })
    }

    pub(crate) fn has_state(&self, state: &State) -> bool {
        !self.names_states
            || self.phases.contains(&state.phase())
            || self.states.iter().any(|name| *name == *state.as_str())
    }

    /// The codes of the states that are asked for.
    pub(crate) fn state_codes(&self, lifecycle: &Lifecycle) -> Vec<u8> {
        (0u8..)
            .zip(lifecycle.states())
            .filter(|(_, state)| self.has_state(state))
            .map(|(code, _)| code)
            .collect()
    }

    /// A misspelt state, or a text that no execution can have, is an error: it would never match.
    pub(crate) fn check(&self, lifecycle: &Lifecycle) -> Result<(), InputError> {
        if let Some(name) = self.states.iter().find(|name| lifecycle.state(name).is_none()) {
            return Err(InputError::UnknownState { state: name.into() });
        }
        if let Some(what) = self.twice {
            let reason = format!("it names two {what}, and no execution has both");
            return Err(InputError::Invalid { what: "query", reason });
        }
        let id = self.id_prefix.as_ref().filter(|_| self.whole_id);
        let ids = [("job id", self.job.as_ref()), ("parent", self.parent.as_ref())];
        for (what, text) in ids.into_iter().chain([("previous", self.previous.as_ref()), ("id", id)]) {
            text.map_or(Ok(()), |text| check_id(what, text))?;
        }
        check_len("namespace", self.namespace.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_len("id prefix", self.id_prefix.as_deref().unwrap_or_default(), MAX_ID)?;
        self.fields.check()?;
        for label in &self.labels {
            check_len("label key", &label.key, MAX_LABEL_KEY)?;
            for value in label.values.iter().flatten() {
                check_len("label value", value, MAX_LABEL_VALUE)?;
            }
        }
        if let Some((one, _)) = disjoint(&self.labels.iter().collect::<Vec<_>>()) {
            let reason = format!("it names two values of the label {:?}, and no execution has both", one.key);
            return Err(InputError::Invalid { what: "query", reason });
        }
        if self.limit == Some(0) {
            return Err(InputError::Invalid { what: "page limit", reason: "it is 0".into() });
        }
        Ok(())
    }

    /// The same for queries that hold for the same executions in the same order, however they were put together.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut f = Fingerprint::new();
        f.number(u64::from(self.names_states));
        f.set(self.states.iter().map(|state| &**state));
        let mut phases: Vec<_> = self.phases.iter().map(|phase| *phase as u64).collect();
        phases.sort_unstable();
        phases.dedup();
        f.number(phases.len() as u64);
        phases.into_iter().for_each(|phase| f.number(phase));
        for text in [&self.job, &self.namespace, &self.parent, &self.previous, &self.id_prefix] {
            f.optional(text.as_deref());
        }
        f.number(u64::from(self.whole_id));
        let mut labels: Vec<_> = self.labels.iter().map(LabelIs::fingerprint).collect();
        labels.sort_unstable();
        labels.dedup();
        f.number(labels.len() as u64);
        labels.into_iter().for_each(|label| f.number(label));
        for times in [self.created, self.modified, self.completed] {
            f.number(u64::from(times.is_some()));
            if let Some((least, greatest)) = times {
                f.number(least.as_nanos().cast_unsigned());
                f.number(greatest.as_nanos().cast_unsigned());
            }
        }
        f.number(self.order as u64);
        f.number(u64::from(self.newest_first));
        self.fields.fingerprint(&mut f);
        f.finish()
    }
}

/// Two conditions on one label that have no value in common, though each has some.
pub(crate) fn disjoint<'q>(labels: &[&'q LabelIs]) -> Option<(&'q LabelIs, &'q LabelIs)> {
    let pairs =
        (1..).zip(labels).flat_map(|(next, one)| labels.iter().skip(next).map(move |other| (*one, *other)));
    pairs.into_iter().find(|(one, other)| one.key == other.key && one.excludes(other))
}

/// Remembers if another was named already.
fn name_one(part: &mut Option<Text>, text: Text, what: &'static str, twice: &mut Option<&'static str>) {
    if part.as_ref().is_some_and(|known| *known != text) {
        twice.get_or_insert(what);
    }
    *part = Some(text);
}

/// The times that lie in both ranges.
fn both(known: Times, (least, greatest): (Timestamp, Timestamp)) -> Times {
    let (from, to) = known.unwrap_or((least, greatest));
    Some(ends(&(from.max(least)..=to.min(greatest))))
}

impl LabelIs {
    fn fingerprint(&self) -> u64 {
        let mut f = Fingerprint::new();
        f.text(&self.key);
        f.number(u64::from(self.values.is_some()));
        f.set(self.values.iter().flatten().map(|value| &**value));
        f.finish()
    }

    fn excludes(&self, other: &Self) -> bool {
        match (&self.values, &other.values) {
            (Some(one), Some(other)) => {
                !one.is_empty() && !other.is_empty() && !one.iter().any(|value| other.contains(value))
            }
            _ => false,
        }
    }

    fn holds(&self, header: &Header) -> bool {
        header
            .labels
            .get(&self.key)
            .is_some_and(|found| self.values.as_ref().is_none_or(|values| values.contains(found)))
    }
}

/// The ends of a range, both included. A range that is empty becomes one that holds nothing.
fn ends(times: &impl RangeBounds<Timestamp>) -> (Timestamp, Timestamp) {
    let nothing = (Timestamp::from_nanos(i64::MAX), Timestamp::from_nanos(i64::MIN));
    let least = match times.start_bound() {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(time) => Some(time.as_nanos()),
        Bound::Excluded(time) => time.as_nanos().checked_add(1),
    };
    let greatest = match times.end_bound() {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(time) => Some(time.as_nanos()),
        Bound::Excluded(time) => time.as_nanos().checked_sub(1),
    };
    match least.zip(greatest) {
        Some((least, greatest)) if least <= greatest => {
            (Timestamp::from_nanos(least), Timestamp::from_nanos(greatest))
        }
        _ => nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_what_is_asked() {
        let query = Query::new().state("New").live().label("a", "1").label_in("b", ["x", "y"]).job("j");
        let same = Query::new()
            .job("j")
            .label_in("b", ["y", "x", "x"])
            .live()
            .label("a", "1")
            .states(["New", "New"]);
        assert_eq!(query.fingerprint(), same.clone().limit(3).using(Access::Scan).fingerprint());
        let at = Timestamp::from_nanos(7);
        let others = [
            Query::new(),
            Query::new().states([""; 0]),
            query.clone().terminal(),
            query.clone().label("c", "1"),
            query.clone().has_label("a"),
            query.clone().node_id("n"),
            query.clone().name("n"),
            query.clone().desired(DesiredState::Stopped),
            query.clone().id_contains("n"),
            query.clone().job_contains("n"),
            query.clone().label_contains("n", ""),
            query.clone().label_contains("", "n"),
            query.clone().namespace("j"),
            query.clone().id("e"),
            query.clone().id_prefix("e"),
            query.clone().created(at..),
            query.clone().modified(at..),
            query.clone().oldest_first(),
            query.clone().order_by(OrderBy::Modified),
            query.clone(),
        ];
        let mut all: Vec<_> = others.iter().map(Query::fingerprint).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), others.len());
        // Cursors and names are kept: the number stays what it is.
        assert_eq!(Query::new().fingerprint(), 12_073_432_238_069_395_351);
    }

    #[test]
    fn ranges_of_times_have_the_ends_that_they_say() {
        let at = Timestamp::from_nanos;
        let end = |times: (Timestamp, Timestamp)| (times.0.as_nanos(), times.1.as_nanos());
        assert_eq!(end(ends(&(at(3)..at(5)))), (3, 4));
        assert_eq!(end(ends(&(at(3)..=at(5)))), (3, 5));
        assert_eq!(end(ends(&(..at(5)))), (i64::MIN, 4));
        assert_eq!(end(ends(&(at(5)..))), (5, i64::MAX));
        for empty in [ends(&(at(5)..at(5))), ends(&(..at(i64::MIN)))] {
            assert!(empty.0 > empty.1);
        }
    }
}
