//! A run dumped from Seqera Platform, read again. Which attempt a task retries is found by comparing each pair of
//! tasks, word by word.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Told, text};

pub fn read(file: &str, path: &Path) -> Result<Vec<Told>, Box<dyn Error>> {
    let run = match serde_json::from_str(file)? {
        Value::Array(tasks) => return Ok(read_tasks(tasks, path)),
        run => run,
    };
    let id = run.get("id").and_then(text).ok_or("it has no id")?;
    Ok(vec![Told { id, object: Some(run), ..Told::default() }])
}

fn read_tasks(tasks: Vec<Value>, path: &Path) -> Vec<Told> {
    let beside = fs::read_to_string(path.with_file_name("workflow.json")).ok();
    let beside = beside.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let mut told = Vec::new();
    let run = match beside.and_then(|run| text(run.get("id")?)) {
        Some(run) => run,
        None => {
            // As much of the folder's name as the run is called by.
            let folder = path.components().nth_back(1).map(|part| part.as_os_str().to_string_lossy());
            let id: String = folder.unwrap_or_default().chars().take(48).collect();
            told.push(Told { id: id.clone(), ..Told::default() });
            id
        }
    };
    let id = |task: &Value| format!("{run}/{}", task.get("taskId").and_then(text).unwrap_or_default());
    let retried: Vec<_> = tasks.iter().map(|task| retried(task, &tasks).map(id)).collect();
    told.extend(tasks.into_iter().zip(retried).map(|(task, previous)| Told {
        id: id(&task),
        parent: Some(run.clone()),
        previous,
        object: Some(task),
    }));
    told
}

/// The one attempt that this one can be a retry of.
fn retried<'t>(task: &Value, tasks: &'t [Value]) -> Option<&'t Value> {
    let attempt = |task: &Value| task.get("attempt").and_then(Value::as_i64);
    let number = attempt(task).filter(|number| *number > 1)?;
    let alike = |other: &&Value| other.get("name") == task.get("name") && is_same_script(other, task);
    let of = |number: i64| tasks.iter().filter(move |other| attempt(other) == Some(number)).filter(alike);
    let done = |task: &Value| task.get("status").and_then(Value::as_str) == Some("COMPLETED");
    let mut before = of(number - 1).filter(|other| !done(other));
    let only = before.next().filter(|_| before.next().is_none());
    only.filter(|_| of(number).count() == 1)
}

/// The scripts differ in nothing but where each has the number of its own CPUs.
fn is_same_script(one: &Value, other: &Value) -> bool {
    let script = |task: &Value| task.get("script").and_then(text).unwrap_or_default();
    let cpus = |task: &Value| task.get("cpus").and_then(text);
    let (left, right) = (script(one), script(other));
    let between = |text: &str| text.chars().filter(|c| !c.is_alphanumeric()).collect::<String>();
    let (left_cpus, right_cpus) = (cpus(one), cpus(other));
    let same = |(a, b): (&str, &str)| {
        let (of_left, of_right) = (left_cpus.as_deref() == Some(a), right_cpus.as_deref() == Some(b));
        of_left == of_right && (of_left || a == b)
    };
    let words = |text| str::split(text, |c: char| !c.is_alphanumeric());
    between(&left) == between(&right) && words(&left).zip(words(&right)).all(same)
}
