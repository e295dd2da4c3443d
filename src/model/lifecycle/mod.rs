//! The states of a store's executions and the allowed transitions between them. Pure.

mod builder;
mod json;
mod state;

use std::fmt;

pub use builder::{LifecycleBuilder, LifecycleError};
pub use state::{Phase, State, States};

/// The groups of states that are no state's code: see `docs/format.md`.
const PENDING_GROUP: u8 = 250;
const LIVE_GROUP: u8 = 251;

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
        self.states().filter(|state| state.phase() == phase).map(State::code).collect()
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
                Some(own) if own.phase() != state.phase() => return None,
                Some(_) => {}
                None => lacking.push(state.clone()),
            }
            merged = merged.state(state, state.phase());
        }
        let lacks = |state: &State| lacking.contains(state);
        for state in recorded.states().filter(|state| !lacks(state)) {
            if recorded.successors(state).any(|next| !lacks(next) && !self.allows(state, next)) {
                return None;
            }
        }
        for state in self.states().filter(|state| recorded.state(state).is_none()) {
            merged = merged.state(state, state.phase());
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
            write!(f, "{gap}{state} ({})", state.phase())?;
            for (nth, next) in self.successors(state).enumerate() {
                write!(f, "{}{next}", if nth == 0 { " -> " } else { ", " })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::MAX_STATES;

    #[test]
    fn the_default_is_the_documented_table() {
        let lifecycle = Lifecycle::compute_node();
        assert_eq!(lifecycle.states().count(), 11);
        let live: Vec<_> = lifecycle.states().filter(|state| state.is_live()).collect();
        assert_eq!(live, ["BidAccepted", "Running", "Publishing"]);
        // The doc comment's table, read from this file, is what `allows` answers.
        let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("/// | `"));
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
