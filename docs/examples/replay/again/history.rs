//! A history, read again: the run that it is, the one before it and the one above it.

use std::error::Error;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Told, text};

/// Typed, so that numbers no value can hold do not matter where they are not looked at.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    events: Vec<Event>,
    history: Option<Box<Document>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    event_id: Value,
    event_type: Value,
    workflow_execution_started_event_attributes: Started,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Started {
    original_execution_run_id: Value,
    continued_execution_run_id: Value,
    parent_workflow_execution: Option<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    #[serde(default)]
    run_id: Value,
}

pub fn read(file: &str, path: &Path) -> Result<Vec<Told>, Box<dyn Error>> {
    let mut document = match file.trim_start().starts_with('[') {
        true => Document { events: serde_json::from_str(file)?, history: None },
        false => serde_json::from_str(file)?,
    };
    while let Some(history) = document.history {
        document = *history;
    }
    let is_start = |event: &&Event| {
        let name: String = text(&event.event_type).unwrap_or_default().to_lowercase().split('_').collect();
        name.ends_with("workflowexecutionstarted") && !name.contains("child")
    };
    let number = |event: &&Event| text(&event.event_id).and_then(|id| id.parse::<i64>().ok());
    let first = document.events.iter().filter(is_start).min_by_key(number);
    let mut told = Told::default();
    if let Some(started) = first.map(|event| &event.workflow_execution_started_event_attributes) {
        told.id = text(&started.original_execution_run_id).unwrap_or_default();
        told.previous = text(&started.continued_execution_run_id);
        told.parent = started.parent_workflow_execution.as_ref().and_then(|run| text(&run.run_id));
    }
    if told.id.is_empty() {
        told.id = path.file_stem().unwrap_or_default().to_string_lossy().into();
    }
    Ok(vec![told])
}
