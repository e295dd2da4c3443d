//! What a caller asks of the history: which executions, and in which order. Pure.

mod conditions;
mod fields;
mod json;
mod labels;
mod order;
mod page;
mod plan;
mod times;

use std::ops::RangeBounds;

use crate::model::execution::DesiredState;
use crate::model::lifecycle::Phase;
use crate::model::text::Text;
use crate::model::time::Timestamp;

use fields::{Contained, Fields};
pub(crate) use labels::{LabelIs, disjoint};
pub use order::OrderBy;
pub(crate) use page::Position;
pub use page::{Cursor, Page};
pub use plan::{Access, QueryPlan};
pub(crate) use times::Times;
use times::{both, ends};

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

    /// In a pending state: what a worker looks for, oldest first.
    ///
    /// ```
    /// # use execstore::{NewExecution, Query, Readable, Store, Update};
    /// # let store = Store::in_memory()?;
    /// store.create(NewExecution::new("nightly"))?;
    /// store.create(NewExecution::new("nightly").state("Running"))?;
    /// let reader = store.begin_read()?;
    /// for waiting in reader.query(&Query::new().pending().oldest_first()).summaries()? {
    ///     assert_eq!(waiting?.state, "New");
    /// }
    /// assert_eq!(reader.query(&Query::new().pending()).count()?, 1);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn pending(self) -> Self {
        self.phase(Phase::Pending)
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
    pub fn job(mut self, job_id: impl AsRef<str>) -> Self {
        name_one(&mut self.job, Text::from(job_id.as_ref()), "jobs", &mut self.twice);
        self
    }

    /// Of this namespace.
    pub fn namespace(mut self, namespace: impl AsRef<str>) -> Self {
        name_one(&mut self.namespace, Text::from(namespace.as_ref()), "namespaces", &mut self.twice);
        self
    }

    /// With this label.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels
            .push(LabelIs { key: Text::from(key.as_ref()), values: Some(vec![Text::from(value.as_ref())]) });
        self
    }

    /// With a label of this key and one of these values; of an empty list with none.
    pub fn label_in(
        mut self,
        key: impl AsRef<str>,
        values: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        let mut values: Vec<Text> = values.into_iter().map(|text| Text::from(text.as_ref())).collect();
        values.sort_unstable();
        values.dedup();
        self.labels.push(LabelIs { key: Text::from(key.as_ref()), values: Some(values) });
        self
    }

    /// With a label of this key, whatever its value.
    pub fn has_label(mut self, key: impl AsRef<str>) -> Self {
        self.labels.push(LabelIs { key: Text::from(key.as_ref()), values: None });
        self
    }

    /// On this node, or on another that is named so. No index has nodes: see [`id_contains`](Query::id_contains) for what that costs.
    pub fn node_id(mut self, node_id: impl AsRef<str>) -> Self {
        self.fields.nodes.push(Text::from(node_id.as_ref()));
        self
    }

    /// Of this name, or of another that is named so. Names have no index, either.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.fields.names.push(Text::from(name.as_ref()));
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
    pub fn id_contains(mut self, text: impl AsRef<str>) -> Self {
        self.fields.contained.push(Contained::Id(Text::from(text.as_ref())));
        self
    }

    /// Of a job whose id has this text somewhere in it: a filter like [`id_contains`](Query::id_contains).
    pub fn job_contains(mut self, text: impl AsRef<str>) -> Self {
        self.fields.contained.push(Contained::Job(Text::from(text.as_ref())));
        self
    }

    /// With a label of this key whose value has this text somewhere in it: a filter like [`id_contains`](Query::id_contains).
    pub fn label_contains(mut self, key: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        self.fields.contained.push(Contained::Label(Text::from(key.as_ref()), Text::from(text.as_ref())));
        self
    }

    /// With this parent: the execution that has the id now, or if nobody has it, any that had it. [`matches`](Query::matches), which
    /// knows no store, goes by the id alone.
    pub fn parent(mut self, parent: impl AsRef<str>) -> Self {
        name_one(&mut self.parent, Text::from(parent.as_ref()), "parents", &mut self.twice);
        self
    }

    /// That replace this attempt. Of its id the same holds.
    pub fn previous(mut self, previous: impl AsRef<str>) -> Self {
        name_one(&mut self.previous, Text::from(previous.as_ref()), "previous attempts", &mut self.twice);
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
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.name_id(Text::from(id.as_ref()), true);
        self
    }

    /// Whose ids begin so.
    pub fn id_prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.name_id(Text::from(prefix.as_ref()), false);
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

    /// Has the query answered in this way, or by a scan if it has no condition for it. The answer is the same.
    ///
    /// Left alone, the store chooses the way with the fewest candidates, and it knows how many there are of each. It does not know which
    /// of them the other conditions leave, nor where in an order the matches are. Whoever knows that of their own data can say so, and
    /// measure both; [`explain`](crate::query::Selection::explain) tells what is chosen.
    ///
    /// ```
    /// # use execstore::query::Access;
    /// # use execstore::{NewExecution, Query, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("nightly").label("zone", "eu"))?;
    /// let query = Query::new().job("nightly").label("zone", "eu").using(Access::Job);
    /// let reader = store.begin_read()?;
    /// assert_eq!(reader.query(&query).explain()?.access, Access::Job);
    /// assert_eq!(reader.query(&query).count()?, 1);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn using(mut self, access: Access) -> Self {
        self.using = Some(access);
        self
    }
}

/// Remembers if another was named already.
fn name_one(part: &mut Option<Text>, text: Text, what: &'static str, twice: &mut Option<&'static str>) {
    if part.as_ref().is_some_and(|known| *known != text) {
        twice.get_or_insert(what);
    }
    *part = Some(text);
}
