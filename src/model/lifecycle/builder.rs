//! Building a lifecycle, and what is wrong with one that cannot be. Pure.

use super::{Lifecycle, Node, Phase, State};
use crate::model::limits::{MAX_STATE_NAME, MAX_STATES};

/// A lifecycle that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// More states than the format can number.
    #[error("{actual} states are more than the maximum of {maximum}")]
    TooManyStates {
        /// How many there are.
        actual: usize,
        /// How many are accepted.
        maximum: usize,
    },
    /// A state's name is empty or too long.
    #[error("the state name {name:?} has {actual} bytes, not 1 to {maximum}")]
    Name {
        /// The name.
        name: String,
        /// Its length in bytes.
        actual: usize,
        /// The longest accepted.
        maximum: usize,
    },
    /// A state is declared twice.
    #[error("the state {name:?} is declared twice")]
    Duplicate {
        /// Its name.
        name: String,
    },
    /// Every state is terminal, so no execution could begin.
    #[error("no state is pending or live, so no execution could begin")]
    NoInitialState,
    /// A transition names a state that is not declared.
    #[error("a transition names the state {name:?}, which is not declared")]
    UnknownState {
        /// The name.
        name: String,
    },
    /// A transition leads out of a terminal state.
    #[error("the transition from {from:?} to {to:?} leaves a terminal state")]
    LeavesTerminal {
        /// The terminal state.
        from: String,
        /// Where the transition leads.
        to: String,
    },
}

/// Builds a [`Lifecycle`]; made by [`Lifecycle::builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct LifecycleBuilder {
    states: Vec<(String, Phase)>,
    transitions: Vec<(String, String)>,
}

impl LifecycleBuilder {
    /// Adds a state of the given phase.
    pub fn state(mut self, name: impl AsRef<str>, phase: Phase) -> Self {
        self.states.push((name.as_ref().to_owned(), phase));
        self
    }

    /// Adds a pending state.
    pub fn pending(self, name: impl AsRef<str>) -> Self {
        self.state(name, Phase::Pending)
    }

    /// Adds a live state.
    pub fn live(self, name: impl AsRef<str>) -> Self {
        self.state(name, Phase::Live)
    }

    /// Adds a terminal state.
    pub fn terminal(self, name: impl AsRef<str>) -> Self {
        self.state(name, Phase::Terminal)
    }

    /// Allows one transition.
    pub fn transition(mut self, from: impl AsRef<str>, to: impl AsRef<str>) -> Self {
        self.transitions.push((from.as_ref().to_owned(), to.as_ref().to_owned()));
        self
    }

    /// Allows the transitions from one state to several.
    pub fn transitions(
        mut self,
        from: impl AsRef<str>,
        to: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Self {
        for to in to {
            self = self.transition(&from, to);
        }
        self
    }

    /// Checks and makes the lifecycle: at least one state that an execution can begin in, names of 1 to 64
    /// bytes and no name twice, at most 250 states, transitions between declared states and none out of a
    /// terminal one.
    pub fn build(self) -> Result<Lifecycle, LifecycleError> {
        if self.states.len() > MAX_STATES {
            return Err(LifecycleError::TooManyStates { actual: self.states.len(), maximum: MAX_STATES });
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(self.states.len());
        for ((name, phase), code) in self.states.into_iter().zip(0u8..) {
            if name.is_empty() || name.len() > MAX_STATE_NAME {
                return Err(LifecycleError::Name { actual: name.len(), maximum: MAX_STATE_NAME, name });
            }
            if nodes.iter().any(|node| node.state == name.as_str()) {
                return Err(LifecycleError::Duplicate { name });
            }
            nodes.push(Node { state: State::new(&name, phase, code), successors: Vec::new() });
        }
        if nodes.iter().all(|node| node.state.is_terminal()) {
            return Err(LifecycleError::NoInitialState);
        }
        let mut lifecycle = Lifecycle { nodes };
        for (from, to) in self.transitions {
            let Some(to_code) = lifecycle.code(&to) else {
                return Err(LifecycleError::UnknownState { name: to });
            };
            let from_code = lifecycle.code(&from);
            let Some(node) = from_code.and_then(|code| lifecycle.nodes.get_mut(code as usize)) else {
                return Err(LifecycleError::UnknownState { name: from });
            };
            if node.state.is_terminal() {
                return Err(LifecycleError::LeavesTerminal { from, to });
            }
            if let Err(place) = node.successors.binary_search(&to_code) {
                node.successors.insert(place, to_code);
            }
        }
        Ok(lifecycle)
    }
}
