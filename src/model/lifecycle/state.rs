//! A state, and the phase that it is in. Pure.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What a state means to the node that owns the execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not started: no resources are in use yet.
    Pending,
    /// Holding resources: what a node must look after when it starts again.
    Live,
    /// Ended. A terminal execution never changes state.
    Terminal,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Pending => "pending",
            Phase::Live => "live",
            Phase::Terminal => "terminal",
        })
    }
}

/// A state of a store's [`Lifecycle`](super::Lifecycle). Cheap to clone; compares with text.
#[derive(Clone)]
pub struct State {
    name: Arc<str>,
    phase: Phase,
    /// The number by which the file knows it: its place in the declaration of the lifecycle that made it.
    code: u8,
}

impl State {
    pub(super) fn new(name: &str, phase: Phase, code: u8) -> Self {
        Self { name: name.into(), phase, code }
    }

    /// The state's name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Whether the state is pending, live or terminal.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// `true` for a state that holds resources.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// `true` for a state that ends an execution.
    pub fn is_terminal(&self) -> bool {
        self.phase == Phase::Terminal
    }

    /// The caller's own enum value of this name, if it has one.
    pub fn to_enum<S: States>(&self) -> Option<&'static S> {
        S::ALL.iter().find(|state| state.as_ref() == self.as_str())
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.name == other.name
    }
}

impl Eq for State {}

impl std::hash::Hash for State {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.name.hash(hasher);
    }
}

impl PartialEq<str> for State {
    fn eq(&self, other: &str) -> bool {
        &*self.name == other
    }
}

impl PartialEq<&str> for State {
    fn eq(&self, other: &&str) -> bool {
        &*self.name == *other
    }
}

impl AsRef<str> for State {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

/// The caller's own enum as the states of a store: see [`Lifecycle::of`](super::Lifecycle::of).
///
/// `as_ref()` is the state's name. The order of [`ALL`](States::ALL) only matters in listings.
pub trait States: AsRef<str> + Sized + 'static {
    /// Every state.
    const ALL: &'static [Self];

    /// Whether the state is pending, live or terminal.
    fn phase(&self) -> Phase;

    /// The states that may follow this one. Empty for a terminal state.
    fn successors(&self) -> &'static [Self];
}
