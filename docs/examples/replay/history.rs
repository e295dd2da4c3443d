//! A Temporal or Cadence history as one execution: each event an event, in the order of the event ids.
//!
//! - The execution's id is `originalExecutionRunId` of the started event, else the file's name.
//! - The job is the `workflowId` of the started event, else the workflow's type, else the file's name: the
//!   first of them that the limits of an id accept. Older histories have no workflow id.
//! - The payload is the attributes of the started event and the file's members beside its events.
//! - An event's details are its whole object, the text exactly; its topic is the type as it is spelt.

use execstore::{JobId, Json, Labels, Timestamp, limits};
use serde_json::value::RawValue;

use super::members::{Members, object, text_at};
use super::record::{Event, Move, Record, Step, within};
use super::states::{self, SCHEDULED};
use super::temporal::plain_type;
use super::{cadence, files::Kind, temporal};

/// Most events in one operation.
const BATCH: usize = 32;

/// A run, and what it says of the run after it.
#[derive(Debug)]
pub struct Run {
    pub record: Record,
    pub next: Option<String>,
}

struct Entry<'a> {
    id: i64,
    plain_type: String,
    event: Event,
    members: Members<'a>,
}

/// The list of events in a document, and the document's other members.
pub fn split(text: &str) -> Result<(Vec<&RawValue>, Members<'_>), serde_json::Error> {
    if text.trim_start().starts_with('[') {
        return Ok((serde_json::from_str(text)?, Members::new()));
    }
    let mut others: Members<'_> = serde_json::from_str(text)?;
    if let Some(history) = others.remove("history") {
        let mut history: Members<'_> = serde_json::from_str(history.get())?;
        let events = history.remove("events");
        return Ok((list(events)?, others));
    }
    let events = others.remove("events");
    Ok((list(events)?, others))
}

fn list(events: Option<&RawValue>) -> Result<Vec<&RawValue>, serde_json::Error> {
    events.map_or(Ok(Vec::new()), |events| serde_json::from_str(events.get()))
}

/// Reads a history. `name` is that of the file, for what the history does not say.
pub fn read(text: &str, kind: Kind, name: &str) -> Result<Run, String> {
    let (events, others) = split(text).map_err(|error| error.to_string())?;
    let mut entries = Vec::with_capacity(events.len());
    for (raw, nth) in events.into_iter().zip(1..) {
        entries.push(entry(raw, kind).map_err(|reason| format!("event {nth} in the file: {reason}"))?);
    }
    entries.sort_by_key(|entry| entry.id);
    if let Some((_, twice)) = entries.iter().zip(entries.iter().skip(1)).find(|(a, b)| a.id == b.id) {
        return Err(format!("the event id {} occurs twice", twice.id));
    }
    let is_start = |entry: &&Entry<'_>| entry.plain_type == "WorkflowExecutionStarted";
    let started = entries.iter().find(is_start).and_then(attributes);
    let about: Members<'_> = started.and_then(object).unwrap_or_default();
    let closing = entries
        .iter()
        .find(|entry| states::after(SCHEDULED, &entry.plain_type).is_some_and(states::is_terminal));
    let next = closing.and_then(attributes).and_then(object);

    let workflow_type = about.get("workflowType").and_then(|raw| object(raw));
    let workflow_type = workflow_type.and_then(|members| text_at(&members, "name"));
    let job = [text_at(&about, "workflowId"), workflow_type.clone()];
    let job = job.into_iter().flatten().find(|job| JobId::new(job).is_ok());
    let parent = about.get("parentWorkflowExecution").and_then(|raw| object(raw));
    let mut labels = Labels::new();
    for (label, member) in
        [("attempt", "attempt"), ("first-run", "firstExecutionRunId"), ("cron", "cronSchedule")]
    {
        let value = text_at(&about, member).and_then(|value| within(&value, limits::MAX_LABEL_VALUE));
        labels.extend(value.map(|value| (label.into(), value.into())));
    }
    let others = Json::from_serialize(&others).map_err(|error| error.to_string())?;
    let started = started.map_or("null", |started| started.get());
    let payload = format!("{{\"started\":{started},\"document\":{others}}}");
    let (first, steps) = steps(entries);
    let record = Record {
        id: text_at(&about, "originalExecutionRunId").unwrap_or_else(|| name.to_owned()),
        job: job.unwrap_or_else(|| name.to_owned()),
        namespace: kind.to_string(),
        name: workflow_type.and_then(|name| within(&name, limits::MAX_NAME)),
        parent: parent.and_then(|parent| text_at(&parent, "runId")),
        previous: text_at(&about, "continuedExecutionRunId"),
        labels,
        payload: Json::from_text(&payload).map_err(|error| error.to_string())?,
        first,
        steps,
        ..Record::default()
    };
    if record.first.is_empty() {
        return Err("it has no events".into());
    }
    let next = next.and_then(|members| text_at(&members, "newExecutionRunId"));
    Ok(Run { record, next })
}

fn entry(raw: &RawValue, kind: Kind) -> Result<Entry<'_>, String> {
    let members: Members<'_> = object(raw).ok_or("it is not an object")?;
    let id = text_at(&members, "eventId").and_then(|id| id.parse().ok());
    let id = id.ok_or("it has no eventId that is a number")?;
    let name = if kind == Kind::Cadence { cadence::TIME } else { temporal::TIME };
    let time: Timestamp = match (members.get(name), kind) {
        (None, _) => return Err(format!("it has no {name}")),
        (Some(raw), Kind::Cadence) => cadence::time(raw)?,
        (Some(raw), _) => temporal::time(raw)?,
    };
    let topic = text_at(&members, "eventType").unwrap_or_default();
    Ok(Entry {
        id,
        plain_type: plain_type(&topic),
        event: Event {
            topic,
            message: id.to_string(),
            time,
            details: Json::from_text(raw.get()).map_err(|error| error.to_string())?,
        },
        members,
    })
}

/// The operations: the first event with the creation, an update at each change of state, and what lies
/// between appended in batches.
fn steps(entries: Vec<Entry<'_>>) -> (Vec<Event>, Vec<Step>) {
    let mut first = Vec::new();
    let mut steps: Vec<Step> = Vec::new();
    let mut state = SCHEDULED;
    for entry in entries {
        let message = entry.event.topic.clone();
        let change = states::after(state, &entry.plain_type).map(|to| Move { to, message });
        state = change.as_ref().map_or(state, |change| change.to);
        if first.is_empty() {
            first.push(entry.event);
            steps.extend(change.map(|change| Step { change: Some(change), events: Vec::new() }));
            continue;
        }
        match steps.last_mut() {
            Some(Step { change: None, events }) if change.is_none() && events.len() < BATCH => {
                events.push(entry.event);
            }
            _ => steps.push(Step { change, events: vec![entry.event] }),
        }
    }
    (first, steps)
}

/// The attributes of an event, in the member that ends in `EventAttributes`.
fn attributes<'a>(entry: &Entry<'a>) -> Option<&'a RawValue> {
    let mut members = entry.members.iter();
    members.find(|(key, _)| key.ends_with("EventAttributes")).map(|(_, raw)| *raw)
}
