//! A Rumen job trace: documents one after another, each a job with its tasks and their attempts.
//!
//! - An execution for the job, one for each task below it, one for each attempt below its task. The ids are
//!   those of the file; the job is the job.
//! - `previous` of an attempt is the one before it in the file. That is the order in which they are numbered
//!   for most tasks; an attempt that was begun beside a slow one counts as a retry too.
//! - The payload of an attempt is its object, that of a job or task its members but the list of those below.
//! - A time of -1 is not known: it makes no event.

use execstore::{Labels, limits};
use serde_json::value::RawValue;

use super::members::{Members, object, take_list, text_at, to_json, whole};
use super::record::{Record, within};
use super::spans::{Times, millis};

const JOB: Times =
    Times { accepted: Some("submitTime"), begun: "launchTime", ended: "finishTime", read: millis };
const TASK: Times = Times { accepted: None, begun: "startTime", ended: "finishTime", read: millis };

/// Reads the jobs of a file.
pub fn read(text: &str) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    let documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    for (document, nth) in documents.zip(1..) {
        let document = document.map_err(|error| format!("job {nth}: {error}"))?;
        job(document, &mut records).map_err(|reason| format!("job {nth}: {reason}"))?;
    }
    Ok(records)
}

fn job(raw: &RawValue, records: &mut Vec<Record>) -> Result<(), String> {
    let mut members = object(raw).ok_or("it is not an object")?;
    let lists = ["mapTasks", "reduceTasks", "otherTasks"].map(|list| take_list(&mut members, list));
    let mut job = record(&members, ["jobID", "outcome", "user"], &JOB)?;
    job.job.clone_from(&job.id);
    job.name = text_at(&members, "jobName").and_then(|name| within(&name, limits::MAX_NAME));
    job.payload = to_json(&members)?;
    let id = job.id.clone();
    records.push(job);
    for list in lists {
        for raw in list? {
            task(raw, &id, records)?;
        }
    }
    Ok(())
}

fn task(raw: &RawValue, job: &str, records: &mut Vec<Record>) -> Result<(), String> {
    let mut members = object(raw).ok_or("a task is not an object")?;
    let attempts = take_list(&mut members, "attempts")?;
    let mut task = record(&members, ["taskID", "taskStatus", "taskType"], &TASK)?;
    (task.job, task.parent) = (job.to_owned(), Some(job.to_owned()));
    task.payload = to_json(&members)?;
    let id = task.id.clone();
    records.push(task);
    let mut before = None;
    for raw in attempts {
        let members = object(raw).ok_or_else(|| format!("an attempt of {id} is not an object"))?;
        let mut attempt = record(&members, ["attemptID", "result", "result"], &TASK)?;
        (attempt.job, attempt.parent) = (job.to_owned(), Some(id.clone()));
        attempt.node_id = text_at(&members, "hostName").and_then(|name| within(&name, limits::MAX_NAME));
        attempt.payload = whole(raw)?;
        attempt.previous = before.replace(attempt.id.clone());
        records.push(attempt);
    }
    Ok(())
}

/// What all three have: the members with the id and the outcome, one that is worth a label, and the times.
fn record(
    members: &Members<'_>,
    [id, outcome, label]: [&'static str; 3],
    times: &Times,
) -> Result<Record, String> {
    let id = text_at(members, id).ok_or_else(|| format!("it has something without {id}"))?;
    let outcome = text_at(members, outcome);
    let value = text_at(members, label).and_then(|value| within(&value, limits::MAX_LABEL_VALUE));
    let labels = value.map(|value| (label.into(), value.into()));
    let steps = times.steps(members, outcome.as_deref());
    let (first, steps) = steps.map_err(|reason| format!("{id}: {reason}"))?;
    let labels = Labels::from_iter(labels);
    Ok(Record { id, namespace: "rumen".into(), labels, first, steps, ..Record::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"{"jobID": "j", "outcome": "FAILED", "submitTime": 1, "launchTime": -1, "finishTime": 3,
        "reduceTasks": [{"taskID": "t", "taskStatus": null, "startTime": 5, "finishTime": -1, "attempts": [
            {"attemptID": "a0", "result": "FAILED", "startTime": 4, "finishTime": 6},
            {"attemptID": "a1", "result": "KILLED", "startTime": 7, "finishTime": -1}]}]}"#;

    #[test]
    fn attempts_hang_below_their_task_and_one_behind_the_other() {
        let records = read(&format!("{JOB}\n{}", JOB.replace("\"j\"", "\"k\""))).unwrap();
        let of = |record: &Record| (record.id.clone(), record.parent.clone(), record.previous.clone());
        let link = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let expected = [("j", "", ""), ("t", "j", ""), ("a0", "t", ""), ("a1", "t", "a0")];
        let expected = expected.map(|(id, parent, previous)| (id.into(), link(parent), link(previous)));
        assert_eq!(records.iter().take(4).map(of).collect::<Vec<_>>(), expected);
        let states: Vec<_> = records.iter().map(Record::state).collect();
        assert_eq!(states, ["Failed", "Running", "Failed", "Terminated"].repeat(2));
        assert_eq!(records[7].job, "k");
        assert_eq!(records[0].payload.as_str().matches("taskID").count(), 0);
    }

    #[test]
    fn damage_is_named() {
        for (old, new, reason) in [
            ("\"a1\"", "null", "attemptID"),
            ("[{\"taskID", "[7, {\"taskID", "a task is not an object"),
            ("\"startTime\": 7", "\"startTime\": \"x\"", "a1: startTime is \"x\""),
            ("}]}]}", "}]}]", "EOF"),
        ] {
            let error = read(&JOB.replace(old, new)).unwrap_err();
            assert!(error.starts_with("job 1: ") && error.contains(reason), "{error}");
        }
    }
}
