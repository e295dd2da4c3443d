//! Which changes a watcher is interested in. Pure.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::model::change::{Change, ChangeKind};
use crate::model::execution::Header;
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::limits::{InputError, check_name};
use crate::model::query::{LabelIs, Query, disjoint};
use crate::model::text::Text;
use crate::model::touch::{EVERYTHING, Kind, bucket_keys, key};

/// With more alternatives than this it is cheaper to be woken for nothing.
const MAX_KEYS: usize = 256;

/// Which changes to see: those that every part of the filter lets through.
///
/// A part that is named several times lets through what any of its values does, but for labels, all of which
/// must be there. A part of which an empty list was named lets nothing through. Parts that exclude each other, two values of a label or a job that a
/// query is not about, are a mistake: they are refused where the filter is used, with [`InputError::Invalid`](crate::error::InputError::Invalid). Conditions on the record look at it as it was right after the change, and for a deleted
/// execution at the last one; [`including_left`](Filter::including_left) has them look at the record before as well.
///
/// ```
/// use execstore::{ChangeKind, Filter};
/// let ended = Filter::new().entered("Completed").entered("Failed");
/// let mine = Filter::new().job("job-1").label("zone", "eu-1").kind(ChangeKind::Updated);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    pub(super) kinds: Option<Vec<ChangeKind>>,
    pub(super) jobs: Option<HashSet<Text>>,
    pub(super) executions: Option<HashSet<Text>>,
    pub(super) namespaces: Option<HashSet<Text>>,
    pub(super) entered: Option<Vec<Text>>,
    pub(super) labels: Vec<(Text, Text)>,
    pub(super) queries: Vec<Query>,
    pub(super) left: bool,
    /// By the names on the way to each.
    pub(super) buckets: Option<Vec<Vec<Text>>>,
}

/// How an execution came to be let through: see [`Filter::matched`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// The filter holds for it since this change, its creation perhaps.
    Entered,
    /// The filter held for it before, and holds still.
    Stayed,
    /// The filter held for it before, and does not any more: it changed, or was deleted.
    Left,
}

impl Filter {
    /// Every change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes of this kind.
    pub fn kind(self, kind: ChangeKind) -> Self {
        self.kinds([kind])
    }

    /// Changes of one of these kinds.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = ChangeKind>) -> Self {
        self.kinds.get_or_insert_default().extend(kinds);
        self
    }

    /// Changes to the executions of this job.
    pub fn job(self, job_id: impl AsRef<str>) -> Self {
        self.jobs([job_id])
    }

    /// Changes to the executions of one of these jobs.
    pub fn jobs(mut self, job_ids: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.jobs.get_or_insert_default().extend(job_ids.into_iter().map(|text| Text::from(text.as_ref())));
        self
    }

    /// Changes to executions of this id, one after another if it is deleted and made again.
    pub fn execution(self, id: impl AsRef<str>) -> Self {
        self.executions([id])
    }

    /// Changes to executions of one of these ids.
    pub fn executions(mut self, ids: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.executions.get_or_insert_default().extend(ids.into_iter().map(|text| Text::from(text.as_ref())));
        self
    }

    /// Changes to executions of this namespace.
    pub fn namespace(self, namespace: impl AsRef<str>) -> Self {
        self.namespaces([namespace])
    }

    /// Changes to executions of one of these namespaces.
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.namespaces
            .get_or_insert_default()
            .extend(namespaces.into_iter().map(|text| Text::from(text.as_ref())));
        self
    }

    /// Changes that brought an execution into this state, its creation in it included.
    pub fn entered(self, state: impl AsRef<str>) -> Self {
        self.entered_any([state])
    }

    /// Changes that brought an execution into one of these states.
    pub fn entered_any(mut self, states: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let states = states.into_iter().map(|state| Text::from(state.as_ref()));
        self.entered.get_or_insert_default().extend(states);
        self
    }

    /// Changes to executions that have this label.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels.push((Text::from(key.as_ref()), Text::from(value.as_ref())));
        self
    }

    /// Changes to executions for which the conditions of a query hold, right after the change, as
    /// [`Query::matches`](crate::Query::matches) says: its direction, limit, cursor and way have no meaning here and do not matter. Of several
    /// queries all must hold.
    pub fn matching(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    /// Changes to rows of this bucket, which lies in no other, and its deletion. Its rows must be
    /// [logged](crate::buckets::BucketMut::set_logged). What a filter asks of executions lets nothing of a bucket through, and this
    /// nothing of an execution.
    pub fn bucket(self, name: impl AsRef<str>) -> Self {
        self.bucket_at([name])
    }

    /// The same for a bucket anywhere: the names on the way to it, the outermost first. Lets through also the deletion of a bucket that
    /// it lies in. If several are named, changes to any of them.
    pub fn bucket_at(mut self, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let path = path.into_iter().map(|name| Text::from(name.as_ref())).collect();
        self.buckets.get_or_insert_default().push(path);
        self
    }

    /// Lets through also the changes by which an execution leaves: those after which the conditions on the record do not hold
    /// any more, but did before. [`matched`](Filter::matched) tells them from the others. Whoever keeps a copy of what matches
    /// needs it to know what to remove.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use execstore::watch::WatchFrom;
    /// # use execstore::{NewExecution, Query, Store, Update};
    /// use execstore::Filter;
    /// use execstore::query::Match;
    /// # let store = Store::in_memory()?;
    /// let filter = Filter::new().matching(Query::new().live()).including_left();
    /// let mut watcher = store.watch(WatchFrom::Latest, filter.clone())?;
    /// store.create(NewExecution::new("j").id("e").state("Running"))?;
    /// store.update("e", Update::to("Completed"))?;
    /// let changes = watcher.next_batch(100, Duration::from_secs(1))?;
    /// let how: Vec<_> = changes.iter().map(|change| filter.matched(change)).collect();
    /// assert_eq!(how, [Some(Match::Entered), Some(Match::Left)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn including_left(mut self) -> Self {
        self.left = true;
        self
    }

    /// The kind of keys and the keys under which to wait for what the filter lets through. Any part will do, since all of them must
    /// hold: the one that the fewest changes have.
    pub(crate) fn keys(&self) -> (u16, Vec<u64>) {
        fn of<'a>(kind: Kind, texts: impl Iterator<Item = &'a Text>) -> (u16, Vec<u64>) {
            (kind as u16, texts.map(|text| key(kind, text, "")).collect())
        }
        let asked = self.queries.iter();
        if let Some(paths) = self.buckets.as_ref().filter(|paths| paths.len() <= MAX_KEYS) {
            let keys = paths.iter().flat_map(|path| bucket_keys(path.iter().map(|name| &**name)));
            return (Kind::Bucket as u16, keys.collect());
        }
        if let Some(ids) = self.executions.as_ref().filter(|ids| ids.len() <= MAX_KEYS) {
            return of(Kind::Execution, ids.iter());
        }
        if let Some(id) = asked.clone().find_map(|query| query.id_prefix.as_ref().filter(|_| query.whole_id))
        {
            return of(Kind::Execution, std::iter::once(id));
        }
        if let Some(jobs) = self.jobs.as_ref().filter(|jobs| jobs.len() <= MAX_KEYS) {
            return of(Kind::Job, jobs.iter());
        }
        if let Some(job) = asked.clone().find_map(|query| query.job.as_ref()) {
            return of(Kind::Job, std::iter::once(job));
        }
        if let Some((label, value)) = self.labels.first() {
            return (Kind::Label as u16, vec![key(Kind::Label, label, value)]);
        }
        if let Some(states) = self.entered.as_ref().filter(|states| states.len() <= MAX_KEYS) {
            return of(Kind::Entered, states.iter());
        }
        if let Some(names) = self.namespaces.as_ref().filter(|names| names.len() <= MAX_KEYS) {
            return of(Kind::Namespace, names.iter());
        }
        if let Some(name) = asked.clone().find_map(|query| query.namespace.as_ref()) {
            return of(Kind::Namespace, std::iter::once(name));
        }
        (0, vec![EVERYTHING])
    }

    /// `true` if the filter lets the change through.
    pub fn matches(&self, change: &Change) -> bool {
        if let Some(path) = change.bucket() {
            return self.matches_bucket(change.kind, path);
        }
        self.is_of_kind(change)
            && (change.header().is_some_and(|header| self.holds(header))
                || (self.left && change.before().is_some_and(|before| self.holds(&before))))
    }

    /// The same for a change to a bucket.
    pub(crate) fn matches_bucket(&self, kind: ChangeKind, path: &[Text]) -> bool {
        let holds = |asked: &Vec<Text>| match kind {
            ChangeKind::BucketDeleted => asked.starts_with(path),
            _ => asked == path,
        };
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && !self.asks_for_executions()
            && self.buckets.as_ref().is_none_or(|paths| paths.iter().any(holds))
    }

    fn asks_for_executions(&self) -> bool {
        let Self { kinds: _, jobs, executions, namespaces, entered, labels, queries, left: _, buckets: _ } =
            self;
        [jobs, executions, namespaces].into_iter().any(Option::is_some)
            || entered.is_some()
            || !(labels.is_empty() && queries.is_empty())
    }

    /// `true` if [`may_match`](Self::may_match) can say no.
    pub(crate) fn can_leave_early(&self) -> bool {
        self.kinds.is_some() || self.buckets.is_some() || self.asks_for_executions()
    }

    /// `false` if the filter lets no change of an execution of this kind, execution, job and state after it through. All of them stand at the
    /// beginning of an entry; of these the execution and its job are the same before the change.
    pub(crate) fn may_match(&self, kind: ChangeKind, id: &str, job: &str, state: Option<&State>) -> bool {
        let among =
            |set: &Option<HashSet<Text>>, value: &str| set.as_ref().is_none_or(|set| set.contains(value));
        let has_come =
            |states: &Vec<Text>| state.is_none_or(|state| states.iter().any(|name| *name == *state.as_str()));
        self.buckets.is_none()
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
            && self.entered.as_ref().is_none_or(has_come)
            && among(&self.jobs, job)
            && among(&self.executions, id)
            && self.queries.iter().all(|query| query.may_match(id, job, state.filter(|_| !self.left)))
    }

    /// How the execution stands to the conditions on the record, before and after the change: `None` if they hold neither
    /// before nor after, or if the change is not of a kind, or into a state, that the filter names. A deleted execution for which they
    /// held has left. Of a change to a bucket there is nothing to tell: `None`.
    pub fn matched(&self, change: &Change) -> Option<Match> {
        let before = change.before().is_some_and(|before| self.holds(&before));
        let after = change.after().is_some_and(|after| self.holds(after));
        match (before, after) {
            _ if !self.is_of_kind(change) => None,
            (false, true) => Some(Match::Entered),
            (true, true) => Some(Match::Stayed),
            (true, false) => Some(Match::Left),
            (false, false) => None,
        }
    }

    fn is_of_kind(&self, change: &Change) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&change.kind))
            && self.entered.as_ref().is_none_or(|states| has_entered(change, states))
            && self.buckets.is_none()
    }

    /// The conditions on the record.
    fn holds(&self, header: &Header) -> bool {
        let among =
            |set: &Option<HashSet<Text>>, value: &str| set.as_ref().is_none_or(|set| set.contains(value));
        among(&self.jobs, header.job_id.as_str())
            && among(&self.executions, header.id.as_str())
            && among(&self.namespaces, &header.namespace)
            && self.labels.iter().all(|(key, value)| header.labels.get(key) == Some(value))
            && self.queries.iter().all(|query| query.matches(header))
    }

    /// A misspelt state would never come.
    pub(crate) fn check_names(&self, lifecycle: &Lifecycle) -> Result<(), InputError> {
        self.queries.iter().try_for_each(|query| query.check(lifecycle))?;
        for path in self.buckets.iter().flatten() {
            if path.is_empty() {
                return Err(InputError::Invalid { what: "bucket name", reason: "there is none".into() });
            }
            path.iter().try_for_each(|name| check_name("bucket name", name))?;
        }
        if let Some(name) = self.entered.iter().flatten().find(|name| lifecycle.state(name).is_none()) {
            return Err(InputError::UnknownState { state: name.into() });
        }
        match self.contradiction(lifecycle) {
            Some(reason) => Err(InputError::Invalid { what: "filter", reason: reason.into() }),
            None => Ok(()),
        }
    }

    /// Why it can never let anything through, though each of its parts lets something through.
    fn contradiction(&self, lifecycle: &Lifecycle) -> Option<&'static str> {
        let of_rows = |kind: &ChangeKind| {
            matches!(kind, ChangeKind::RowPut | ChangeKind::RowDeleted | ChangeKind::BucketDeleted)
        };
        let kinds = self.kinds.as_ref().filter(|kinds| !kinds.is_empty());
        let only_rows = kinds.is_some_and(|kinds| kinds.iter().all(of_rows));
        let no_rows = kinds.is_some_and(|kinds| !kinds.iter().any(of_rows));
        let asks_for_buckets = self.buckets.is_some();
        if (self.asks_for_executions() && (asks_for_buckets || only_rows)) || (asks_for_buckets && no_rows) {
            return Some("no change is about an execution and about a bucket");
        }
        if part_excludes(&self.jobs, self.queries.iter().filter_map(|query| query.job.as_ref())) {
            return Some("no execution has all the jobs that it asks for");
        }
        let ids =
            self.queries.iter().filter(|query| query.whole_id).filter_map(|query| query.id_prefix.as_ref());
        if part_excludes(&self.executions, ids) {
            return Some("no execution has all the ids that it asks for");
        }
        let names = self.queries.iter().filter_map(|query| query.namespace.as_ref());
        if part_excludes(&self.namespaces, names) {
            return Some("no execution has all the namespaces that it asks for");
        }
        let own = self.labels.iter();
        let own: Vec<_> =
            own.map(|(key, value)| LabelIs { key: key.clone(), values: Some(vec![value.clone()]) }).collect();
        let asked = self.queries.iter().flat_map(|query| &query.labels);
        if disjoint(&own.iter().chain(asked).collect::<Vec<_>>()).is_some() {
            return Some("no execution has all the values of a label that it asks for");
        }
        let entered = self.entered.as_ref().filter(|states| !states.is_empty());
        let only_deleted = |kinds: &Vec<ChangeKind>| {
            !kinds.is_empty() && kinds.iter().all(|kind| *kind == ChangeKind::Deleted)
        };
        if entered.is_some() && self.kinds.as_ref().is_some_and(only_deleted) {
            return Some("who is deleted enters no state");
        }
        // Who enters a state may leave what a query is about.
        let entered = entered.filter(|_| !self.left);
        let entered = |state: &str| entered.is_none_or(|states| states.iter().any(|name| *name == *state));
        let asked: Vec<_> = self.queries.iter().map(|query| query.state_codes(lifecycle)).collect();
        let mut states = (0u8..).zip(lifecycle.states());
        let left = states
            .any(|(code, state)| entered(state.as_str()) && asked.iter().all(|codes| codes.contains(&code)));
        let each_alone = asked.iter().all(|codes| !codes.is_empty());
        (!left && each_alone).then_some("no state is left that it could let through")
    }
}

/// An execution has only one of what is asked for: so the queries, and one of the alternatives, must name the same.
fn part_excludes<'q>(
    alternatives: &Option<HashSet<Text>>,
    mut asked: impl Iterator<Item = &'q Text>,
) -> bool {
    let Some(first) = asked.next() else { return false };
    let alternatives = alternatives.as_ref().filter(|texts| !texts.is_empty());
    alternatives.is_some_and(|texts| !texts.contains(first)) || asked.any(|other| other != first)
}

fn has_entered(change: &Change, states: &[Text]) -> bool {
    let (before, after) = (change.state_before(), change.state_after());
    after.is_some_and(|after| before != Some(after) && states.iter().any(|state| *after == **state))
}
