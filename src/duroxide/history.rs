//! The executions of an instance and their events.

use duroxide::Event;
use serde::{Deserialize, Serialize};

use super::millis_of;
use super::records::{CHILDREN, INSTANCES, Instance, decode};
use crate::buckets::key;
use crate::lifecycle::Lifecycle;
use crate::{Error, Execution, ExecutionId, JobId, Json, Readable, Writer};

pub(super) const RUNNING: &str = "Running";
const ENDS: [&str; 3] = ["Completed", "Failed", "ContinuedAsNew"];

/// The states that the executions of orchestrations have.
pub(super) fn lifecycle() -> Lifecycle {
    let states = Lifecycle::builder().live(RUNNING);
    let built =
        ENDS.iter().fold(states, |states, end| states.terminal(end)).transitions(RUNNING, ENDS).build();
    match built {
        Ok(lifecycle) => lifecycle,
        Err(error) => unreachable!("the states above are constant, and every test builds them: {error}"),
    }
}

/// The state that a lifecycle lacks.
pub(super) fn missing_state(lifecycle: &Lifecycle) -> Option<&'static str> {
    let is_missing = |state: &&str| {
        lifecycle.state(state).is_none() || *state != RUNNING && !lifecycle.allows(RUNNING, state)
    };
    [RUNNING].into_iter().chain(ENDS).find(|state| is_missing(state))
}

/// The payload of an execution.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Payload {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) orchestration: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// What it ended with: a result, an error, or the input of the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<String>,
}

pub(super) fn job(instance: &str) -> JobId {
    JobId::from_any(instance)
}

pub(super) fn id(instance: &str, execution: u64) -> ExecutionId {
    ExecutionId::from_any(format!("{instance}/{execution}"))
}

pub(super) fn instance(r: &impl Readable, instance: &str) -> Result<Option<Instance>, Error> {
    r.bucket(INSTANCES)?.get(key(&instance))?.as_deref().map(decode).transpose()
}

/// The number of the latest execution; 1 if there is none.
pub(super) fn latest(r: &impl Readable, name: &str) -> Result<u64, Error> {
    if let Some(instance) = instance(r, name)? {
        return Ok(instance.execution);
    }
    Ok(executions(r, name)?.last().map_or(1, |execution| execution.attempt))
}

/// The executions of an instance, the first first.
pub(super) fn executions(r: &impl Readable, instance: &str) -> Result<Vec<Execution>, Error> {
    let mut all = r.by_job(job(instance))?.collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|execution| execution.attempt);
    Ok(all)
}

/// The events of an execution, as they are stored.
pub(super) fn stored(r: &impl Readable, id: &ExecutionId) -> Result<Vec<Json>, Error> {
    r.events(id, ..)?.map(|event| Ok(event?.details)).collect()
}

/// The events of an execution; or why one of them cannot be read.
pub(super) fn parse(stored: &[Json]) -> Result<Vec<Event>, String> {
    let mut events = Vec::with_capacity(stored.len());
    for (place, event) in stored.iter().enumerate() {
        let read = serde_json::from_str::<Event>(event.as_str());
        events.push(read.map_err(|error| format!("event {} of {}: {error}", place + 1, stored.len()))?);
    }
    events.sort_by_key(Event::event_id);
    Ok(events)
}

/// Removes the executions of an instance and all that the provider knows of it; says how many executions and events there were.
pub(super) fn remove(w: &mut Writer<'_>, name: &str) -> Result<(u64, u64), Error> {
    let (mut executions, mut events) = (0, 0);
    for execution in self::executions(w, name)? {
        executions += 1;
        events += w.delete(&execution.id)?.event_count;
    }
    if let Some(parent) = instance(w, name)?.and_then(|instance| instance.parent) {
        w.open_bucket(CHILDREN)?.delete(key(&(parent.as_str(), name)))?;
    }
    w.open_bucket(INSTANCES)?.delete(key(&name))?;
    Ok((executions, events))
}

/// When an execution ended, in milliseconds since 1970.
pub(super) fn ended_at(execution: &Execution) -> Option<u64> {
    execution.completed_at.map(millis_of)
}
