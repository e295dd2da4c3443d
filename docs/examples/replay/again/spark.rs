//! A Spark event log, read again: what begins, each line as a value, and what was before it by looking back.

use std::error::Error;

use serde_json::Value;

use super::{Told, text};

pub fn read(file: &str) -> Result<Vec<Told>, Box<dyn Error>> {
    let (whole, last) = file.rsplit_once('\n').unwrap_or(("", file));
    let whole = whole.lines().filter(|line| !line.trim().is_empty());
    let mut lines = whole.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    // The last line may have been cut off.
    lines.extend(serde_json::from_str::<Value>(last).ok());
    let mut told: Vec<Told> = Vec::new();
    let mut application = String::new();
    for (place, line) in lines.iter().enumerate() {
        let before = lines.get(..place).unwrap_or_default();
        // What begins, what it is a part of, and what it replaces, each without the application.
        let (own, parent, previous) = match name(line) {
            "SparkListenerApplicationStart" => {
                let id = line.get("App ID").and_then(text).unwrap_or_default();
                let attempt =
                    line.get("App Attempt ID").and_then(text).map_or(Ok(1), |text| text.parse::<u64>())?;
                application = format!("{id}/{attempt}");
                let previous = (attempt > 1).then(|| format!("{id}/{}", attempt - 1));
                let object = Some(line.clone());
                told.push(Told { id: application.clone(), parent: None, previous, object });
                continue;
            }
            "SparkListenerJobStart" => (job(line), String::new(), None),
            "SparkListenerStageSubmitted" => {
                let first = before.iter().find(|job| names(job, number(line, "Stage ID")));
                let again = before.iter().rev().find(|other| {
                    name(other) == name(line)
                        && number(other, "Stage ID") == number(line, "Stage ID")
                        && is_next(other, line, "Stage Attempt ID")
                });
                (stage(line), first.map(job).unwrap_or_default(), again.map(stage))
            }
            "SparkListenerTaskStart" => {
                let again = before.iter().rev().filter(|_| number(line, "Attempt") > 0).find(|other| {
                    name(other) == name(line)
                        && stage(other) == stage(line)
                        && number(other, "Index") == number(line, "Index")
                        && is_next(other, line, "Attempt")
                });
                (task(line), stage(line), again.map(task))
            }
            _ => continue,
        };
        let full = |part: String| format!("{application}{part}");
        let (id, parent, previous) = (full(own), Some(full(parent)), previous.map(full));
        told.push(Told { id, parent, previous, object: Some(line.clone()) });
    }
    Ok(told)
}

fn name(line: &Value) -> &str {
    line.get("Event").and_then(Value::as_str).unwrap_or_default()
}

/// A number of the event, or of the stage or task that it tells of.
fn number(line: &Value, member: &str) -> i64 {
    let within = ["Task Info", "Stage Info"].into_iter().filter_map(|info| line.get(info));
    let found = within.chain([line]).find_map(|object| object.get(member)?.as_i64());
    found.unwrap_or_default()
}

/// A job names a stage.
fn names(job: &Value, stage: i64) -> bool {
    let stages = job.get("Stage IDs").and_then(Value::as_array);
    stages.is_some_and(|stages| stages.iter().any(|named| named.as_i64() == Some(stage)))
}

fn is_next(first: &Value, second: &Value, attempt: &str) -> bool {
    number(first, attempt).checked_add(1) == Some(number(second, attempt))
}

fn job(line: &Value) -> String {
    format!("/job/{}", number(line, "Job ID"))
}

fn stage(line: &Value) -> String {
    format!("/stage/{}.{}", number(line, "Stage ID"), number(line, "Stage Attempt ID"))
}

fn task(line: &Value) -> String {
    format!("/task/{}", number(line, "Task ID"))
}
