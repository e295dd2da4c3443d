//! The JSON of a condition on a write. Nothing in it is ignored: a part that is not known would be a condition that is forgotten. Pure.

use serde::{Deserialize, Serialize};

use super::{AttachmentIs, Condition, Expect, TaskIs};
use crate::model::hash::Hash;
use crate::model::id::{Incarnation, Revision};
use crate::model::json::Count;
use crate::model::json::form::{form, given};
use crate::model::limits::{InputError, check_name};
use crate::model::tasks::TaskState;
use crate::model::text::Text;

/// The members of a condition.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectForm {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_states: Vec<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<ConditionForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ConditionForm {
    Incarnation(Incarnation),
    EventCount(Count),
    Attempt(Count),
    Label { key: Text, value: Text },
    NoLabel(Text),
    Attachment { key: Text, is: AttachmentIs },
    OutputLength { name: Text, bytes: Count },
    Task { name: Text, is: TaskIs },
}

form!(Expect as ExpectForm);

impl TryFrom<&Expect> for ExpectForm {
    type Error = InputError;

    fn try_from(expect: &Expect) -> Result<Self, InputError> {
        let Expect { states, not_states, revision, other_revision, conditions } = expect.clone();
        if let Some((one, other)) = revision.zip(other_revision) {
            let reason = format!("revision {other} and revision {one}: no execution has both");
            return Err(InputError::Invalid { what: "condition", reason });
        }
        Ok(Self {
            states,
            not_states,
            revision,
            conditions: conditions.into_iter().map(Into::into).collect(),
        })
    }
}

impl TryFrom<ExpectForm> for Expect {
    type Error = InputError;

    fn try_from(form: ExpectForm) -> Result<Self, InputError> {
        let ExpectForm { states, not_states, revision, conditions } = form;
        let conditions: Vec<Condition> = conditions.into_iter().map(Into::into).collect();
        for condition in &conditions {
            condition.check()?;
        }
        Ok(Self { states, not_states, revision, other_revision: None, conditions })
    }
}

impl Condition {
    /// A name that nothing can have would never hold.
    pub(super) fn check(&self) -> Result<(), InputError> {
        match self {
            Condition::Attachment(key, _) => check_name("attachment key", key),
            Condition::OutputLength(name, _) => check_name("output name", name),
            Condition::Task(name, _) => check_name("task name", name),
            _ => Ok(()),
        }
    }
}

impl From<Condition> for ConditionForm {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Incarnation(incarnation) => Self::Incarnation(incarnation),
            Condition::EventCount(events) => Self::EventCount(Count(events)),
            Condition::Attempt(attempt) => Self::Attempt(Count(attempt)),
            Condition::Label(key, Some(value)) => Self::Label { key, value },
            Condition::Label(key, None) => Self::NoLabel(key),
            Condition::Attachment(key, is) => Self::Attachment { key, is },
            Condition::OutputLength(name, bytes) => Self::OutputLength { name, bytes: Count(bytes) },
            Condition::Task(name, is) => Self::Task { name, is },
        }
    }
}

impl From<ConditionForm> for Condition {
    fn from(form: ConditionForm) -> Self {
        match form {
            ConditionForm::Incarnation(incarnation) => Self::Incarnation(incarnation),
            ConditionForm::EventCount(Count(events)) => Self::EventCount(events),
            ConditionForm::Attempt(Count(attempt)) => Self::Attempt(attempt),
            ConditionForm::Label { key, value } => Self::Label(key, Some(value)),
            ConditionForm::NoLabel(key) => Self::Label(key, None),
            ConditionForm::Attachment { key, is } => Self::Attachment(key, is),
            ConditionForm::OutputLength { name, bytes: Count(bytes) } => Self::OutputLength(name, bytes),
            ConditionForm::Task { name, is } => Self::Task(name, is),
        }
    }
}

/// What an attachment must be: a word, or an object of one member.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AttachmentForm {
    Absent,
    Present,
    Size(Count),
    Version(Count),
    Sha256(#[serde(with = "crate::model::hash::hex_text")] Hash),
}

form!(AttachmentIs as AttachmentForm);

impl From<&AttachmentIs> for AttachmentForm {
    fn from(is: &AttachmentIs) -> Self {
        match *is {
            AttachmentIs::Absent => Self::Absent,
            AttachmentIs::Present => Self::Present,
            AttachmentIs::Size(size) => Self::Size(Count(size)),
            AttachmentIs::Version(version) => Self::Version(Count(version)),
            AttachmentIs::Sha256(hash) => Self::Sha256(hash),
        }
    }
}

impl From<AttachmentForm> for AttachmentIs {
    fn from(form: AttachmentForm) -> Self {
        match form {
            AttachmentForm::Absent => Self::Absent,
            AttachmentForm::Present => Self::Present,
            AttachmentForm::Size(Count(size)) => Self::Size(size),
            AttachmentForm::Version(Count(version)) => Self::Version(version),
            AttachmentForm::Sha256(hash) => Self::Sha256(hash),
        }
    }
}

/// What a task must be: a word, or an object of one member.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskForm {
    Absent,
    Present,
    In(TaskState),
    Attempt(Count),
}

form!(TaskIs as TaskForm);

impl From<&TaskIs> for TaskForm {
    fn from(is: &TaskIs) -> Self {
        match *is {
            TaskIs::Absent => Self::Absent,
            TaskIs::Present => Self::Present,
            TaskIs::In(state) => Self::In(state),
            TaskIs::Attempt(attempt) => Self::Attempt(Count(attempt)),
        }
    }
}

impl From<TaskForm> for TaskIs {
    fn from(form: TaskForm) -> Self {
        match form {
            TaskForm::Absent => Self::Absent,
            TaskForm::Present => Self::Present,
            TaskForm::In(state) => Self::In(state),
            TaskForm::Attempt(Count(attempt)) => Self::Attempt(attempt),
        }
    }
}
