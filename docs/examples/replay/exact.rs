//! A second comparison with the files, which shares no code with what read them first: the stored texts are
//! looked for in the file's text, and the few members that matter are read in another way.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use execstore::{Event, Readable};
use serde::Deserialize;
use serde_json::Value;

use super::again::Again;
use super::files::Kind;
use super::plan::Source;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Plain {
    event_id: Value,
    event_type: Value,
    event_time: Option<String>,
    timestamp: Value,
}

impl Plain {
    fn id(&self) -> Option<i64> {
        number(&self.event_id)
    }

    /// Compared as text: the time of the file with the fraction filled up to nine digits.
    fn is_at(&self, time: execstore::Timestamp) -> bool {
        let Some(text) = &self.event_time else {
            return number(&self.timestamp) == Some(time.as_nanos());
        };
        // A time with an offset has no such simple form.
        text.strip_suffix('Z').is_none_or(|text| {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            format!("{seconds}.{fraction:0<9}Z") == time.to_string()
        })
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_str().map_or(value.as_i64(), |text| text.parse().ok())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Events {
    events: Vec<Plain>,
    history: Option<Box<Events>>,
}

/// Compares the one execution of a history.
pub fn history(reader: &impl Readable, source: &Source) -> Result<Vec<String>, Box<dyn Error>> {
    let Some(record) = source.records.first() else {
        return Ok(vec![format!("{}: no record", source.path.display())]);
    };
    let text = fs::read_to_string(&source.path)?;
    let events = if text.trim_start().starts_with('[') {
        serde_json::from_str(&text)?
    } else {
        let Events { events, history } = serde_json::from_str(&text)?;
        history.map_or(events, |history| history.events)
    };
    let mut in_order: BTreeMap<Option<i64>, Plain> = BTreeMap::new();
    in_order.extend(events.into_iter().map(|plain: Plain| (plain.id(), plain)));
    let stored: Vec<Event> = reader.events(&record.id, ..)?.collect::<Result<_, _>>()?;
    let mut wrong = Vec::new();
    if stored.len() != in_order.len() {
        wrong.push(format!("{}: {} events stored", record.id, stored.len()));
    }
    for (event, plain) in stored.iter().zip(in_order.values()) {
        let again: Plain = event.details.parse()?;
        let right = again == *plain
            && plain.is_at(event.time)
            && event.topic == plain.event_type.as_str().unwrap_or_default()
            && text.contains(event.details.as_str());
        if !right {
            wrong.push(format!("{}: event {} is not that of the file", record.id, event.seq));
        }
    }
    Ok(wrong)
}

#[derive(Deserialize)]
struct Payload {
    specification: Task,
    execution: Option<Value>,
}

#[derive(Deserialize)]
struct Task {
    id: String,
    #[serde(default)]
    parents: Vec<String>,
}

/// Compares the tasks of an instance: the whole documents, and that each link leads to the right task.
pub fn instance(reader: &impl Readable, source: &Source) -> Result<Vec<String>, Box<dyn Error>> {
    let file: Value = serde_json::from_str(&fs::read_to_string(&source.path)?)?;
    let tasks = |part: &str| file.pointer(part).and_then(Value::as_array);
    let specified = tasks("/workflow/specification/tasks").ok_or("no tasks")?;
    let executed = tasks("/workflow/execution/tasks").into_iter().flatten();
    let executed: BTreeMap<_, _> =
        executed.map(|task| (task.get("id").and_then(Value::as_str), task)).collect();
    let mut wrong = Vec::new();
    if specified.len() != source.records.len() {
        wrong.push(format!("{}: another number of tasks", name(&source.path)));
    }
    let task_of = |id: &str| -> Result<Option<String>, Box<dyn Error>> {
        let execution = reader.get(id)?;
        let payload = execution.map(|execution| execution.payload::<Payload>());
        Ok(payload.transpose()?.map(|payload| payload.specification.id))
    };
    for (task, record) in specified.iter().zip(&source.records) {
        let execution = reader.get(&record.id)?.ok_or("it is missing")?;
        let document: Value = execution.payload()?;
        let payload: Payload = execution.payload()?;
        let Task { id, parents } = &payload.specification;
        let mut right = document.get("specification") == Some(task)
            && payload.execution.as_ref() == executed.get(&Some(id.as_str())).copied();
        if let Some(parent) = &execution.parent {
            right &= task_of(parent.as_str())?.as_ref() == parents.first() && parents.len() == 1;
        }
        let labels = (0..).map_while(|nth: usize| execution.labels.get(format!("parent/{nth}").as_str()));
        let mut linked = usize::from(execution.parent.is_some());
        for (label, parent) in labels.zip(parents) {
            right &= task_of(label)?.as_ref() == Some(parent);
            linked += 1;
        }
        right &= linked == parents.len().min(super::wfformat::PARENT_LABELS);
        if !right {
            wrong.push(format!("{} is not the task of the file", record.id));
        }
    }
    Ok(wrong)
}

/// Compares the payloads of executions that lie within each other in their file with the objects that they are of.
pub fn objects(reader: &impl Readable, kind: Kind, source: &Source) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    for told in Again::default().read(kind, source)? {
        let execution = reader.get(&told.id)?.ok_or("it is missing")?;
        if told.object.is_some_and(|object| execution.payload::<Value>().ok() != Some(object)) {
            wrong.push(format!("{} is not the object of the file", told.id));
        }
    }
    Ok(wrong)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
