//! The states of a store's executions and the allowed transitions between them. Pure.

use std::fmt;
use std::sync::Arc;

use crate::model::limits::{MAX_STATE_NAME, MAX_STATES};

/// The groups of states that are no state's code: see `docs/format.md`.
const PENDING_GROUP: u8 = 250;
const LIVE_GROUP: u8 = 251;

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

/// What a state means to the node that owns the execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// A state of a store's [`Lifecycle`]. Cheap to clone; compares with text.
#[derive(Clone)]
pub struct State {
    name: Arc<str>,
    phase: Phase,
    /// The number by which the file knows it: its place in the declaration of the lifecycle that made it.
    code: u8,
}

impl State {
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

/// The caller's own enum as the states of a store: see [`Lifecycle::of`].
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

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    state: State,
    /// Indexes into `Lifecycle::nodes`, sorted.
    successors: Vec<u8>,
}

/// The named states of a store and the allowed transitions, recorded in its file.
///
/// The default, [`Lifecycle::compute_node`], is that of a compute node that bids for work:
///
/// | from | phase | to |
/// | --- | --- | --- |
/// | `New` | pending | `AskForBid`, `BidAccepted`, `Failed`, `Cancelled` |
/// | `AskForBid` | pending | `AskForBidAccepted`, `AskForBidRejected`, `Failed`, `Cancelled` |
/// | `AskForBidAccepted` | pending | `BidAccepted`, `BidRejected`, `Failed`, `Cancelled` |
/// | `AskForBidRejected` | terminal | |
/// | `BidAccepted` | live | `Running`, `Failed`, `Cancelled` |
/// | `Running` | live | `Publishing`, `Completed`, `Failed`, `Cancelled` |
/// | `Publishing` | live | `Completed`, `Failed`, `Cancelled` |
/// | `BidRejected` | terminal | |
/// | `Completed` | terminal | |
/// | `Failed` | terminal | |
/// | `Cancelled` | terminal | |
///
/// The names are those of Bacalhau's compute node. A step is never skipped backwards, and `BidAccepted`
/// follows `New` directly where a node is given work without bidding.
///
/// A state that is already set is not a transition: asking for `Running` in `Running` is refused unless the
/// lifecycle says so, because the second of two workers that claim the same execution must be told.
///
/// # Example
///
/// ```
/// use execstore::lifecycle::Lifecycle;
///
/// let lifecycle = Lifecycle::builder()
///     .pending("Queued")
///     .live("Running")
///     .live("Paused")
///     .terminal("Completed")
///     .terminal("Failed")
///     .transition("Queued", "Running")
///     .transitions("Running", ["Paused", "Completed", "Failed"])
///     .transitions("Paused", ["Running", "Failed"])
///     .build()?;
/// assert!(lifecycle.allows("Paused", "Running"));
/// assert!(!lifecycle.allows("Queued", "Completed"));
/// # Ok::<(), execstore::error::LifecycleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    nodes: Vec<Node>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::compute_node()
    }
}

impl Lifecycle {
    /// Begins an empty lifecycle.
    pub fn builder() -> LifecycleBuilder {
        LifecycleBuilder::default()
    }

    /// The lifecycle of a compute node, the default.
    pub fn compute_node() -> Self {
        const ENDS: [&str; 2] = ["Failed", "Cancelled"];
        let built = Self::builder()
            .pending("New")
            .pending("AskForBid")
            .pending("AskForBidAccepted")
            .terminal("AskForBidRejected")
            .live("BidAccepted")
            .live("Running")
            .live("Publishing")
            .terminal("BidRejected")
            .terminal("Completed")
            .terminal("Failed")
            .terminal("Cancelled")
            .transitions("New", ["AskForBid", "BidAccepted"])
            .transitions("New", ENDS)
            .transitions("AskForBid", ["AskForBidAccepted", "AskForBidRejected"])
            .transitions("AskForBid", ENDS)
            .transitions("AskForBidAccepted", ["BidAccepted", "BidRejected"])
            .transitions("AskForBidAccepted", ENDS)
            .transition("BidAccepted", "Running")
            .transitions("BidAccepted", ENDS)
            .transitions("Running", ["Publishing", "Completed"])
            .transitions("Running", ENDS)
            .transition("Publishing", "Completed")
            .transitions("Publishing", ENDS)
            .build();
        match built {
            Ok(lifecycle) => lifecycle,
            Err(error) => unreachable!("the table above is constant, and the test below builds it: {error}"),
        }
    }

    /// The lifecycle that the caller's own enum describes.
    ///
    /// ```
    /// use execstore::lifecycle::{Lifecycle, Phase, States};
    ///
    /// #[derive(PartialEq)]
    /// enum Step { Running, Completed, Failed }
    ///
    /// impl AsRef<str> for Step {
    ///     fn as_ref(&self) -> &str {
    ///         match self { Step::Running => "Running", Step::Completed => "Completed", Step::Failed => "Failed" }
    ///     }
    /// }
    ///
    /// impl States for Step {
    ///     const ALL: &'static [Step] = &[Step::Running, Step::Completed, Step::Failed];
    ///     fn phase(&self) -> Phase {
    ///         if *self == Step::Running { Phase::Live } else { Phase::Terminal }
    ///     }
    ///     fn successors(&self) -> &'static [Step] {
    ///         match self { Step::Running => &[Step::Completed, Step::Failed], _ => &[] }
    ///     }
    /// }
    ///
    /// let lifecycle = Lifecycle::of::<Step>()?;
    /// assert!(lifecycle.allows(Step::Running, Step::Failed));
    /// # Ok::<(), execstore::error::LifecycleError>(())
    /// ```
    pub fn of<S: States>() -> Result<Self, LifecycleError> {
        let mut builder = Self::builder();
        for state in S::ALL {
            builder = builder.state(state, state.phase());
        }
        for state in S::ALL {
            builder = builder.transitions(state, state.successors());
        }
        builder.build()
    }

    /// The state of this name.
    pub fn state(&self, name: impl AsRef<str>) -> Option<&State> {
        self.nodes.iter().map(|node| &node.state).find(|state| *state == name.as_ref())
    }

    /// All states, in the order of their declaration.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.nodes.iter().map(|node| &node.state)
    }

    /// `true` if an execution in `from` may go to `to`. Unknown names are never allowed.
    pub fn allows(&self, from: impl AsRef<str>, to: impl AsRef<str>) -> bool {
        match (self.code(from.as_ref()), self.code(to.as_ref())) {
            (Some(from), Some(to)) => self.allows_codes(from, to),
            _ => false,
        }
    }

    pub(crate) fn allows_codes(&self, from: u8, to: u8) -> bool {
        self.successor_codes(from).contains(&to)
    }

    /// The states that may follow the state of this name.
    pub fn successors(&self, name: impl AsRef<str>) -> impl Iterator<Item = &State> {
        let node = self.code(name.as_ref()).and_then(|code| self.nodes.get(code as usize));
        node.into_iter().flat_map(|node| &node.successors).filter_map(|code| self.by_code(*code))
    }

    /// The number by which the file knows a state: its place in the declaration.
    pub(crate) fn code(&self, name: &str) -> Option<u8> {
        self.state(name).map(State::code)
    }

    /// Among which executions those of a state lie in the index of labels: each terminal state by itself, which none of
    /// them leaves; the pending ones and the live ones together, so that a change between two of them moves nothing.
    pub(crate) fn group(&self, code: u8) -> u8 {
        match self.by_code(code).map(State::phase) {
            Some(Phase::Pending) => PENDING_GROUP,
            Some(Phase::Live) => LIVE_GROUP,
            Some(Phase::Terminal) | None => code,
        }
    }

    /// The codes of the states of such a group.
    pub(crate) fn codes_in_group(&self, group: u8) -> Vec<u8> {
        self.states().map(State::code).filter(|code| self.group(*code) == group).collect()
    }

    pub(crate) fn by_code(&self, code: u8) -> Option<&State> {
        self.nodes.get(code as usize).map(|node| &node.state)
    }

    pub(crate) fn codes_in(&self, phase: Phase) -> Vec<u8> {
        self.states().filter(|state| state.phase == phase).map(State::code).collect()
    }

    pub(crate) fn successor_codes(&self, code: u8) -> &[u8] {
        self.nodes.get(code as usize).map(|node| node.successors.as_slice()).unwrap_or_default()
    }

    /// `recorded` with what `self` adds to it, and the recorded states that `self` lacks, as one of an earlier release does; `None`
    /// if `self` alters something that is recorded. The recorded states keep their codes.
    pub(crate) fn extend(&self, recorded: &Lifecycle) -> Option<(Lifecycle, Vec<State>)> {
        let (mut merged, mut lacking) = (Self::builder(), Vec::new());
        for state in recorded.states() {
            match self.state(state) {
                Some(own) if own.phase != state.phase => return None,
                Some(_) => {}
                None => lacking.push(state.clone()),
            }
            merged = merged.state(state, state.phase);
        }
        let lacks = |state: &State| lacking.contains(state);
        for state in recorded.states().filter(|state| !lacks(state)) {
            if recorded.successors(state).any(|next| !lacks(next) && !self.allows(state, next)) {
                return None;
            }
        }
        for state in self.states().filter(|state| recorded.state(state).is_none()) {
            merged = merged.state(state, state.phase);
        }
        for lifecycle in [recorded, self] {
            for state in lifecycle.states() {
                merged = merged.transitions(state, lifecycle.successors(state));
            }
        }
        Some((merged.build().ok()?, lacking))
    }
}

impl fmt::Display for Lifecycle {
    /// One line: every state with its phase and its successors.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, state) in self.states().enumerate() {
            let gap = if place == 0 { "" } else { "; " };
            write!(f, "{gap}{state} ({})", state.phase)?;
            for (nth, next) in self.successors(state).enumerate() {
                write!(f, "{}{next}", if nth == 0 { " -> " } else { ", " })?;
            }
        }
        Ok(())
    }
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
            nodes.push(Node { state: State { name: name.into(), phase, code }, successors: Vec::new() });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_documented_table() {
        let lifecycle = Lifecycle::compute_node();
        assert_eq!(lifecycle.states().count(), 11);
        let live: Vec<_> = lifecycle.states().filter(|state| state.is_live()).collect();
        assert_eq!(live, ["BidAccepted", "Running", "Publishing"]);
        // The doc comment's table, read from this file, is what `allows` answers.
        let rows = include_str!("lifecycle.rs").lines().filter_map(|line| line.strip_prefix("/// | `"));
        let mut seen = 0;
        for row in rows {
            let mut cells = row.split('|');
            let from = cells.next().unwrap().trim().trim_end_matches('`');
            let phase = cells.next().unwrap().trim();
            let to: Vec<_> = cells.next().unwrap().split('`').skip(1).step_by(2).collect();
            assert_eq!(lifecycle.state(from).unwrap().phase().to_string(), phase);
            for state in lifecycle.states() {
                assert_eq!(lifecycle.allows(from, state), to.contains(&state.as_str()), "{from} -> {state}");
            }
            seen += 1;
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn bad_lifecycles_are_refused() {
        let start = || Lifecycle::builder().pending("A").terminal("Z");
        assert!(matches!(Lifecycle::builder().build(), Err(LifecycleError::NoInitialState)));
        assert!(matches!(Lifecycle::builder().terminal("Z").build(), Err(LifecycleError::NoInitialState)));
        assert!(matches!(start().live("A").build(), Err(LifecycleError::Duplicate { .. })));
        assert!(matches!(start().live("").build(), Err(LifecycleError::Name { .. })));
        assert!(matches!(start().live("x".repeat(65)).build(), Err(LifecycleError::Name { .. })));
        assert!(matches!(start().transition("A", "B").build(), Err(LifecycleError::UnknownState { .. })));
        assert!(matches!(start().transition("B", "A").build(), Err(LifecycleError::UnknownState { .. })));
        assert!(matches!(start().transition("Z", "A").build(), Err(LifecycleError::LeavesTerminal { .. })));
        let many = (0..=MAX_STATES).fold(Lifecycle::builder(), |b, n| b.live(n.to_string()));
        assert!(matches!(many.build(), Err(LifecycleError::TooManyStates { .. })));
    }

    #[test]
    fn extending_keeps_codes_and_refuses_alterations() {
        let old = Lifecycle::builder().live("R").terminal("D").transition("R", "D").build().unwrap();
        let more = Lifecycle::builder()
            .live("P")
            .live("R")
            .terminal("D")
            .transitions("R", ["D", "P"])
            .transition("P", "R")
            .build()
            .unwrap();
        let (merged, lacking) = more.extend(&old).unwrap();
        assert!(lacking.is_empty());
        assert_eq!((merged.code("R"), merged.code("D"), merged.code("P")), (Some(0), Some(1), Some(2)));
        assert!(merged.allows("P", "R") && merged.allows("R", "D"));
        let (kept, lacking) = old.extend(&more).unwrap();
        assert_eq!(
            (kept, lacking),
            (more.clone(), vec![more.state("P").unwrap().clone()]),
            "an earlier release's"
        );
        let altered = Lifecycle::builder().pending("R").terminal("D").transition("R", "D").build().unwrap();
        assert!(altered.extend(&old).is_none(), "a phase is altered");
        let fewer = Lifecycle::builder().live("R").terminal("D").build().unwrap();
        assert!(fewer.extend(&old).is_none(), "a transition is missing");
        assert_eq!(old.extend(&old), Some((old.clone(), Vec::new())));
    }
}
