//! The JSON of an execution and of its header. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{DesiredState, Execution, Header, Labels};
use crate::model::id::{ExecutionId, Incarnation, JobId, Revision};
use crate::model::json::Json;
use crate::model::json::form::{form, given, is_default};
use crate::model::lifecycle::{Phase, State};
use crate::model::limits::InputError;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// The members of a header, in the order in which they are written.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeaderForm<'h> {
    id: Cow<'h, ExecutionId>,
    job_id: Cow<'h, JobId>,
    namespace: Cow<'h, Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'h, Text>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node_id: Option<Cow<'h, Text>>,
    state: Cow<'h, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'h, Text>>,
    desired: DesiredState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Cow<'h, ExecutionId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Cow<'h, ExecutionId>>,
    #[serde(default, skip_serializing_if = "is_empty")]
    labels: Cow<'h, Labels>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preview: Option<Cow<'h, Text>>,
    revision: Revision,
    created_at: Timestamp,
    modified_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default", with = "crate::model::json::count")]
    attempt: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    incarnation: Incarnation,
    #[serde(default, skip_serializing_if = "is_default", with = "crate::model::json::count")]
    event_count: u64,
    /// Of an execution.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'h, Json>>,
}

fn is_empty(labels: &Labels) -> bool {
    labels.is_empty()
}

form!(Header as HeaderForm);
form!(Execution as HeaderForm);

impl HeaderForm<'_> {
    /// Without what has a meaning in its own store alone.
    pub(crate) fn outside(self) -> Self {
        Self { incarnation: Incarnation(0), ..self }
    }
}

impl<'h> From<&'h Header> for HeaderForm<'h> {
    fn from(header: &'h Header) -> Self {
        let Header {
            id,
            incarnation,
            job_id,
            namespace,
            name,
            node_id,
            state,
            message,
            desired,
            parent,
            previous,
            labels,
            revision,
            created_at,
            modified_at,
            completed_at,
            not_before,
            attempt,
            reported_at,
            event_count,
            preview,
        } = header;
        Self {
            id: Cow::Borrowed(id),
            job_id: Cow::Borrowed(job_id),
            namespace: Cow::Borrowed(namespace),
            name: name.as_ref().map(Cow::Borrowed),
            node_id: node_id.as_ref().map(Cow::Borrowed),
            state: Cow::Borrowed(state.as_str()),
            phase: Some(state.phase()),
            message: message.as_ref().map(Cow::Borrowed),
            desired: *desired,
            parent: parent.as_ref().map(Cow::Borrowed),
            previous: previous.as_ref().map(Cow::Borrowed),
            labels: Cow::Borrowed(labels),
            preview: preview.as_ref().map(Cow::Borrowed),
            revision: *revision,
            created_at: *created_at,
            modified_at: *modified_at,
            completed_at: *completed_at,
            not_before: *not_before,
            attempt: *attempt,
            reported_at: *reported_at,
            incarnation: *incarnation,
            event_count: *event_count,
            payload: None,
        }
    }
}

impl<'e> From<&'e Execution> for HeaderForm<'e> {
    fn from(execution: &'e Execution) -> Self {
        let Execution { header, payload } = execution;
        Self { payload: Some(Cow::Borrowed(payload)), ..Self::from(&**header) }
    }
}

impl TryFrom<HeaderForm<'_>> for Header {
    type Error = InputError;

    fn try_from(form: HeaderForm<'_>) -> Result<Self, InputError> {
        let invalid = |reason| InputError::Invalid { what: "execution", reason };
        // Who has ended is in a terminal state, and nobody else.
        let phase = form.phase.or(form.completed_at.map(|_| Phase::Terminal));
        let phase =
            phase.ok_or_else(|| invalid(format!("the phase of the state {:?} is missing", form.state)))?;
        if (phase == Phase::Terminal) != form.completed_at.is_some() {
            let end = if form.completed_at.is_some() { "has" } else { "lacks" };
            return Err(invalid(format!("the state {:?} is {phase}, and it {end} an end", form.state)));
        }
        let state = State::named(&form.state, phase);
        let owned = |text: Option<Cow<'_, Text>>| text.map(Cow::into_owned);
        let header = Self {
            id: form.id.into_owned(),
            incarnation: form.incarnation,
            job_id: form.job_id.into_owned(),
            namespace: form.namespace.into_owned(),
            name: owned(form.name),
            node_id: owned(form.node_id),
            state: state.map_err(|error| invalid(error.to_string()))?,
            message: owned(form.message),
            desired: form.desired,
            parent: form.parent.map(Cow::into_owned),
            previous: form.previous.map(Cow::into_owned),
            labels: form.labels.into_owned(),
            revision: form.revision,
            created_at: form.created_at,
            modified_at: form.modified_at,
            completed_at: form.completed_at,
            not_before: form.not_before,
            attempt: form.attempt,
            reported_at: form.reported_at,
            event_count: form.event_count,
            preview: owned(form.preview),
        };
        header.check()?;
        Ok(header)
    }
}

impl TryFrom<HeaderForm<'_>> for Execution {
    type Error = InputError;

    fn try_from(mut form: HeaderForm<'_>) -> Result<Self, InputError> {
        let payload = form.payload.take().ok_or_else(|| InputError::Invalid {
            what: "execution",
            reason: "it needs a `payload`".into(),
        })?;
        Ok(Self { payload: payload.into_owned(), header: Box::new(form.try_into()?) })
    }
}
