//! The JSON of an execution to be created, and of an update. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::new::NewExecution;
use super::update::{Edit, PayloadEdit, Update};
use super::{DesiredState, Labels};
use crate::model::events::NewEvent;
use crate::model::expect::Expect;
use crate::model::id::{ExecutionId, JobId};
use crate::model::identity::Identity;
use crate::model::json::Json;
use crate::model::json::form::{form, given, is_default};
use crate::model::limits::{InputError, MAX_LABELS, MAX_NAME, check_id, check_label, check_len, check_size};
use crate::model::report::Reporter;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// The members of an execution to be created.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewForm {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    id: Option<Text>,
    job_id: Text,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    namespace: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    name: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    node_id: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    state: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    desired: DesiredState,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    parent: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    previous: Option<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    labels: Labels,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    preview: Option<Text>,
    #[serde(default, skip_serializing_if = "is_default", with = "crate::model::json::count")]
    attempt: u64,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    #[serde(default, skip_serializing_if = "is_default")]
    payload: Json,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<NewEvent>,
}

form!(NewExecution as NewForm);

impl TryFrom<&NewExecution> for NewForm {
    type Error = serde_json::Error;

    fn try_from(new: &NewExecution) -> Result<Self, serde_json::Error> {
        let NewExecution {
            id,
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
            preview,
            attempt,
            identity,
            payload,
            events,
        } = new.clone();
        Ok(Self {
            id,
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
            preview,
            attempt,
            identity: identity.map(|document| Identity::from_document(&document)).transpose()?,
            payload,
            events,
        })
    }
}

impl TryFrom<NewForm> for NewExecution {
    type Error = InputError;

    fn try_from(form: NewForm) -> Result<Self, InputError> {
        let NewForm {
            id,
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
            preview,
            attempt,
            identity,
            payload,
            events,
        } = form;
        JobId::checked(job_id.clone())?;
        id.clone().map(ExecutionId::checked).transpose()?;
        check_links([("parent", parent.as_ref()), ("previous", previous.as_ref())])?;
        check_names([
            ("namespace", namespace.as_ref()),
            ("name", name.as_ref()),
            ("node id", node_id.as_ref()),
        ])?;
        check_labels(labels.iter().map(|(key, value)| (key, Some(value))))?;
        if let Some(identity) = &identity
            && id.as_deref() != Some(identity.id()?.as_str())
        {
            let reason = "the id is not that of the identity".into();
            return Err(InputError::Invalid { what: "execution id", reason });
        }
        let identity = identity.map(|identity| identity.document()).transpose()?;
        Ok(Self {
            id,
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
            preview,
            attempt,
            identity,
            payload,
            events,
        })
    }
}

fn check_links<const N: usize>(ids: [(&'static str, Option<&Text>); N]) -> Result<(), InputError> {
    ids.into_iter().filter_map(|(what, id)| Some((what, id?))).try_for_each(|(what, id)| check_id(what, id))
}

fn check_names<const N: usize>(names: [(&'static str, Option<&Text>); N]) -> Result<(), InputError> {
    let mut names = names.into_iter().filter_map(|(what, name)| Some((what, name?)));
    names.try_for_each(|(what, name)| check_len(what, name, MAX_NAME))
}

fn check_labels<'l>(labels: impl Iterator<Item = (&'l Text, Option<&'l Text>)>) -> Result<(), InputError> {
    let mut set = 0;
    for (key, value) in labels {
        check_label(key, value.map_or("", |value| value))?;
        set += usize::from(value.is_some());
    }
    check_size("number of labels", set, MAX_LABELS)
}

/// What becomes of a part: left alone if it is not there, cleared by `null`.
impl Serialize for Edit<Text> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Edit::Set(text) => text.serialize(serializer),
            Edit::Leave | Edit::Clear => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Edit<Text> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Edit::Clear, Edit::Set))
    }
}

/// The members of an update.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateForm<'u> {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    state: Option<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    message: Edit<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    desired: Option<DesiredState>,
    #[serde(default, skip_serializing_if = "is_default")]
    name: Edit<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    node_id: Edit<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    parent: Edit<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    previous: Edit<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    clear_labels: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    labels: BTreeMap<Text, Option<Text>>,
    #[serde(default, skip_serializing_if = "is_default")]
    preview: Edit<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    payload: Option<Json>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    merge_payload: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    attempt: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<NewEvent>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    expect: Cow<'u, Expect>,
}

fn is_nothing(expect: &Expect) -> bool {
    *expect == Expect::new()
}

form!(Update as UpdateForm);

impl<'u> From<&'u Update> for UpdateForm<'u> {
    fn from(update: &'u Update) -> Self {
        let Update {
            state,
            message,
            desired,
            name,
            node_id,
            parent,
            previous,
            clear_labels,
            labels,
            preview,
            payload,
            reporter,
            events,
            expect,
        } = update;
        let (payload, merge_payload) = match payload {
            None => (None, None),
            Some(PayloadEdit::Replace(payload)) => (Some(payload.clone()), None),
            Some(PayloadEdit::Merge(patch)) => (None, Some(patch.clone())),
        };
        Self {
            state: state.clone(),
            message: message.clone(),
            desired: *desired,
            name: name.clone(),
            node_id: node_id.clone(),
            parent: parent.clone(),
            previous: previous.clone(),
            clear_labels: *clear_labels,
            labels: labels.clone(),
            preview: preview.clone(),
            payload,
            merge_payload,
            attempt: reporter.attempt,
            reported_at: reporter.at,
            events: events.clone(),
            expect: Cow::Borrowed(expect),
        }
    }
}

impl TryFrom<UpdateForm<'_>> for Update {
    type Error = InputError;

    fn try_from(form: UpdateForm<'_>) -> Result<Self, InputError> {
        let payload = match (form.payload, form.merge_payload) {
            (None, None) => None,
            (Some(payload), None) => Some(PayloadEdit::Replace(payload)),
            (None, Some(patch)) => Some(PayloadEdit::Merge(patch)),
            (Some(_), Some(_)) => {
                let reason = "it has `payload` and `merge_payload`, and only one is possible".into();
                return Err(InputError::Invalid { what: "update", reason });
            }
        };
        check_links([("parent", form.parent.text()), ("previous", form.previous.text())])?;
        check_names([("name", form.name.text()), ("node id", form.node_id.text())])?;
        check_labels(form.labels.iter().map(|(key, value)| (key, value.as_ref())))?;
        let reports = form.attempt.is_some() || form.reported_at.is_some();
        Ok(Self {
            state: form.state,
            message: form.message,
            desired: form.desired,
            name: form.name,
            node_id: form.node_id,
            parent: form.parent,
            previous: form.previous,
            clear_labels: form.clear_labels,
            labels: form.labels,
            preview: form.preview,
            payload,
            reporter: Reporter { reports, attempt: form.attempt, at: form.reported_at },
            events: form.events,
            expect: form.expect.into_owned(),
        })
    }
}
