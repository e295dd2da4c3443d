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
/// must be there. Conditions on the record look at it as it was right after the change, and for a deleted
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
    kinds: Vec<ChangeKind>,
    jobs: HashSet<Text>,
    executions: HashSet<Text>,
    namespaces: HashSet<Text>,
    entered: Vec<Text>,
    labels: Vec<(Text, Text)>,
    queries: Vec<Query>,
}

impl Filter {
    /// Every change.
    pub fn any() -> Self {
        Self::default()
    }

    /// Changes of this kind.
    pub fn kind(mut self, kind: ChangeKind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Changes to the executions of this job.
    pub fn job(mut self, job_id: impl Into<Text>) -> Self {
        self.jobs.insert(job_id.into());
        self
    }

    /// Changes to this execution.
    pub fn execution(mut self, id: impl Into<Text>) -> Self {
        self.executions.insert(id.into());
        self
    }

    /// Changes to executions of this namespace.
    pub fn namespace(mut self, namespace: impl Into<Text>) -> Self {
        self.namespaces.insert(namespace.into());
        self
    }

    /// Changes that brought an execution into this state, its creation in it included.
    pub fn entered(mut self, state: impl AsRef<str>) -> Self {
        self.entered.push(state.as_ref().into());
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
        let among = |set: &HashSet<Text>, value: &str| set.is_empty() || set.contains(value);
        (self.kinds.is_empty() || self.kinds.contains(&change.kind))
            && among(&self.jobs, header.job_id.as_str())
            && among(&self.executions, header.id.as_str())
            && among(&self.namespaces, &header.namespace)
            && (self.entered.is_empty() || self.has_entered(change))
            && self.labels.iter().all(|(key, value)| header.labels.get(key) == Some(value))
            && self.queries.iter().all(|query| query.matches(header))
    }

    fn has_entered(&self, change: &Change) -> bool {
        let (before, after) = (change.state_before(), change.state_after());
        after.is_some_and(|after| before != Some(after) && self.entered.iter().any(|state| *after == **state))
    }

    /// A misspelt state would never come.
    pub(crate) fn check_names(&self, lifecycle: &Lifecycle) -> Result<(), ReadError> {
        self.queries.iter().try_for_each(|query| query.check(lifecycle))?;
        match self.entered.iter().find(|name| lifecycle.state(name).is_none()) {
            Some(name) => Err(ReadError::UnknownState { state: name.into() }),
            None => Ok(()),
        }
    }
}
