//! A WfFormat instance, read again: the tasks, each with those before and after it.

use std::error::Error;

use serde_json::Value;

use super::{Told, text};

/// A task as the file has it.
pub struct Task {
    pub id: String,
    pub parents: Vec<String>,
    pub children: Vec<String>,
}

pub fn tasks(file: &str) -> Result<Vec<Task>, Box<dyn Error>> {
    let document: Value = serde_json::from_str(file)?;
    let tasks = document.pointer("/workflow/specification/tasks").and_then(Value::as_array);
    let list = |task: &Value, member| {
        let list = task.get(member).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(text).collect()
    };
    let task = |task: &Value| {
        let id = task.get("id").and_then(text).unwrap_or_default();
        Task { id, parents: list(task, "parents"), children: list(task, "children") }
    };
    Ok(tasks.ok_or("it has no tasks")?.iter().map(task).collect())
}

/// One parent is a link; several are not.
pub fn read(file: &str) -> Result<Vec<Told>, Box<dyn Error>> {
    let told = tasks(file)?.into_iter().map(|mut task| {
        let only = task.parents.len() == 1;
        Told { id: task.id, parent: task.parents.pop().filter(|_| only), ..Told::default() }
    });
    Ok(told.collect())
}
