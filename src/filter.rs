//! Which changes a watcher is interested in. Pure.

use std::collections::HashSet;

use crate::change::{Change, ChangeKind};
use crate::error::ReadError;
use crate::lifecycle::Lifecycle;
use crate::query::Query;
use crate::text::Text;

/// Which changes to see: those that every part of the filter lets through.
///
/// A part that is named several times lets through what any of its values does, but for labels, all of which
/// must be there. A part of which an empty list was named lets nothing through. Conditions on the record look at it as it was right after the change, and for a deleted
/// execution at the last one.
///
/// ```
/// use execstore::{ChangeKind, Filter};
/// let ended = Filter::any().entered("Completed").entered("Failed");
/// let mine = Filter::any().job("job-1").label("zone", "eu-1").kind(ChangeKind::Updated);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    kinds: Option<Vec<ChangeKind>>,
    jobs: Option<HashSet<Text>>,
    executions: Option<HashSet<Text>>,
    namespaces: Option<HashSet<Text>>,
    entered: Option<Vec<Text>>,
    labels: Vec<(Text, Text)>,
    queries: Vec<Query>,
}

impl Filter {
    /// Every change.
    pub fn any() -> Self {
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
    pub fn job(self, job_id: impl Into<Text>) -> Self {
        self.jobs([job_id])
    }

    /// Changes to the executions of one of these jobs.
    pub fn jobs(mut self, job_ids: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.jobs.get_or_insert_default().extend(job_ids.into_iter().map(Into::into));
        self
    }

    /// Changes to executions of this id, one after another if it is deleted and made again.
    pub fn execution(self, id: impl Into<Text>) -> Self {
        self.executions([id])
    }

    /// Changes to executions of one of these ids.
    pub fn executions(mut self, ids: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.executions.get_or_insert_default().extend(ids.into_iter().map(Into::into));
        self
    }

    /// Changes to executions of this namespace.
    pub fn namespace(self, namespace: impl Into<Text>) -> Self {
        self.namespaces([namespace])
    }

    /// Changes to executions of one of these namespaces.
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = impl Into<Text>>) -> Self {
        self.namespaces.get_or_insert_default().extend(namespaces.into_iter().map(Into::into));
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
    pub fn label(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.labels.push((key.into(), value.into()));
        self
    }

    /// Changes to executions for which the conditions of a query hold, right after the change, as
    /// [`Query::matches`](crate::Query::matches) says.
    pub fn matching(mut self, query: Query) -> Self {
        self.queries.push(query);
        self
    }

    /// `true` if the filter lets the change through.
    pub fn matches(&self, change: &Change) -> bool {
        let header = &change.header;
        let among =
            |set: &Option<HashSet<Text>>, value: &str| set.as_ref().is_none_or(|set| set.contains(value));
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&change.kind))
            && among(&self.jobs, header.job_id.as_str())
            && among(&self.executions, header.id.as_str())
            && among(&self.namespaces, &header.namespace)
            && self.entered.as_ref().is_none_or(|states| has_entered(change, states))
            && self.labels.iter().all(|(key, value)| header.labels.get(key) == Some(value))
            && self.queries.iter().all(|query| query.matches(header))
    }

    /// A misspelt state would never come.
    pub(crate) fn check_names(&self, lifecycle: &Lifecycle) -> Result<(), ReadError> {
        self.queries.iter().try_for_each(|query| query.check(lifecycle))?;
        match self.entered.iter().flatten().find(|name| lifecycle.state(name).is_none()) {
            Some(name) => Err(ReadError::UnknownState { state: name.into() }),
            None => Ok(()),
        }
    }
}

fn has_entered(change: &Change, states: &[Text]) -> bool {
    let (before, after) = (change.state_before(), change.state_after());
    after.is_some_and(|after| before != Some(after) && states.iter().any(|state| *after == **state))
}
