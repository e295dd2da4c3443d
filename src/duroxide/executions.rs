//! Writing what a turn does to an execution.

use std::collections::HashSet;

use duroxide::providers::ExecutionMetadata;
use duroxide::{Event, EventKind};
use serde::Deserialize;

use super::history::{Payload, RUNNING, id, instance, job, stored};
use super::invalid;
use super::records::{CHILDREN, INSTANCES, Instance, put};
use crate::buckets::key;
use crate::lifecycle::State;
use crate::limits::MAX_NAME;
use crate::{Error, ExecutionId, Json, NewEvent, NewExecution, Readable, Timestamp, Update, Writer};

/// What a turn does to an execution.
pub(super) struct Turn<'a> {
    pub(super) operation: &'static str,
    pub(super) instance: &'a str,
    pub(super) execution: u64,
    pub(super) events: &'a [Event],
    pub(super) metadata: &'a ExecutionMetadata,
    pub(super) now: u64,
}

impl Turn<'_> {
    /// Writes it: the record of the instance, the execution if it is a new one, its events and its state.
    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), Error> {
        let known = instance(w, self.instance)?;
        let id = id(self.instance, self.execution);
        let last_event = match &known {
            Some(known) if known.execution == self.execution => Some(known.last_event),
            _ => None,
        };
        self.check_events(w, &id, last_event)?;
        self.write_execution(w, &id, known.as_ref())?;
        self.write_instance(w, known)
    }

    fn write_instance(&self, w: &mut Writer<'_>, known: Option<Instance>) -> Result<(), Error> {
        let Self { instance, execution, metadata, now, .. } = self;
        let named = metadata.orchestration_name.as_ref().zip(metadata.orchestration_version.as_ref());
        let is_new = known.is_none();
        if is_new && named.is_none() {
            return Ok(());
        }
        let mut after = known.unwrap_or_else(|| Instance {
            parent: metadata.parent_instance_id.clone(),
            created_at: *now,
            ..Instance::default()
        });
        if let Some((name, version)) = named {
            (after.orchestration, after.version) = (name.clone(), version.clone());
        }
        if *execution > after.execution {
            (after.execution, after.last_event, after.pinned) = (*execution, 0, None);
        }
        if *execution == after.execution {
            let last = self.events.iter().map(Event::event_id).max().unwrap_or_default();
            after.last_event = after.last_event.max(last);
            if let Some(version) = &metadata.pinned_duroxide_version {
                after.pinned = Some((version.major, version.minor, version.patch));
            }
        }
        after.updated_at = *now;
        if let Some(parent) = after.parent.as_deref().filter(|_| is_new) {
            w.open_bucket(CHILDREN)?.put(key(&(parent, *instance)), "")?;
        }
        put(&mut w.open_bucket(INSTANCES)?, instance, &after)
    }

    fn write_execution(
        &self,
        w: &mut Writer<'_>,
        id: &ExecutionId,
        known: Option<&Instance>,
    ) -> Result<(), Error> {
        let mut events = self.events.iter().map(stored_event).collect::<Result<Vec<_>, _>>()?;
        let metadata = self.metadata;
        let state = match w.get(id)? {
            Some(before) => before.state.clone(),
            None => self.begin(w, id, known, std::mem::take(&mut events))?,
        };
        let Some(status) = &metadata.status else {
            if !events.is_empty() {
                w.append_events(id, events)?;
            }
            return Ok(());
        };
        let mut update = Update::new().events(events);
        if state != status.as_str() {
            update = update.state(status);
        }
        let output = Payload { output: metadata.output.clone(), ..Payload::default() };
        w.update(id, update.merge_payload(Json::from_serialize(&output)?))?;
        Ok(())
    }

    fn begin(
        &self,
        w: &mut Writer<'_>,
        id: &ExecutionId,
        known: Option<&Instance>,
        events: Vec<NewEvent>,
    ) -> Result<State, Error> {
        let Self { instance, execution, metadata, .. } = self;
        let payload = Payload {
            orchestration: metadata.orchestration_name.clone(),
            version: metadata.orchestration_version.clone(),
            output: None,
        };
        let mut new = NewExecution::new(job(instance))
            .id(id)
            .attempt(*execution)
            .state(RUNNING)
            .payload(Json::from_serialize(&payload)?)
            .events(events);
        if let Some(name) = metadata.orchestration_name.as_deref().filter(|name| name.len() <= MAX_NAME) {
            new = new.name(name);
        }
        if let Some(parent) = &metadata.parent_instance_id {
            let execution = self::instance(w, parent)?.map_or(1, |parent| parent.execution);
            new = new.parent(self::id(parent, execution));
        }
        if let Some(known) = known.filter(|known| known.execution < *execution) {
            new = new.previous(self::id(instance, known.execution));
        }
        Ok(w.create(new)?.state.clone())
    }

    /// Ids of events are drawn by the runtime, and each is there once.
    fn check_events(
        &self,
        w: &mut Writer<'_>,
        id: &ExecutionId,
        last_event: Option<u64>,
    ) -> Result<(), Error> {
        let ids: Vec<u64> = self.events.iter().map(Event::event_id).collect();
        if ids.contains(&0) {
            return Err(invalid(self.operation, "an event has the id 0: the runtime has to give it one"));
        }
        let is_ordered = ids.is_sorted_by(|one, next| one < next);
        if ids.is_empty() || is_ordered && last_event.is_some_and(|last| ids.first() > Some(&last)) {
            return Ok(());
        }
        #[derive(Deserialize)]
        struct Id {
            event_id: u64,
        }
        let mut seen = HashSet::new();
        for event in stored(w, id)? {
            // One that cannot be read has no id that could come twice.
            if let Ok(Id { event_id }) = serde_json::from_str(event.as_str()) {
                seen.insert(event_id);
            }
        }
        match ids.iter().find(|id| !seen.insert(**id)) {
            None => Ok(()),
            Some(twice) => {
                Err(invalid(self.operation, format!("the event {twice} of {id} is there already")))
            }
        }
    }
}

fn stored_event(event: &Event) -> Result<NewEvent, Error> {
    let time = i64::try_from(event.timestamp_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Ok(NewEvent::new(kind(&event.kind)).at(Timestamp::from_nanos(time)).details(Json::from_serialize(event)?))
}

/// The topic of an event: the name that duroxide gives its kind in JSON.
fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::OrchestrationStarted { .. } => "OrchestrationStarted",
        EventKind::OrchestrationCompleted { .. } => "OrchestrationCompleted",
        EventKind::OrchestrationFailed { .. } => "OrchestrationFailed",
        EventKind::ActivityScheduled { .. } => "ActivityScheduled",
        EventKind::ActivityCompleted { .. } => "ActivityCompleted",
        EventKind::ActivityFailed { .. } => "ActivityFailed",
        EventKind::ActivityCancelRequested { .. } => "ActivityCancelRequested",
        EventKind::TimerCreated { .. } => "TimerCreated",
        EventKind::TimerFired { .. } => "TimerFired",
        EventKind::ExternalSubscribed { .. } => "ExternalSubscribed",
        EventKind::ExternalEvent { .. } => "ExternalEvent",
        EventKind::OrchestrationChained { .. } => "OrchestrationChained",
        EventKind::SubOrchestrationScheduled { .. } => "SubOrchestrationScheduled",
        EventKind::SubOrchestrationCompleted { .. } => "SubOrchestrationCompleted",
        EventKind::SubOrchestrationFailed { .. } => "SubOrchestrationFailed",
        EventKind::SubOrchestrationCancelRequested { .. } => "SubOrchestrationCancelRequested",
        EventKind::OrchestrationContinuedAsNew { .. } => "OrchestrationContinuedAsNew",
        EventKind::OrchestrationCancelRequested { .. } => "OrchestrationCancelRequested",
        EventKind::ExternalSubscribedCancelled { .. } => "ExternalSubscribedCancelled",
        EventKind::QueueSubscribed { .. } => "ExternalSubscribedPersistent",
        EventKind::QueueEventDelivered { .. } => "ExternalEventPersistent",
        EventKind::QueueSubscriptionCancelled { .. } => "ExternalSubscribedPersistentCancelled",
        EventKind::CustomStatusUpdated { .. } => "CustomStatusUpdated",
        EventKind::KeyValueSet { .. } => "KeyValueSet",
        EventKind::KeyValueCleared { .. } => "KeyValueCleared",
        EventKind::KeyValuesCleared => "KeyValuesCleared",
        // A feature of duroxide for its own tests has more.
        #[allow(unreachable_patterns)]
        _ => "Other",
    }
}
