//! A Rumen trace, read again: jobs, tasks, attempts.

use std::error::Error;

use serde_json::Value;

use super::{Told, text};

pub fn read(file: &str) -> Result<Vec<Told>, Box<dyn Error>> {
    let mut told = Vec::new();
    for job in serde_json::Deserializer::from_str(file).into_iter() {
        let mut job: Value = job?;
        let tasks = ["mapTasks", "reduceTasks", "otherTasks"].map(|list| take(&mut job, list));
        let job = push(&mut told, "jobID", None, None, job);
        for mut task in tasks.into_iter().flatten() {
            let attempts = take(&mut task, "attempts");
            let task = push(&mut told, "taskID", job.clone(), None, task);
            attempts
                .into_iter()
                .fold(None, |before, attempt| push(&mut told, "attemptID", task.clone(), before, attempt));
        }
    }
    Ok(told)
}

fn take(object: &mut Value, list: &str) -> Vec<Value> {
    match object.as_object_mut().and_then(|members| members.remove(list)) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

/// Adds what is told. Returns its id.
fn push(
    told: &mut Vec<Told>,
    id: &str,
    parent: Option<String>,
    previous: Option<String>,
    object: Value,
) -> Option<String> {
    let id = object.get(id).and_then(text).unwrap_or_default();
    told.push(Told { id: id.clone(), parent, previous, object: Some(object) });
    Some(id)
}
