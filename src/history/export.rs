//! What a query finds, as lines of JSON.

use std::io::Write;

use serde::Serialize;

use super::executions;
use crate::change::Change;
use crate::error::Error;
use crate::event::Event;
use crate::execution::{Execution, Labels};
use crate::json::Json;
use crate::query::Query;
use crate::reader::sealed::View;
use crate::reader::{List, Readable};
use crate::seal;
use crate::time::Timestamp;

/// One line: the parts that are not set are left out.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    job_id: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_id: Option<&'a str>,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    desired: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a str>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<&'a str>,
    revision: u64,
    created_at: Timestamp,
    modified_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_zero")]
    attempt: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
    payload: &'a Json,
    events: Vec<Event>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn line(execution: &Execution, events: Vec<Event>) -> Line<'_> {
    Line {
        id: execution.id.as_str(),
        job_id: execution.job_id.as_str(),
        namespace: &execution.namespace,
        name: execution.name.as_deref(),
        node_id: execution.node_id.as_deref(),
        state: execution.state.as_str(),
        message: execution.message.as_deref(),
        desired: execution.desired.to_string(),
        parent: execution.parent.as_ref().map(|id| id.as_str()),
        previous: execution.previous.as_ref().map(|id| id.as_str()),
        labels: &execution.labels,
        preview: execution.preview.as_deref(),
        revision: execution.revision.0,
        created_at: execution.created_at,
        modified_at: execution.modified_at,
        completed_at: execution.completed_at,
        not_before: execution.not_before,
        attempt: execution.attempt,
        reported_at: execution.reported_at,
        payload: execution.payload_json(),
        events,
    }
}

pub(crate) fn export_changes(changes: List<'_, Change>, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = 0;
    for change in changes {
        let change = change?;
        let entry = change.entry();
        let document = seal::document(change.seq.0, &entry, change.link.as_ref());
        let line = match &change.link {
            Some(link) => {
                let hash = seal::hex(&seal::change_hash(change.seq.0, &entry, link));
                format!("{{\"change\":{document},\"hash\":\"{hash}\"}}\n")
            }
            None => format!("{{\"change\":{document}}}\n"),
        };
        out.write_all(line.as_bytes()).map_err(|error| Error::Caller(error.into()))?;
        lines += 1;
    }
    Ok(lines)
}

pub(crate) fn export<V: View>(view: &V, query: &Query, out: &mut dyn Write) -> Result<u64, Error> {
    let caller = |error: Box<dyn std::error::Error + Send + Sync>| Error::Caller(error);
    let mut lines = 0;
    for execution in executions(view, query)? {
        let execution = execution?;
        let events = view.events(execution.id.as_str(), ..)?.collect::<Result<_, _>>()?;
        serde_json::to_writer(&mut *out, &line(&execution, events)).map_err(|error| caller(error.into()))?;
        out.write_all(b"\n").map_err(|error| caller(error.into()))?;
        lines += 1;
    }
    Ok(lines)
}
