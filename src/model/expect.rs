//! What must hold of an execution for a write to happen. Pure.

mod json;

use std::fmt;

use crate::model::attachments::Attachment;
use crate::model::execution::Header;
use crate::model::hash::hex;
use crate::model::id::{Incarnation, Revision};
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::limits::InputError;
use crate::model::tasks::{Task, TaskState};
use crate::model::text::Text;

/// A condition on a write, checked in the same transaction, before anything is written.
///
/// ```
/// use execstore::{Expect, Revision};
/// let unclaimed = Expect::new().state("New").state("AskForBid");
/// let exactly = Expect::new().state("Running").revision(Revision(3));
/// let not_ended = Expect::new().not_states(["Completed", "Failed", "Cancelled"]);
/// let nobody_was_faster = Expect::new().event_count(3).output_length("stdout", 0);
/// ```
///
/// All that is named must hold; only the states are alternatives. A condition that nothing can meet, one that names two revisions or that excludes each
/// state it asks for, is a mistake and no conflict: it is refused with [`InputError::Invalid`](crate::error::InputError::Invalid) before anything is looked at. What is not a part of the record, attachments, outputs and tasks, costs a look-up
/// for each condition. [`Writer::expect`](crate::Writer::expect) checks one before any operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Expect {
    /// Lists of alternatives: the state is in each of them.
    states: Vec<Vec<String>>,
    not_states: Vec<String>,
    revision: Option<Revision>,
    /// Another revision was named before.
    other_revision: Option<Revision>,
    conditions: Vec<Condition>,
}

/// What else must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Incarnation(Incarnation),
    EventCount(u64),
    Attempt(u64),
    Label(Text, Option<Text>),
    Attachment(Text, AttachmentIs),
    OutputLength(Text, u64),
    Task(Text, TaskIs),
}

/// What an attachment must be: see [`Expect::attachment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachmentIs {
    /// There is no attachment with this key.
    Absent,
    /// There is one, whatever it is.
    Present,
    /// Its size in bytes.
    Size(u64),
    /// Its [version](Attachment::version): it was not replaced since it was read.
    Version(u64),
    /// The SHA-256 of its value. Costs reading the value.
    Sha256([u8; 32]),
}

impl fmt::Display for AttachmentIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachmentIs::Absent => f.write_str("absent"),
            AttachmentIs::Present => f.write_str("present"),
            AttachmentIs::Size(size) => write!(f, "of {size} bytes"),
            AttachmentIs::Version(version) => write!(f, "of version {version}"),
            AttachmentIs::Sha256(hash) => write!(f, "of SHA-256 {}", hex(hash)),
        }
    }
}

/// What a task must be: see [`Expect::task`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskIs {
    /// There is no task with this name.
    Absent,
    /// There is one, whatever it is.
    Present,
    /// It is in this state.
    In(TaskState),
    /// Its last known attempt is this.
    Attempt(u64),
}

impl fmt::Display for TaskIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskIs::Absent => f.write_str("absent"),
            TaskIs::Present => f.write_str("present"),
            TaskIs::In(state) => write!(f, "{state}"),
            TaskIs::Attempt(attempt) => write!(f, "of attempt {attempt}"),
        }
    }
}

/// A condition that does not hold: what was expected, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)] // always `expected` and `found`
pub enum Mismatch {
    /// The state is not one of those expected, or is an excluded one.
    State { found: State },
    /// The revision is different.
    Revision { expected: Revision, found: Revision },
    /// It is a different execution with the same id.
    Incarnation { expected: Incarnation, found: Incarnation },
    /// There are more events, or fewer.
    EventCount { expected: u64, found: u64 },
    /// The last attempt is different.
    Attempt { expected: u64, found: u64 },
    /// The label has another value, or none.
    Label { key: Text, expected: Option<Text>, found: Option<Text> },
    /// The attachment is different; with the SHA-256 of its value if that was asked for.
    Attachment { key: Text, expected: AttachmentIs, found: Option<Attachment>, sha256: Option<[u8; 32]> },
    /// The output has a different length; 0 if there is no output.
    OutputLength { name: Text, expected: u64, found: u64 },
    /// The task is different.
    Task { name: Text, expected: TaskIs, found: Option<Task> },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::State { found } => write!(f, "state {found}"),
            Mismatch::Revision { found, .. } => write!(f, "revision {found}"),
            Mismatch::Incarnation { found, .. } => write!(f, "incarnation {found}"),
            Mismatch::EventCount { found, .. } => write!(f, "{found} events"),
            Mismatch::Attempt { found, .. } => write!(f, "attempt {found}"),
            Mismatch::Label { key, found: Some(value), .. } => write!(f, "label {key:?} of {value:?}"),
            Mismatch::Label { key, found: None, .. } => write!(f, "no label {key:?}"),
            Mismatch::Attachment { key, found: None, .. } => write!(f, "no attachment {key:?}"),
            Mismatch::Attachment { key, found: Some(found), sha256, .. } => {
                write!(f, "attachment {key:?} of {} bytes and version {}", found.size, found.version)?;
                sha256.map_or(Ok(()), |hash| write!(f, " and SHA-256 {}", hex(&hash)))
            }
            Mismatch::OutputLength { name, found, .. } => write!(f, "output {name:?} of {found} bytes"),
            Mismatch::Task { name, found: None, .. } => write!(f, "no task {name:?}"),
            Mismatch::Task { name, found: Some(found), .. } => {
                write!(f, "task {name:?} {} in attempt {}", found.state, found.attempts)
            }
        }
    }
}

impl Expect {
    /// Requires only that the execution exists.
    pub const fn new() -> Self {
        Self {
            states: Vec::new(),
            not_states: Vec::new(),
            revision: None,
            other_revision: None,
            conditions: Vec::new(),
        }
    }

    /// The execution is in this state. Repeat it to allow any of several.
    pub fn state(self, state: impl AsRef<str>) -> Self {
        self.states([state])
    }

    /// The execution is in one of these states. An empty list allows none, so the write is refused unless other states are named.
    pub fn states(mut self, states: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let states = states.into_iter().map(|state| state.as_ref().to_owned());
        match self.states.last_mut() {
            Some(alternatives) => alternatives.extend(states),
            None => self.states.push(states.collect()),
        }
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
        let revision = revision.into();
        self.other_revision = self.other_revision.or(self.revision.filter(|other| *other != revision));
        self.revision = Some(revision);
        self
    }

    /// It is this execution, not a later one with the same id: its [`Header::incarnation`].
    pub fn incarnation(self, incarnation: Incarnation) -> Self {
        self.with(Condition::Incarnation(incarnation))
    }

    /// The execution has this number of events: none was appended since they were read.
    pub fn event_count(self, events: u64) -> Self {
        self.with(Condition::EventCount(events))
    }

    /// The last attempt that reported is this: its [`Header::attempt`].
    pub fn attempt(self, attempt: u64) -> Self {
        self.with(Condition::Attempt(attempt))
    }

    /// The execution has this label, with this value.
    pub fn label(self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.with(Condition::Label(Text::from(key.as_ref()), Some(Text::from(value.as_ref()))))
    }

    /// The execution has no label of this key.
    pub fn no_label(self, key: impl AsRef<str>) -> Self {
        self.with(Condition::Label(Text::from(key.as_ref()), None))
    }

    /// The attachment with this key is as described.
    pub fn attachment(self, key: impl AsRef<str>, is: AttachmentIs) -> Self {
        self.with(Condition::Attachment(Text::from(key.as_ref()), is))
    }

    /// This number of bytes was ever appended to the output with this name; 0 also if there is no such output.
    pub fn output_length(self, name: impl AsRef<str>, bytes: u64) -> Self {
        self.with(Condition::OutputLength(Text::from(name.as_ref()), bytes))
    }

    /// The task with this name is as described.
    pub fn task(self, name: impl AsRef<str>, is: TaskIs) -> Self {
        self.with(Condition::Task(Text::from(name.as_ref()), is))
    }

    fn with(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// What holds if both hold.
    pub(crate) fn and(mut self, other: Expect) -> Self {
        self.states.extend(other.states);
        self.not_states.extend(other.not_states);
        for revision in [other.other_revision, other.revision].into_iter().flatten() {
            self = self.revision(revision);
        }
        self.conditions.extend(other.conditions);
        self
    }

    /// What must hold of what is not in the record.
    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// A misspelt state would be a condition that always fails, or never: it is an error instead.
    pub(crate) fn check_names(&self, lifecycle: &Lifecycle) -> Result<(), InputError> {
        let mut states = self.states.iter().flatten().chain(&self.not_states);
        if let Some(name) = states.find(|name| lifecycle.state(name).is_none()) {
            return Err(InputError::UnknownState { state: name.clone() });
        }
        self.conditions.iter().try_for_each(Condition::check)?;
        match self.contradiction(lifecycle) {
            Some(reason) => Err(InputError::Invalid { what: "condition", reason }),
            None => Ok(()),
        }
    }

    /// Why nothing can ever meet it, if that is so. A list of states that is empty is none: the caller's list may be.
    fn contradiction(&self, lifecycle: &Lifecycle) -> Option<String> {
        let passes = |state: &State| {
            let is = |name: &String| name == state.as_str();
            self.states.iter().all(|names| names.iter().any(is)) && !self.not_states.iter().any(is)
        };
        let may_be_empty = self.states.iter().any(Vec::is_empty);
        if !may_be_empty && !lifecycle.states().any(passes) {
            return Some(format!("{self}: no state is left"));
        }
        if let Some((one, other)) = self.revision.zip(self.other_revision) {
            return Some(format!("revision {other} and revision {one}: no execution has both"));
        }
        let pairs = (1..).zip(&self.conditions);
        pairs
            .flat_map(|(next, one)| self.conditions.iter().skip(next).map(move |other| (one, other)))
            .find(|(one, other)| one.excludes(other))
            .map(|(one, other)| format!("{one} and {other}: no execution has both"))
    }

    /// What does not hold of a header.
    pub(crate) fn check(&self, found: &Header) -> Vec<Mismatch> {
        let mut unmet = Vec::new();
        let state = found.state.as_str();
        if self.states.iter().any(|states| !states.iter().any(|expected| expected == state))
            || self.not_states.iter().any(|refused| refused == state)
        {
            unmet.push(Mismatch::State { found: found.state.clone() });
        }
        if let Some(expected) = self.revision.filter(|expected| *expected != found.revision) {
            unmet.push(Mismatch::Revision { expected, found: found.revision });
        }
        unmet.extend(self.conditions.iter().filter_map(|condition| condition.fails(found)));
        unmet
    }
}

impl AttachmentIs {
    fn excludes(self, other: Self) -> bool {
        use AttachmentIs::{Absent, Present, Sha256, Size, Version};
        match (self, other) {
            (Absent, Absent) | (Present, Present | Size(_) | Version(_) | Sha256(_)) => false,
            (Absent, _) | (_, Absent) => true,
            (Size(_), Size(_)) | (Version(_), Version(_)) | (Sha256(_), Sha256(_)) => self != other,
            _ => false,
        }
    }
}

impl TaskIs {
    fn excludes(self, other: Self) -> bool {
        use TaskIs::{Absent, Attempt, In};
        match (self, other) {
            (Absent, other) | (other, Absent) => other != Absent,
            (In(_), In(_)) | (Attempt(_), Attempt(_)) => self != other,
            _ => false,
        }
    }
}

impl Condition {
    /// `true` if the two cannot hold together.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Condition::Incarnation(_), Condition::Incarnation(_))
            | (Condition::EventCount(_), Condition::EventCount(_))
            | (Condition::Attempt(_), Condition::Attempt(_)) => self != other,
            (Condition::Label(key, one), Condition::Label(same, other)) => key == same && one != other,
            (Condition::OutputLength(name, one), Condition::OutputLength(same, other)) => {
                name == same && one != other
            }
            (Condition::Attachment(key, one), Condition::Attachment(same, other)) => {
                key == same && one.excludes(*other)
            }
            (Condition::Task(name, one), Condition::Task(same, other)) => {
                name == same && one.excludes(*other)
            }
            _ => false,
        }
    }

    fn fails(&self, header: &Header) -> Option<Mismatch> {
        let mismatch = match self {
            Condition::Incarnation(expected) if *expected != header.incarnation => {
                Mismatch::Incarnation { expected: *expected, found: header.incarnation }
            }
            Condition::EventCount(expected) if *expected != header.event_count => {
                Mismatch::EventCount { expected: *expected, found: header.event_count }
            }
            Condition::Attempt(expected) if *expected != header.attempt => {
                Mismatch::Attempt { expected: *expected, found: header.attempt }
            }
            Condition::Label(key, expected) if expected.as_ref() != header.labels.get(key) => {
                Mismatch::Label {
                    key: key.clone(),
                    expected: expected.clone(),
                    found: header.labels.get(key).cloned(),
                }
            }
            _ => return None,
        };
        Some(mismatch)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Incarnation(expected) => write!(f, "incarnation {expected}"),
            Condition::EventCount(expected) => write!(f, "{expected} events"),
            Condition::Attempt(expected) => write!(f, "attempt {expected}"),
            Condition::Label(key, Some(value)) => write!(f, "label {key:?} of {value:?}"),
            Condition::Label(key, None) => write!(f, "no label {key:?}"),
            Condition::Attachment(key, expected) => write!(f, "attachment {key:?} {expected}"),
            Condition::OutputLength(name, bytes) => write!(f, "output {name:?} of {bytes} bytes"),
            Condition::Task(name, expected) => write!(f, "task {name:?} {expected}"),
        }
    }
}

/// What was found in place of what was expected: always state and revision, then what else differs.
pub(crate) fn found(state: &State, revision: Revision, mismatches: &[Mismatch]) -> String {
    let mut text = format!("state {state}, revision {revision}");
    for mismatch in mismatches {
        if !matches!(mismatch, Mismatch::State { .. } | Mismatch::Revision { .. }) {
            text.push_str(&format!(", {mismatch}"));
        }
    }
    text
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for states in &self.states {
            parts.push(match states.as_slice() {
                [] => "a state among none".to_owned(),
                states => format!("state {}", states.join(" or ")),
            });
        }
        if !self.not_states.is_empty() {
            parts.push(format!("state not {}", self.not_states.join(" nor ")));
        }
        if let Some(revision) = self.revision {
            parts.push(format!("revision {revision}"));
        }
        parts.extend(self.conditions.iter().map(ToString::to_string));
        f.write_str(if parts.is_empty() { "anything" } else { "" })?;
        f.write_str(&parts.join(" and "))
    }
}
