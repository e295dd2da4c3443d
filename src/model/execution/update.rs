//! What to change of an execution. Pure.

use std::collections::BTreeMap;

use super::DesiredState;
use super::edit::Edit;
use crate::model::events::NewEvent;
use crate::model::expect::Expect;
use crate::model::fingerprint::Fingerprint;
use crate::model::json::Json;
use crate::model::json::form::{given, is_default, request};
use crate::model::limits::{LongTexts, MAX_MESSAGE, MAX_NAME};
use crate::model::report::Reporter;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// What becomes of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PayloadEdit {
    Replace(Json),
    Merge(Json),
}

request! {
    /// What to change of an execution, on what condition, and which events to append. Every part is left, set or cleared; nothing is merged by
    /// guess. Of several calls for the same part the last one counts, those for the payload among them: a merge after a replacement, or after
    /// another merge, takes its place. Events add up, and conditions must all hold.
    ///
    /// ```
    /// use execstore::{DesiredState, Expect, Json, NewEvent, Update};
    /// let update = Update::to("Completed")
    ///     .message("exit code 0")
    ///     .desired(DesiredState::Stopped)
    ///     .label("cached", "no")
    ///     .clear_node_id()
    ///     .merge_payload(Json::from_text(r#"{"result":{"exit_code":0},"lease":null}"#)?)
    ///     .event(NewEvent::new("exited").message("exit code 0"))
    ///     .expect(Expect::new().state("Running")); // else nothing happens, and it is a conflict
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    #[must_use]
    pub struct Update {
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) state: Option<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) message: Edit<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) desired: Option<DesiredState>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) name: Edit<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) node_id: Edit<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) parent: Edit<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) previous: Edit<Text>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) clear_labels: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) labels: BTreeMap<Text, Option<Text>>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(super) preview: Edit<Text>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) payload: Option<Json>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) merge_payload: Option<Json>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
        pub(super) attempt: Option<u64>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(super) reported_at: Option<Timestamp>,
        /// It is a report, even if it names neither.
        #[serde(skip)]
        pub(crate) reports: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub(crate) events: Vec<NewEvent>,
        #[serde(default, skip_serializing_if = "is_default")]
        pub(crate) expect: Expect,
    }
}

impl Update {
    /// Changes nothing yet. Written as it is, it raises the revision and sets the modified time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves to this state.
    pub fn to(state: impl AsRef<str>) -> Self {
        Self::new().state(state)
    }

    /// Moves to this state, if the lifecycle allows it.
    pub fn state(mut self, state: impl AsRef<str>) -> Self {
        self.state = Some(state.as_ref().into());
        self
    }

    /// Sets the message.
    pub fn message(mut self, message: impl AsRef<str>) -> Self {
        self.message = Edit::Set(Text::from(message.as_ref()));
        self
    }

    /// Removes the message.
    pub fn clear_message(mut self) -> Self {
        self.message = Edit::Clear;
        self
    }

    /// Sets the desired state.
    pub fn desired(mut self, desired: DesiredState) -> Self {
        self.desired = Some(desired);
        self
    }

    /// Sets the desired state back to the default, [`DesiredState::Pending`].
    pub fn clear_desired(self) -> Self {
        self.desired(DesiredState::default())
    }

    /// Sets the name.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Edit::Set(Text::from(name.as_ref()));
        self
    }

    /// Removes the name.
    pub fn clear_name(mut self) -> Self {
        self.name = Edit::Clear;
        self
    }

    /// Sets the node id.
    pub fn node_id(mut self, node_id: impl AsRef<str>) -> Self {
        self.node_id = Edit::Set(Text::from(node_id.as_ref()));
        self
    }

    /// Removes the node id.
    pub fn clear_node_id(mut self) -> Self {
        self.node_id = Edit::Clear;
        self
    }

    /// Sets the parent.
    pub fn parent(mut self, parent: impl AsRef<str>) -> Self {
        self.parent = Edit::Set(Text::from(parent.as_ref()));
        self
    }

    /// Removes the parent.
    pub fn clear_parent(mut self) -> Self {
        self.parent = Edit::Clear;
        self
    }

    /// Sets the attempt that this execution replaces.
    pub fn previous(mut self, previous: impl AsRef<str>) -> Self {
        self.previous = Edit::Set(Text::from(previous.as_ref()));
        self
    }

    /// Removes the link to the attempt that this execution replaces.
    pub fn clear_previous(mut self) -> Self {
        self.previous = Edit::Clear;
        self
    }

    /// Sets one label and leaves the others.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels.insert(Text::from(key.as_ref()), Some(Text::from(value.as_ref())));
        self
    }

    /// Removes one label, if it is there.
    pub fn remove_label(mut self, key: impl AsRef<str>) -> Self {
        self.labels.insert(Text::from(key.as_ref()), None);
        self
    }

    /// Removes all labels but those that this update itself sets.
    pub fn clear_labels(mut self) -> Self {
        self.clear_labels = true;
        self
    }

    /// Sets the short text for lists.
    pub fn preview(mut self, preview: impl AsRef<str>) -> Self {
        self.preview = Edit::Set(Text::from(preview.as_ref()));
        self
    }

    /// Removes the short text for lists.
    pub fn clear_preview(mut self) -> Self {
        self.preview = Edit::Clear;
        self
    }

    /// Replaces the payload.
    pub fn payload(mut self, payload: impl Into<Json>) -> Self {
        (self.payload, self.merge_payload) = (Some(payload.into()), None);
        self
    }

    /// Sets the payload to `null`.
    pub fn clear_payload(self) -> Self {
        self.payload(Json::null())
    }

    /// Says that this is a report of an attempt, by its number. A report of an attempt before the last one that reported, or of an
    /// execution that has ended, is late: [`Writer::report`](crate::Writer::report) ignores it and says so, [`Writer::update`](crate::Writer::update)
    /// refuses it with [`WriteError::Late`](crate::error::WriteError::Late). The number is kept in the record.
    ///
    /// A report that names the state that the execution is in leaves it there, as if it named none.
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Says that this is a report, of what was so at this time by the reporter's clock. Before the time of the last report of the same attempt
    /// it is late, as above. The time is kept in the record, and no other time of it is touched.
    pub fn reported_at(mut self, time: Timestamp) -> Self {
        self.reported_at = Some(time);
        self
    }

    /// Applies a JSON merge patch (RFC 7396) to the payload: see [`Json::merge_patch`].
    ///
    /// In a patch `null` removes, so a struct whose `Option` is `None` removes that member; `#[serde(skip_serializing_if =
    /// "Option::is_none")]` leaves it alone.
    pub fn merge_payload(mut self, patch: impl Into<Json>) -> Self {
        (self.payload, self.merge_payload) = (None, Some(patch.into()));
        self
    }

    /// Appends an event, in the same operation.
    pub fn event(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// Appends events, in this order.
    pub fn events(mut self, events: impl IntoIterator<Item = NewEvent>) -> Self {
        self.events.extend(events);
        self
    }

    /// Only if the execution is so; else [`WriteError::Conflict`](crate::error::WriteError::Conflict), and nothing is changed.
    ///
    /// Given twice, both conditions must hold: who adds one cannot take away another by mistake. So the states of the two are no
    /// alternatives; name those within one [`Expect`].
    ///
    /// ```
    /// # use execstore::error::WriteError;
    /// # use execstore::{Error, Expect, NewExecution, Store, Update};
    /// # let store = Store::in_memory()?;
    /// let job = store.create(NewExecution::new("job-1").state("New"))?;
    /// // Of several workers one gets past the condition.
    /// let claim = || Update::to("BidAccepted").node_id("n-7").expect(Expect::new().revision(job.revision));
    /// store.update(&job.id, claim())?;
    /// let lost = store.update(&job.id, claim());
    /// assert!(matches!(lost, Err(Error::Write(WriteError::Conflict { .. }))));
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = self.expect.and(expect);
        self
    }

    /// Whether it sets the parent, and the previous attempt.
    pub(crate) fn named_links(&self) -> [bool; 2] {
        [&self.parent, &self.previous].map(|link| matches!(link, Edit::Set(_)))
    }

    /// The same for updates that do the same, however they were put together. Without the condition.
    pub(crate) fn fingerprint(&self, f: &mut Fingerprint) {
        // Each part by its name, so that a new one does not compile until it is taken in.
        let Self {
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
            merge_payload,
            attempt,
            reported_at,
            reports: _,
            events,
            expect: _,
        } = self;
        f.optional(state.as_deref());
        let texts = [message, name, node_id, parent, previous, preview];
        texts.into_iter().for_each(|text| text.fingerprint(f));
        f.number(desired.map_or(0, |desired| desired as u64 + 1));
        f.number(u64::from(*clear_labels));
        f.number(labels.len() as u64);
        for (key, value) in labels {
            f.text(key);
            f.optional(value.as_deref());
        }
        f.number(if payload.is_some() { 1 } else { 2 * u64::from(merge_payload.is_some()) });
        f.optional(payload.as_ref().or(merge_payload.as_ref()).map(Json::as_str));
        f.number(u64::from(self.reporter().reports));
        for part in [*attempt, reported_at.map(|at| at.as_nanos().cast_unsigned())] {
            f.number(u64::from(part.is_some()));
            f.number(part.unwrap_or_default());
        }
        f.number(events.len() as u64);
        events.iter().for_each(|event| event.fingerprint(f));
    }
}

impl Update {
    pub(crate) fn take_payload(&mut self) -> Option<PayloadEdit> {
        let replaced = self.payload.take().map(PayloadEdit::Replace);
        replaced.or(self.merge_payload.take().map(PayloadEdit::Merge))
    }

    /// Who reports, if it is a report.
    pub(crate) fn reporter(&self) -> Reporter {
        let reports = self.reports || self.attempt.is_some() || self.reported_at.is_some();
        Reporter { reports, attempt: self.attempt, at: self.reported_at }
    }

    /// Makes the texts for people fit.
    pub(crate) fn fit_texts(&mut self, long: LongTexts) {
        for (edit, maximum) in [(&mut self.message, MAX_MESSAGE), (&mut self.preview, MAX_NAME)] {
            if let Edit::Set(text) = edit {
                long.fit(text, maximum);
            }
        }
        NewEvent::fit_all(&mut self.events, long);
    }
}
