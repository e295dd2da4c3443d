//! An execution to be created. Pure.

use super::{DEFAULT_NAMESPACE, DesiredState, Execution, Header, Labels, check_payload, link};
use crate::model::error::{InputError, WriteError};
use crate::model::events::NewEvent;
use crate::model::id::{ExecutionId, IdMaker, Incarnation, JobId, Revision};
use crate::model::identity::Identity;
use crate::model::json::Json;
use crate::model::json::form::{given, is_default, request};
use crate::model::lifecycle::{Lifecycle, Phase};
use crate::model::limits::{LongTexts, MAX_MESSAGE, MAX_NAME};
use crate::model::text::Text;
use crate::model::time::Timestamp;

request! {
    /// An execution to be created, with its first events. Of several calls for the same part, or for a label of the same key, the last one counts.
    ///
    /// ```
    /// use execstore::{DesiredState, Json, NewEvent, NewExecution};
    /// let new = NewExecution::new("job-1")
    ///     .id("e-1")                              // else a new UUID v7
    ///     .namespace("tenant-a")                  // else "default"
    ///     .state("New")                           // else the lifecycle's first pending or live state
    ///     .desired(DesiredState::Running)
    ///     .label("kind", "batch")
    ///     .event(NewEvent::new("created"))        // the first of its history
    ///     .payload(Json::from_text(r#"{"image":"alpine"}"#)?);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[must_use]
    pub struct NewExecution {
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) id: Option<Text>,
        pub(super) job_id: Text,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) namespace: Option<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) name: Option<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) node_id: Option<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) state: Option<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) message: Option<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) desired: DesiredState,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) parent: Option<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) previous: Option<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) labels: Labels,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) preview: Option<Text>,
        #[serde(default, skip_serializing_if = "is_default", with = "crate::model::json::count")]
        pub(super) attempt: u64,
        /// The document that the id was computed from.
        #[serde(default, with = "crate::model::identity::of_document", skip_serializing_if = "Option::is_none")]
        pub(crate) identity: Option<Json>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(crate) payload: Json,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) events: Vec<NewEvent>,
    }
}

impl NewExecution {
    /// An execution of this job, everything else left to its default.
    pub fn new(job_id: impl AsRef<str>) -> Self {
        Self {
            id: None,
            job_id: Text::from(job_id.as_ref()),
            namespace: None,
            name: None,
            node_id: None,
            state: None,
            message: None,
            desired: DesiredState::default(),
            parent: None,
            previous: None,
            labels: Labels::new(),
            preview: None,
            attempt: 0,
            identity: None,
            payload: Json::null(),
            events: Vec::new(),
        }
    }

    /// Sets the id, which no other execution of the store may have, whatever its job and namespace. Without it the store makes a
    /// UUID of version 7. For names that are longer than 128 bytes see [`ExecutionId::from_any`].
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(Text::from(id.as_ref()));
        self.identity = None;
        self
    }

    /// Sets the namespace, `"default"` otherwise.
    pub fn namespace(mut self, namespace: impl AsRef<str>) -> Self {
        self.namespace = Some(Text::from(namespace.as_ref()));
        self
    }

    /// Sets the name.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(Text::from(name.as_ref()));
        self
    }

    /// Sets the node id.
    pub fn node_id(mut self, node_id: impl AsRef<str>) -> Self {
        self.node_id = Some(Text::from(node_id.as_ref()));
        self
    }

    /// Sets the first state, which must be pending or live. Without it, the first such state of the
    /// lifecycle.
    pub fn state(mut self, state: impl AsRef<str>) -> Self {
        self.state = Some(state.as_ref().into());
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: impl AsRef<str>) -> Self {
        self.message = Some(Text::from(message.as_ref()));
        self
    }

    /// Sets the desired state.
    pub fn desired(mut self, desired: DesiredState) -> Self {
        self.desired = desired;
        self
    }

    /// Sets the execution that caused this one.
    pub fn parent(mut self, parent: impl AsRef<str>) -> Self {
        self.parent = Some(Text::from(parent.as_ref()));
        self
    }

    /// Sets the attempt that this one replaces.
    pub fn previous(mut self, previous: impl AsRef<str>) -> Self {
        self.previous = Some(Text::from(previous.as_ref()));
        self
    }

    /// Adds a label.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels.insert(Text::from(key.as_ref()), Text::from(value.as_ref()));
        self
    }

    /// Adds labels.
    pub fn labels(mut self, labels: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> Self {
        self.labels.extend(
            labels.into_iter().map(|(key, value)| (Text::from(key.as_ref()), Text::from(value.as_ref()))),
        );
        self
    }

    /// Sets a short text for lists, at most 256 bytes: see [`Selection::summaries`](crate::query::Selection::summaries).
    pub fn preview(mut self, preview: impl AsRef<str>) -> Self {
        self.preview = Some(Text::from(preview.as_ref()));
        self
    }

    /// Sets the number of the first attempt, 0 otherwise: see [`Update::attempt`](crate::Update::attempt).
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets the payload, `null` otherwise.
    pub fn payload(mut self, payload: impl Into<Json>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Adds an event to those that the execution begins with.
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Adds events, in this order.
    ///
    /// ```
    /// use execstore::{NewEvent, NewExecution};
    /// let stages = ["queued", "scheduled"];
    /// let new = NewExecution::new("job-1").events(stages.map(NewEvent::new));
    /// ```
    pub fn events(mut self, events: impl IntoIterator<Item = NewEvent>) -> Self {
        self.events.extend(events);
        self
    }

    /// An error if the execution of this id is one of another job or namespace.
    pub(crate) fn check_same(&self, existing: &Header) -> Result<(), WriteError> {
        let namespace = self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        if existing.job_id == *self.job_id && existing.namespace == *namespace {
            return Ok(());
        }
        let job_id = JobId::checked(self.job_id.clone())?;
        Err(WriteError::OtherExecution {
            found: Box::new(existing.clone()),
            job_id,
            namespace: Text::from(namespace),
        })
    }

    /// The id, if it is known before the creation.
    pub(crate) fn known_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// An execution whose id is computed from what it is: its job, parent and labels are those of the identity, its name the
    /// task key if that is 1 to 256 bytes long. The identity is kept with it, as the attachment
    /// `execstore/identity`, so that the id can be [recomputed](crate::Readable::verify_identity).
    pub fn identified(identity: &Identity) -> Result<Self, InputError> {
        let mut new = Self::new(identity.job_id()).id(identity.id()?.as_str()).labels(identity.labels());
        if (1..=MAX_NAME).contains(&identity.task_key().len()) {
            new = new.name(identity.task_key());
        }
        if let Some(parent) = identity.parent_id() {
            new = new.parent(parent.as_str());
        }
        new.identity = Some(identity.document()?);
        Ok(new)
    }

    /// Makes the texts for people fit.
    pub(crate) fn fit_texts(&mut self, long: LongTexts) {
        self.message.as_mut().into_iter().for_each(|text| long.fit(text, MAX_MESSAGE));
        self.preview.as_mut().into_iter().for_each(|text| long.fit(text, MAX_NAME));
        NewEvent::fit_all(&mut self.events, long);
    }

    /// Checks everything and makes the first record.
    pub(crate) fn build(
        self,
        lifecycle: &Lifecycle,
        max_payload: usize,
        now: Timestamp,
    ) -> Result<Execution, WriteError> {
        // Each part by its name, so that a new one does not compile until it is in the record.
        let Self {
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
            identity: _,
            payload,
            events: _,
        } = self;
        let state = match &state {
            Some(name) => {
                lifecycle.state(name).ok_or_else(|| InputError::UnknownState { state: name.into() })?
            }
            None => {
                let first = lifecycle.states().find(|state| !state.is_terminal());
                first.ok_or_else(|| InputError::UnknownState { state: String::new() })?
            }
        };
        if state.phase() == Phase::Terminal {
            return Err(WriteError::InitialState { state: state.clone() });
        }
        let header = Header {
            id: id.map_or_else(|| Ok(IdMaker::default().next(now)), ExecutionId::checked)?,
            // Given by the store once everything was checked.
            incarnation: Incarnation(0),
            job_id: JobId::checked(job_id)?,
            namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
            name,
            node_id,
            state: state.clone(),
            message,
            desired,
            parent: link("parent", parent)?,
            previous: link("previous", previous)?,
            labels,
            revision: Revision(1),
            created_at: now,
            modified_at: now,
            completed_at: None,
            not_before: None,
            attempt,
            reported_at: None,
            event_count: 0,
            preview,
        };
        header.check()?;
        check_payload(&payload, max_payload)?;
        Ok(Execution { header: Box::new(header), payload })
    }
}
