//! Cromwell's metadata of a workflow: its calls, one for each shard and attempt, and the workflows within these.
//!
//! - A workflow's id is its own. A call's is `workflow/name/shard/attempt`, with the shard -1 of a call without
//!   shards; what makes no valid execution id is replaced by `workflow/#` and its place in the workflow.
//! - The parent of a call is its workflow, that of a workflow within it the call that has its
//!   `subWorkflowMetadata`, and that of the outermost one its `parentWorkflowId`.
//! - `previous` of a call is the attempt before it, of the same name and shard.
//! - The job is the root: `rootWorkflowId`, else the outermost workflow.
//! - The payload is the object without what lies below it: `calls`, `subWorkflowMetadata`.

use std::collections::{HashMap, VecDeque};

use execstore::{ExecutionId, Labels, limits};
use serde_json::value::RawValue;

use super::members::{Members, object, take_list, text_at, to_json};
use super::record::{Record, within};
use super::spans::{Times, iso};

const WORKFLOW: Times = Times { accepted: Some("submission"), begun: "start", ended: "end", read: iso };
const CALL: Times = Times { accepted: None, begun: "start", ended: "end", read: iso };

/// How deep workflows may lie within each other.
const DEEPEST: usize = 24;

/// A call with what it is an attempt at, and the workflow within it.
struct Call<'a> {
    record: Record,
    name: String,
    shard: i64,
    attempt: i64,
    within: Option<&'a RawValue>,
}

/// Reads a workflow with its calls, then those within it.
pub fn read(text: &str) -> Result<Vec<Record>, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut records: Vec<Record> = Vec::new();
    let mut todo = VecDeque::from([(raw, None, 0)]);
    while let Some((raw, call, depth)) = todo.pop_front() {
        if depth > DEEPEST {
            return Err(format!("workflows lie within each other more than {DEEPEST} deep"));
        }
        let mut members = object(raw).ok_or("a workflow is not an object")?;
        let calls = members.remove("calls").map_or(Some(Members::new()), object);
        let calls = calls.ok_or("the calls of a workflow are not an object")?;
        let id = text_at(&members, "id").ok_or("a workflow has no id")?;
        let mut workflow =
            record(&members, "status", &WORKFLOW).map_err(|reason| format!("{id}: {reason}"))?;
        let job = records.first().map(|root| root.job.clone());
        let job = job.or_else(|| text_at(&members, "rootWorkflowId")).unwrap_or_else(|| id.clone());
        workflow.name = text_at(&members, "workflowName").and_then(|name| within(&name, limits::MAX_NAME));
        workflow.parent = call.or_else(|| text_at(&members, "parentWorkflowId"));
        (workflow.id, workflow.job) = (id.clone(), job.clone());
        records.push(workflow);
        for mut call in read_calls(calls, &id).map_err(|reason| format!("{id}: {reason}"))? {
            call.record.job.clone_from(&job);
            todo.extend(call.within.map(|raw| (raw, Some(call.record.id.clone()), depth + 1)));
            records.push(call.record);
        }
    }
    Ok(records)
}

fn read_calls<'a>(mut lists: Members<'a>, workflow: &str) -> Result<Vec<Call<'a>>, String> {
    let mut calls: Vec<Call<'a>> = Vec::new();
    let names: Vec<_> = lists.keys().cloned().collect();
    for name in names {
        for raw in take_list(&mut lists, &name)? {
            let nth = calls.len() + 1;
            let call = read_call(raw, &name, workflow, nth);
            calls.push(call.map_err(|reason| format!("call {nth}: {reason}"))?);
        }
    }
    let place = |call: &Call<'_>, attempt| (call.name.clone(), call.shard, attempt);
    let mut attempts = HashMap::new();
    for call in &calls {
        if attempts.insert(place(call, call.attempt), call.record.id.clone()).is_some() {
            let Call { name, shard, attempt, .. } = call;
            return Err(format!("{name} has the attempt {attempt} of shard {shard} twice"));
        }
    }
    for call in &mut calls {
        let before = call.attempt.checked_sub(1).and_then(|before| attempts.get(&place(call, before)));
        call.record.previous = before.cloned();
    }
    Ok(calls)
}

fn read_call<'a>(raw: &'a RawValue, name: &str, workflow: &str, nth: usize) -> Result<Call<'a>, String> {
    let mut members = object(raw).ok_or("it is not an object")?;
    let within_it = members.remove("subWorkflowMetadata").filter(|raw| raw.get() != "null");
    let number = |member| text_at(&members, member).and_then(|text| text.parse().ok());
    let (shard, attempt) = (number("shardIndex").unwrap_or(-1), number("attempt").unwrap_or(1));
    let id = ExecutionId::new(format!("{workflow}/{name}/{shard}/{attempt}"));
    let mut record = record(&members, "executionStatus", &CALL)?;
    record.id = id.map_or_else(|_| format!("{workflow}/#{nth}"), String::from);
    record.name = within(name, limits::MAX_NAME);
    record.parent = Some(workflow.to_owned());
    Ok(Call { record, name: name.to_owned(), shard, attempt, within: within_it })
}

/// What both have, of the members that are left.
fn record(members: &Members<'_>, status: &str, times: &Times) -> Result<Record, String> {
    let (first, steps) = times.steps(members, text_at(members, status).as_deref())?;
    let backend = text_at(members, "backend").and_then(|value| within(&value, limits::MAX_LABEL_VALUE));
    let labels = Labels::from_iter(backend.map(|value| ("backend".into(), value.into())));
    let payload = to_json(members)?;
    Ok(Record { namespace: "cromwell".into(), labels, payload, first, steps, ..Record::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_hang_below_workflows_and_workflows_below_calls() {
        let text = r#"{"id": "top", "workflowName": "T", "status": "Failed", "parentWorkflowId": "above", "calls": {
            "T.b": [{"executionStatus": "RetryableFailure", "shardIndex": 0, "attempt": 1},
                    {"executionStatus": "Done", "shardIndex": 1, "attempt": 2},
                    {"executionStatus": "Done", "shardIndex": 0, "attempt": 2}],
            "T.a": [{"executionStatus": "Done", "shardIndex": -1, "attempt": 1, "subWorkflowMetadata": {
                "id": "sub", "rootWorkflowId": "other", "status": "Succeeded",
                "calls": {"S.c": [{"executionStatus": "Running"}]}}}]}}"#;
        let records = read(text).unwrap();
        let link = |link: &Option<String>| link.clone().unwrap_or_default();
        let found =
            records.iter().map(|record| (record.id.clone(), link(&record.parent), link(&record.previous)));
        let expected = [
            ("top", "above", ""),
            ("top/T.a/-1/1", "top", ""),
            ("top/T.b/0/1", "top", ""),
            ("top/T.b/1/2", "top", ""),
            ("top/T.b/0/2", "top", "top/T.b/0/1"),
            ("sub", "top/T.a/-1/1", ""),
            ("sub/S.c/-1/1", "sub", ""),
        ];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert!(
            records.iter().all(|record| record.job == "top" && !record.payload.as_str().contains("calls"))
        );
        let states: Vec<_> = records.iter().map(Record::state).collect();
        assert_eq!(
            states,
            ["Failed", "Completed", "Failed", "Completed", "Completed", "Completed", "Running"]
        );
    }

    #[test]
    fn damage_is_named() {
        let deep = (0..40).fold("null".to_owned(), |inner, n| {
            format!(r#"{{"id":"{n}","calls":{{"c":[{{"subWorkflowMetadata":{inner}}}]}}}}"#)
        });
        for (text, reason) in [
            (r#"{"calls": {}}"#, "no id"),
            (r#"{"id": "w", "calls": {"c": 7}}"#, "c is not a list"),
            (r#"{"id": "w", "calls": {"c": [{}, {}]}}"#, "w: c has the attempt 1 of shard -1 twice"),
            (r#"{"id": "w", "calls": {"c": [{"end": "noon"}]}}"#, "call 1: end is \"noon\""),
            (&deep, "more than 24 deep"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
