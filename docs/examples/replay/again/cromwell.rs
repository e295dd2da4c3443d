//! Cromwell's metadata, read again: workflows, and their calls by name, shard and attempt.

use std::collections::VecDeque;
use std::error::Error;

use serde_json::Value;

use super::{Told, text};

pub fn read(file: &str) -> Result<Vec<Told>, Box<dyn Error>> {
    let outermost: Value = serde_json::from_str(file)?;
    let mut told = Vec::new();
    let above = outermost.get("parentWorkflowId").and_then(text);
    let mut todo = VecDeque::from([(outermost, above)]);
    while let Some((mut workflow, parent)) = todo.pop_front() {
        let calls = take(&mut workflow, "calls");
        let id = workflow.get("id").and_then(text).unwrap_or_default();
        told.push(Told { id: id.clone(), parent, previous: None, object: Some(workflow) });
        let mut lists: Vec<_> = calls.as_ref().and_then(Value::as_object).into_iter().flatten().collect();
        lists.sort_by_key(|(name, _)| *name);
        for (name, list) in lists {
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            for call in list {
                let previous = list.iter().find(|other| is_next(other, call));
                let call_id = call_id(&id, name, call);
                let mut call = call.clone();
                todo.extend(
                    take(&mut call, "subWorkflowMetadata").map(|inner| (inner, Some(call_id.clone()))),
                );
                let previous = previous.map(|previous| self::call_id(&id, name, previous));
                told.push(Told { id: call_id, parent: Some(id.clone()), previous, object: Some(call) });
            }
        }
    }
    Ok(told)
}

fn take(object: &mut Value, member: &str) -> Option<Value> {
    object.as_object_mut()?.remove(member).filter(|member| !member.is_null())
}

fn call_id(workflow: &str, name: &str, call: &Value) -> String {
    format!("{workflow}/{name}/{}/{}", shard(call), attempt(call))
}

fn shard(call: &Value) -> i64 {
    call.get("shardIndex").and_then(Value::as_i64).unwrap_or(-1)
}

fn attempt(call: &Value) -> i64 {
    call.get("attempt").and_then(Value::as_i64).unwrap_or(1)
}

/// The second is the attempt after the first.
fn is_next(first: &Value, second: &Value) -> bool {
    shard(first) == shard(second) && attempt(second).checked_sub(attempt(first)) == Some(1)
}
