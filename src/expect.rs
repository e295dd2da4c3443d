//! What must hold of an execution for a write to happen. Pure.

use std::fmt;

use crate::error::WriteError;
use crate::execution::Header;
use crate::id::Revision;
use crate::lifecycle::Lifecycle;

/// A condition on a write, checked in the same transaction, before anything is written.
///
/// ```
/// use execstore::{Expect, Revision};
/// let unclaimed = Expect::any().state("New").state("AskForBid");
/// let exactly = Expect::any().state("Running").revision(Revision(3));
/// let not_ended = Expect::any().not_states(["Completed", "Failed", "Cancelled"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Expect {
    states: Option<Vec<String>>,
    not_states: Vec<String>,
    revision: Option<Revision>,
}

impl Expect {
    /// No condition, but that the execution exists.
    pub const fn any() -> Self {
        Self { states: None, not_states: Vec::new(), revision: None }
    }

    /// The execution is in this state, or in another one that is named so.
    pub fn state(mut self, state: impl AsRef<str>) -> Self {
        self.states.get_or_insert_default().push(state.as_ref().to_owned());
        self
    }

    /// The execution is in one of these states; of an empty list in none, so that the write is refused, unless others are named.
    pub fn states(mut self, states: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.states.get_or_insert_default().extend(states.into_iter().map(|state| state.as_ref().to_owned()));
        self
    }

    /// The execution is not in this state.
    pub fn not_state(mut self, state: impl AsRef<str>) -> Self {
        self.not_states.push(state.as_ref().to_owned());
        self
    }

    /// The execution is in none of these states.
    pub fn not_states(mut self, states: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.not_states.extend(states.into_iter().map(|state| state.as_ref().to_owned()));
        self
    }

    /// The execution has this revision.
    pub fn revision(mut self, revision: impl Into<Revision>) -> Self {
        self.revision = Some(revision.into());
        self
    }

    /// A misspelt state would be a condition that always fails, or never: it is an error instead.
    pub(crate) fn check_names(&self, lifecycle: &Lifecycle) -> Result<(), WriteError> {
        match self
            .states
            .iter()
            .flatten()
            .chain(&self.not_states)
            .find(|name| lifecycle.state(name).is_none())
        {
            Some(name) => Err(WriteError::UnknownState { state: name.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn check(&self, found: &Header) -> Result<(), WriteError> {
        let state = found.state.as_str();
        let holds = self.states.as_ref().is_none_or(|states| states.iter().any(|expected| expected == state))
            && !self.not_states.iter().any(|refused| refused == state)
            && self.revision.is_none_or(|expected| expected == found.revision);
        if holds {
            return Ok(());
        }
        Err(WriteError::Conflict {
            id: found.id.clone(),
            expected: Box::new(self.clone()),
            actual_state: found.state.clone(),
            actual_revision: found.revision,
        })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match self.states.as_deref() {
            Some([]) => parts.push("a state among none".to_owned()),
            Some(states) => parts.push(format!("state {}", states.join(" or "))),
            None => {}
        }
        if !self.not_states.is_empty() {
            parts.push(format!("state not {}", self.not_states.join(" nor ")));
        }
        if let Some(revision) = self.revision {
            parts.push(format!("revision {revision}"));
        }
        f.write_str(if parts.is_empty() { "anything" } else { "" })?;
        f.write_str(&parts.join(" and "))
    }
}
