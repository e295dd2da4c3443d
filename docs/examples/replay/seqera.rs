//! A Nextflow run dumped from Seqera Platform: the run, and below it each attempt at a task.
//!
//! - `workflow.json` is the run, under its `id`. `workflow-tasks.json` has the tasks, `run/taskId`; where no
//!   `workflow.json` lies beside it, the run is called as the folder is, and nothing else is known of it.
//! - `previous` of a task is the attempt that it retries, where that is certain: see [`retries`](super::retries).
//! - The payload is the object of the file, the text exactly.

use std::fs;
use std::path::Path;

use execstore::{ExecutionId, Json, limits};
use serde_json::value::RawValue;

use super::members::{Members, object, text_at, whole};
use super::record::{Record, short, within};
use super::retries::{self, Task};
use super::spans::{Times, iso};
use super::states::COMPLETED;

const TIMES: Times = Times { accepted: Some("submit"), begun: "start", ended: "complete", read: iso };

/// Reads one of the two files.
pub fn read(text: &str, path: &Path) -> Result<Vec<Record>, String> {
    if text.trim_start().starts_with('[') {
        return tasks(text, path);
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let members = object(raw).ok_or("it is not an object")?;
    let id = text_at(&members, "id").ok_or("it has no id")?;
    let mut run = record(&members, "projectName", &["runName", "revision"])?;
    (run.id, run.job, run.payload) = (id.clone(), id, whole(raw)?);
    Ok(vec![run])
}

fn tasks(text: &str, path: &Path) -> Result<Vec<Record>, String> {
    let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let beside = run_beside(path);
    let run = beside.clone().unwrap_or_else(|| folder(path));
    let (mut records, mut tasks) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
    for (raw, nth) in list.iter().zip(1..) {
        let members = object(raw).ok_or_else(|| format!("task {nth} is not an object"))?;
        let number = text_at(&members, "taskId").ok_or_else(|| format!("task {nth} has no taskId"))?;
        let record = record(&members, "name", &["attempt", "process", "hash"]);
        let mut record = record.map_err(|reason| format!("task {nth}: {reason}"))?;
        (record.id, record.job, record.parent) = (format!("{run}/{number}"), run.clone(), Some(run.clone()));
        record.node_id = text_at(&members, "machineType").and_then(|name| within(&name, limits::MAX_NAME));
        record.payload = whole(raw)?;
        tasks.push(Task::new(&members, record.state() == COMPLETED));
        records.push(record);
    }
    let ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
    for (record, before) in records.iter_mut().zip(retries::previous(&tasks)) {
        record.previous = before.and_then(|place| ids.get(place).cloned());
    }
    if beside.is_none() {
        let payload = Json::from_text(&format!("{{\"tasks\":{}}}", list.len()));
        let payload = payload.map_err(|error| error.to_string())?;
        let (id, job, namespace) = (run.clone(), run, "seqera".into());
        records.insert(0, Record { id, job, namespace, payload, ..Record::default() });
    }
    Ok(records)
}

/// The id of the run whose tasks these are, if it lies beside them.
fn run_beside(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path.with_file_name("workflow.json")).ok()?;
    let id = text_at(&serde_json::from_str(&text).ok()?, "id")?;
    ExecutionId::new(id).ok().map(String::from)
}

fn folder(path: &Path) -> String {
    let name = path.parent().and_then(Path::file_name).unwrap_or_default();
    Some(short(&name.to_string_lossy())).filter(|name| !name.is_empty()).unwrap_or_else(|| "run".into())
}

fn record(members: &Members<'_>, name: &str, labels: &[&'static str]) -> Result<Record, String> {
    let status = text_at(members, "status");
    let (first, steps) = TIMES.steps(members, status.as_deref())?;
    let value = |label| text_at(members, label).and_then(|value| within(&value, limits::MAX_LABEL_VALUE));
    let labels = labels.iter().filter_map(|label| Some(((*label).into(), value(label)?.into()))).collect();
    let name = text_at(members, name).and_then(|name| within(&name, limits::MAX_NAME));
    Ok(Record { namespace: "seqera".into(), name, labels, first, steps, ..Record::default() })
}
