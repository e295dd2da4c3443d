//! A WfFormat instance: each task an execution, the workflow the job.
//!
//! - An execution's id is `instance/task`: the instance is the file's name; a task id that makes no valid
//!   execution id is replaced by `#` and the task's place in the list.
//! - One parent is the `parent` link. Several are labels, `parent/0` and so on, each with an execution id. A
//!   record has at most 64 labels, so that only the first 56 parents become labels (and only ids of up to
//!   256 bytes, as all of these are). The label `parents` has their number, and the payload all of them.
//! - The payload is the task as the specification has it and as the execution has it, the texts exactly.
//! - A task has no start time, only a duration: an event at the time of the whole run.

use std::collections::{BTreeMap, HashMap};

use execstore::{ExecutionId, JobId, Json, Labels, Timestamp, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::record::{Event, Move, Record, Step, within};
use super::states::{COMPLETED, RUNNING};
use super::temporal;

/// How many parents become labels; the others leave room for what else is worth a label.
pub const PARENT_LABELS: usize = limits::MAX_LABELS - 8;

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    workflow: Workflow<'a>,
}

#[derive(Deserialize)]
struct Workflow<'a> {
    #[serde(borrow)]
    specification: Tasks<'a>,
    #[serde(borrow, default)]
    execution: Tasks<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tasks<'a> {
    #[serde(borrow)]
    tasks: Vec<&'a RawValue>,
    executed_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    id: String,
    name: Option<String>,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(borrow)]
    runtime_in_seconds: Option<&'a RawValue>,
    #[serde(default)]
    machines: Vec<String>,
}

/// Reads an instance. `instance` is its name, unlike that of any other.
pub fn read(text: &str, instance: &str) -> Result<Vec<Record>, String> {
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Workflow { specification, execution } = document.workflow;
    let mut ids = BTreeMap::new();
    let mut tasks = Vec::with_capacity(specification.tasks.len());
    for (raw, nth) in specification.tasks.into_iter().zip(1..) {
        let task = task(raw).map_err(|error| format!("task {nth}: {error}"))?;
        if ids.insert(task.id.clone(), id(instance, &task.id, nth)).is_some() {
            return Err(format!("the task id {:?} occurs twice", task.id));
        }
        tasks.push((raw, task));
    }
    let mut runs = HashMap::new();
    for (raw, nth) in execution.tasks.into_iter().zip(1..) {
        let run = task(raw).map_err(|error| format!("executed task {nth}: {error}"))?;
        if !ids.contains_key(&run.id) {
            return Err(format!("the executed task {:?} is not specified", run.id));
        }
        if runs.insert(run.id.clone(), (raw, run)).is_some() {
            return Err(format!("executed task {nth} occurs twice"));
        }
    }
    let job = format!("{}/{instance}", document.name);
    let job = JobId::new(&job).map_or_else(|_| instance.to_owned(), String::from);
    let time = execution.executed_at.as_deref().and_then(start);
    let time = time.unwrap_or_default();

    let mut records = Vec::with_capacity(tasks.len());
    for (raw, task) in tasks {
        let run = runs.get(&task.id);
        let executed = run.map_or("null", |(raw, _)| raw.get());
        let payload = format!("{{\"specification\":{raw},\"execution\":{executed}}}");
        let mut record = Record {
            id: ids.get(&task.id).cloned().unwrap_or_default(),
            job: job.clone(),
            namespace: "wfformat".into(),
            name: task.name.and_then(|name| within(&name, limits::MAX_NAME)),
            payload: Json::from_text(&payload).map_err(|error| error.to_string())?,
            ..Record::default()
        };
        let parents = task.parents.iter().map(|parent| {
            let known = ids.get(parent).cloned();
            known.ok_or_else(|| format!("{:?} has the parent {parent:?}, which is no task", task.id))
        });
        let parents = parents.collect::<Result<Vec<_>, _>>()?;
        (record.parent, record.labels) = link(parents);
        if let Some((_, run)) = run {
            let machine = run.machines.first();
            record.node_id = machine.and_then(|machine| within(machine, limits::MAX_NAME));
            record.steps = steps(run, time)?;
        }
        records.push(record);
    }
    Ok(records)
}

fn task(raw: &RawValue) -> Result<Task<'_>, serde_json::Error> {
    serde_json::from_str(raw.get())
}

fn id(instance: &str, task: &str, nth: usize) -> String {
    let id = ExecutionId::new(format!("{instance}/{task}"));
    id.map_or_else(|_| format!("{instance}/#{nth}"), String::from)
}

fn link(mut parents: Vec<String>) -> (Option<String>, Labels) {
    let mut labels = Labels::from([("parents".into(), parents.len().to_string().into())]);
    if parents.len() == 1 {
        return (parents.pop(), labels);
    }
    let some = parents.into_iter().take(PARENT_LABELS).enumerate();
    labels.extend(some.map(|(nth, parent)| (format!("parent/{nth}").into(), parent.into())));
    (None, labels)
}

fn steps(run: &Task<'_>, time: Timestamp) -> Result<Vec<Step>, String> {
    let begun = Step { change: Some(Move { to: RUNNING, message: "executed".into() }), events: Vec::new() };
    let Some(runtime) = run.runtime_in_seconds else {
        return Ok(vec![begun]);
    };
    let details = Json::from_text(&format!("{{\"runtimeInSeconds\":{runtime}}}"));
    let ended = Step {
        change: Some(Move { to: COMPLETED, message: format!("after {runtime} s") }),
        events: vec![Event {
            topic: "runtime".into(),
            message: runtime.to_string(),
            time,
            details: details.map_err(|error| error.to_string())?,
        }],
    };
    Ok(vec![begun, ended])
}

/// `executedAt`, in any of its spellings; one of them begins MM-DD-YY.
fn start(text: &str) -> Option<Timestamp> {
    let american = text.get(..8).filter(|_| text.get(8..9) == Some("T"));
    let american = american.filter(|date| date.get(2..3) == Some("-"));
    if let (Some(date), Some(time)) = (american, text.get(8..)) {
        let (month_and_day, year) = (date.get(..5)?, date.get(6..)?);
        return temporal::parse(&format!("20{year}-{month_and_day}{time}"));
    }
    temporal::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_read_in_its_four_spellings() {
        for (text, same) in [
            ("05-10-23T16:23:32Z", "2023-05-10T16:23:32Z"),
            ("20200404T002403+0000", "2020-04-04T00:24:03Z"),
            ("2020-12-27T18:23:37+00:00", "2020-12-27T18:23:37Z"),
            ("2023-03-29T13:58:06-10:00", "2023-03-29T23:58:06Z"),
        ] {
            assert!(start(text).is_some(), "{text}");
            assert_eq!(start(text), temporal::parse(same), "{text}");
        }
    }

    #[test]
    fn more_parents_than_labels_are_cut_off_and_counted() {
        let (parent, labels) = link((0..1_100).map(|n| format!("i/{n}")).collect());
        assert_eq!((parent, labels.len()), (None, PARENT_LABELS + 1));
        assert_eq!(labels.get("parents").map(|text| text.as_str()), Some("1100"));
        assert_eq!(link(vec!["i/1".into()]).0.as_deref(), Some("i/1"));
    }
}
