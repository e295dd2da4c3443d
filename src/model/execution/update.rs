//! What to change of an execution, and the record that comes of it. Pure.

use std::collections::BTreeMap;

use super::{DesiredState, Header, link};
use crate::model::error::{InputError, WriteError};
use crate::model::events::NewEvent;
use crate::model::expect::Expect;
use crate::model::fingerprint::Fingerprint;
use crate::model::id::{ExecutionId, Revision};
use crate::model::json::Json;
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::limits::{LongTexts, MAX_MESSAGE, MAX_NAME};
use crate::model::report::Reporter;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// Leave, set or clear one part of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Edit<T> {
    #[default]
    Leave,
    Set(T),
    Clear,
}

impl Edit<Text> {
    fn fingerprint(&self, f: &mut Fingerprint) {
        match self {
            Edit::Leave => f.number(0),
            Edit::Set(text) => {
                f.number(1);
                f.text(text);
            }
            Edit::Clear => f.number(2),
        }
    }
}

impl<T> Edit<T> {
    pub(super) fn text(&self) -> Option<&T> {
        match self {
            Edit::Set(value) => Some(value),
            Edit::Leave | Edit::Clear => None,
        }
    }

    fn apply(self, part: &mut Option<T>) {
        match self {
            Edit::Leave => {}
            Edit::Set(value) => *part = Some(value),
            Edit::Clear => *part = None,
        }
    }
}

/// What becomes of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PayloadEdit {
    Replace(Json),
    Merge(Json),
}

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
    pub(super) state: Option<Text>,
    pub(super) message: Edit<Text>,
    pub(super) desired: Option<DesiredState>,
    pub(super) name: Edit<Text>,
    pub(super) node_id: Edit<Text>,
    pub(super) parent: Edit<Text>,
    pub(super) previous: Edit<Text>,
    pub(super) clear_labels: bool,
    pub(super) labels: BTreeMap<Text, Option<Text>>,
    pub(super) preview: Edit<Text>,
    pub(super) payload: Option<PayloadEdit>,
    pub(crate) reporter: Reporter,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) expect: Expect,
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
        self.payload = Some(PayloadEdit::Replace(payload.into()));
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
        self.reporter = Reporter { reports: true, attempt: Some(attempt), ..self.reporter };
        self
    }

    /// Says that this is a report, of what was so at this time by the reporter's clock. Before the time of the last report of the same attempt
    /// it is late, as above. The time is kept in the record, and no other time of it is touched.
    pub fn reported_at(mut self, time: Timestamp) -> Self {
        self.reporter = Reporter { reports: true, at: Some(time), ..self.reporter };
        self
    }

    /// Applies a JSON merge patch (RFC 7396) to the payload: see [`Json::merge_patch`].
    ///
    /// In a patch `null` removes, so a struct whose `Option` is `None` removes that member; `#[serde(skip_serializing_if =
    /// "Option::is_none")]` leaves it alone.
    pub fn merge_payload(mut self, patch: impl Into<Json>) -> Self {
        self.payload = Some(PayloadEdit::Merge(patch.into()));
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
        f.optional(self.state.as_deref());
        let texts = [&self.message, &self.name, &self.node_id, &self.parent, &self.previous, &self.preview];
        texts.into_iter().for_each(|text| text.fingerprint(f));
        f.number(self.desired.map_or(0, |desired| desired as u64 + 1));
        f.number(u64::from(self.clear_labels));
        f.number(self.labels.len() as u64);
        for (key, value) in &self.labels {
            f.text(key);
            f.optional(value.as_deref());
        }
        let (kind, payload) = match &self.payload {
            None => (0, None),
            Some(PayloadEdit::Replace(payload)) => (1, Some(payload)),
            Some(PayloadEdit::Merge(patch)) => (2, Some(patch)),
        };
        f.number(kind);
        f.optional(payload.map(Json::as_str));
        let Reporter { reports, attempt, at } = self.reporter;
        f.number(u64::from(reports));
        for part in [attempt, at.map(|at| at.as_nanos().cast_unsigned())] {
            f.number(u64::from(part.is_some()));
            f.number(part.unwrap_or_default());
        }
        f.number(self.events.len() as u64);
        self.events.iter().for_each(|event| event.fingerprint(f));
    }
}

impl Update {
    pub(crate) fn take_payload(&mut self) -> Option<PayloadEdit> {
        self.payload.take()
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

impl Header {
    /// The header after `update`, one revision on. Checks everything; changes nothing on an error.
    pub(crate) fn apply(
        &self,
        update: Update,
        lifecycle: &Lifecycle,
        now: Timestamp,
    ) -> Result<Header, WriteError> {
        let reports = update.reporter.reports;
        match update.reporter.is_late(self).filter(|_| reports) {
            Some(why) => Err(WriteError::Late { id: self.id.clone(), why }),
            None => self.edit(update, lifecycle, now),
        }
    }

    /// `true` if the update says of the execution what is known of it, its payload aside.
    pub(crate) fn repeats(&self, update: Update, lifecycle: &Lifecycle) -> bool {
        let after = self.edit(update, lifecycle, self.modified_at);
        after.is_ok_and(|mut after| {
            after.revision = self.revision;
            after == *self
        })
    }

    /// The same, whoever reports it.
    fn edit(&self, update: Update, lifecycle: &Lifecycle, now: Timestamp) -> Result<Header, WriteError> {
        let mut after = self.clone();
        update.reporter.note(&mut after);
        after.revision = Revision(self.revision.0 + 1);
        after.modified_at = now.max(self.modified_at);
        if let Some(name) =
            update.state.filter(|name| !update.reporter.reports || self.state != name.as_str())
        {
            after.state = self.next_state(name, lifecycle)?;
            if after.state.is_terminal() {
                after.completed_at = Some(after.modified_at);
            }
        }
        update.message.apply(&mut after.message);
        after.desired = update.desired.unwrap_or(after.desired);
        update.name.apply(&mut after.name);
        update.node_id.apply(&mut after.node_id);
        apply_link("parent", update.parent, &mut after.parent)?;
        apply_link("previous", update.previous, &mut after.previous)?;
        update.preview.apply(&mut after.preview);
        if update.clear_labels {
            after.labels.clear();
        }
        for (key, value) in update.labels {
            match value {
                Some(value) => after.labels.insert(key, value),
                None => after.labels.remove(&key),
            };
        }
        after.check()?;
        Ok(after)
    }

    fn next_state(&self, to: Text, lifecycle: &Lifecycle) -> Result<State, WriteError> {
        let Some(next) = lifecycle.state(&to) else {
            return Err(InputError::UnknownState { state: to.into() }.into());
        };
        if self.state.is_terminal() {
            return Err(WriteError::Terminal {
                id: self.id.clone(),
                state: self.state.clone(),
                to: next.clone(),
            });
        }
        if !lifecycle.allows_codes(self.state.code(), next.code()) {
            return Err(WriteError::Transition {
                id: self.id.clone(),
                from: self.state.clone(),
                to: next.clone(),
            });
        }
        Ok(next.clone())
    }
}

fn apply_link(
    what: &'static str,
    edit: Edit<Text>,
    part: &mut Option<ExecutionId>,
) -> Result<(), InputError> {
    match edit {
        Edit::Leave => {}
        Edit::Set(id) => *part = link(what, Some(id))?,
        Edit::Clear => *part = None,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Labels, NewExecution};
    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn running() -> (Lifecycle, Header) {
        let lifecycle = Lifecycle::compute_node();
        let new = NewExecution::new("j").id("e").state("Running").message("m").label("a", "1");
        let execution = new.build(&lifecycle, 1_000, at(10)).unwrap();
        (lifecycle, execution.into_header())
    }

    #[test]
    fn an_update_leaves_what_it_does_not_name() {
        let (lifecycle, before) = running();
        let after = before.apply(Update::new(), &lifecycle, at(20)).unwrap();
        let mut expected = before.clone();
        expected.revision = Revision(2);
        expected.modified_at = at(20);
        assert_eq!(after, expected);
    }

    #[test]
    fn parts_are_set_and_cleared() {
        let (lifecycle, before) = running();
        let update = Update::new()
            .clear_message()
            .name("n")
            .parent("p")
            .desired(DesiredState::Running)
            .remove_label("a")
            .label("b", "2");
        let set = before.apply(update, &lifecycle, at(20)).unwrap();
        assert_eq!((set.message.as_deref(), set.name.as_deref()), (None, Some("n")));
        assert_eq!(set.parent.as_ref().unwrap(), &"p");
        assert_eq!(set.labels, Labels::from([("b".into(), "2".into())]));
        let update = Update::new().clear_name().clear_parent().clear_desired().clear_labels();
        let cleared = set.apply(update, &lifecycle, at(21)).unwrap();
        assert_eq!((&cleared.name, &cleared.parent, cleared.desired), (&None, &None, DesiredState::Pending));
        assert!(cleared.labels.is_empty());
    }

    #[test]
    fn times_never_go_back() {
        let (lifecycle, before) = running();
        let after = before.apply(Update::to("Completed"), &lifecycle, at(3)).unwrap();
        assert_eq!((after.modified_at, after.completed_at), (at(10), Some(at(10))));
    }

    #[test]
    fn transitions_are_checked() {
        let (lifecycle, running) = running();
        let apply = |e: &Header, to: &str| e.apply(Update::to(to), &lifecycle, at(20));
        assert!(matches!(apply(&running, "New"), Err(WriteError::Transition { .. })));
        assert!(matches!(apply(&running, "Running"), Err(WriteError::Transition { .. })));
        assert!(matches!(apply(&running, "Gone"), Err(WriteError::Input(InputError::UnknownState { .. }))));
        let ended = apply(&running, "Failed").unwrap();
        assert!(matches!(apply(&ended, "Completed"), Err(WriteError::Terminal { .. })));
        let relabelled = ended.apply(Update::new().label("x", "y"), &lifecycle, at(30)).unwrap();
        assert_eq!(relabelled.completed_at, Some(at(20)));
    }
}
