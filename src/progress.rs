//! The nodes, tasks or operators within an execution. Pure.

use crate::error::InputError;
use crate::json::Json;
use crate::limits::{LongTexts, MAX_EVENT, MAX_MESSAGE, check_len, check_name, check_size, check_text};
use crate::text::Text;
use crate::time::Timestamp;

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeState {
    /// It was started.
    Running,
    /// It ended well.
    Finished,
    /// It ended with an error.
    Failed,
    /// It will not run.
    Skipped,
}

impl NodeState {
    pub(crate) const ALL: [NodeState; 4] =
        [NodeState::Running, NodeState::Finished, NodeState::Failed, NodeState::Skipped];
}

impl std::fmt::Display for NodeState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            NodeState::Running => "running",
            NodeState::Finished => "finished",
            NodeState::Failed => "failed",
            NodeState::Skipped => "skipped",
        })
    }
}

/// A node within an execution: see [`Writer::put_node`](crate::Writer::put_node).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Its name within the execution.
    pub name: Text,
    /// How it is.
    pub state: NodeState,
    /// How often it was started; 0 if it never was.
    pub attempts: u64,
    /// When it was last started; when it was skipped, if it never was.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it gave, or gives so far.
    pub value: Option<Json>,
    /// Why it failed.
    pub error: Option<Text>,
}

/// What became of a node.
///
/// ```
/// use execstore::{Json, NewExecution, NodeState, NodeUpdate, Readable, Store};
///
/// # let store = Store::in_memory()?;
/// let rows = Json::from_text("{\"rows\": 7}")?;
/// store.write(|w| {
///     w.create(NewExecution::new("flow").id("e"), &[])?;
///     w.put_node("e", NodeUpdate::started("load"))?;
///     w.put_node("e", NodeUpdate::finished("load").value(rows))?;
///     w.put_node("e", NodeUpdate::started("sum"))?;
///     w.put_node("e", NodeUpdate::failed("sum", "not a number"))
/// })?;
/// let r = store.begin_read()?;
/// let progress = r.progress("e")?;
/// assert_eq!((progress.finished, progress.failed, progress.running), (1, 1, 0));
/// for node in r.nodes("e")? {
///     println!("{} {}", node?.name, NodeState::Finished); // in the order in which they came
/// }
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NodeUpdate {
    pub(crate) name: Text,
    pub(crate) state: NodeState,
    pub(crate) value: Option<Json>,
    pub(crate) error: Option<Text>,
    pub(crate) at: Option<Timestamp>,
}

impl NodeUpdate {
    /// It was started, perhaps once more.
    pub fn started(name: impl Into<Text>) -> Self {
        Self::new(name.into(), NodeState::Running)
    }

    /// It ended well.
    pub fn finished(name: impl Into<Text>) -> Self {
        Self::new(name.into(), NodeState::Finished)
    }

    /// It ended with an error, of at most 64 KiB: a longer one is cut, unless the store was opened to
    /// [refuse](crate::LongTexts::Refuse) it.
    pub fn failed(name: impl Into<Text>, error: impl Into<Text>) -> Self {
        Self { error: Some(error.into()), ..Self::new(name.into(), NodeState::Failed) }
    }

    /// It will not run.
    pub fn skipped(name: impl Into<Text>) -> Self {
        Self::new(name.into(), NodeState::Skipped)
    }

    fn new(name: Text, state: NodeState) -> Self {
        Self { name, state, value: None, error: None, at: None }
    }

    /// What it gave, or gives so far: at most 1 MiB, larger ones are [attachments](crate::Writer::put_attachment).
    pub fn value(mut self, value: impl Into<Json>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// When that was; now otherwise.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// Makes the error fit.
    pub(crate) fn fit_texts(&mut self, long: LongTexts) {
        self.error.as_mut().into_iter().for_each(|text| long.fit(text, MAX_MESSAGE));
    }

    pub(crate) fn check(&self) -> Result<(), InputError> {
        check_name("node name", &self.name)?;
        check_len("node error", self.error.as_deref().unwrap_or_default(), MAX_MESSAGE)?;
        self.value.as_ref().map_or(Ok(()), |value| check_text("node value", value))?;
        check_size("node value", self.value.as_ref().map_or(0, |value| value.as_str().len()), MAX_EVENT)
    }

    /// The node as it is then.
    pub(crate) fn apply(self, before: Option<Node>, now: Timestamp) -> Node {
        let at = self.at.unwrap_or(now);
        let starts = self.state == NodeState::Running;
        let (attempts, started_at, value) = match before {
            Some(before) if starts => (before.attempts + 1, at, None),
            Some(before) => (before.attempts, before.started_at, before.value),
            None => (u64::from(self.state != NodeState::Skipped), at, None),
        };
        Node {
            name: self.name,
            state: self.state,
            attempts,
            started_at,
            ended_at: (!starts).then_some(at),
            value: self.value.or(value),
            error: self.error,
        }
    }
}

/// How many nodes of an execution are in each state: see [`Readable::progress`](crate::Readable::progress).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Nodes that were started and have not ended.
    pub running: u64,
    /// Nodes that ended well.
    pub finished: u64,
    /// Nodes that ended with an error.
    pub failed: u64,
    /// Nodes that will not run.
    pub skipped: u64,
}

impl Progress {
    /// All nodes.
    pub fn total(&self) -> u64 {
        NodeState::ALL.into_iter().map(|state| self.of(state)).fold(0, u64::saturating_add)
    }

    /// How many nodes are in a state.
    pub fn of(&self, state: NodeState) -> u64 {
        let mut copy = *self;
        *copy.slot(state)
    }

    pub(crate) fn slot(&mut self, state: NodeState) -> &mut u64 {
        match state {
            NodeState::Running => &mut self.running,
            NodeState::Finished => &mut self.finished,
            NodeState::Failed => &mut self.failed,
            NodeState::Skipped => &mut self.skipped,
        }
    }
}
