//! What a query finds, as lines of JSON: a line for each execution, with everything that belongs to it.

mod side_data;
mod values;

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use super::limited;
use crate::model::change::Change;
use crate::model::error::{Damage, Error, ReadError};
use crate::model::execution::{Header, Labels};
use crate::model::hash::hex;
use crate::model::integrity;
use crate::model::json::{Count, Json, one_line};
use crate::model::query::Query;
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::read::lookup::event_rows;
use crate::read::{List, View, load};
use crate::storage::StoredExecution;

/// What stands at the beginning of a line: the parts that are not set are left out.
#[derive(Serialize)]
struct Head<'a> {
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
    revision: Count,
    created_at: Timestamp,
    modified_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
}

fn head(header: &Header) -> Head<'_> {
    let Header {
        id,
        incarnation: _,
        job_id,
        namespace,
        name,
        node_id,
        state,
        message,
        desired,
        parent,
        previous,
        labels,
        revision,
        created_at,
        modified_at,
        completed_at,
        not_before,
        attempt,
        reported_at,
        event_count: _,
        preview,
    } = header;
    Head {
        id: id.as_str(),
        job_id: job_id.as_str(),
        namespace,
        name: name.as_deref(),
        node_id: node_id.as_deref(),
        state: state.as_str(),
        message: message.as_deref(),
        desired: desired.to_string(),
        parent: parent.as_ref().map(|id| id.as_str()),
        previous: previous.as_ref().map(|id| id.as_str()),
        labels,
        preview: preview.as_deref(),
        revision: Count(revision.0),
        created_at: *created_at,
        modified_at: *modified_at,
        completed_at: *completed_at,
        not_before: *not_before,
        attempt: (*attempt > 0).then_some(Count(*attempt)),
        reported_at: *reported_at,
    }
}

/// An event, its details in one line.
#[derive(Serialize)]
struct EventLine<'a> {
    seq: Count,
    topic: &'a Text,
    message: &'a Text,
    time: Timestamp,
    details: Json,
}

pub(crate) fn export_changes(changes: List<'_, Change>, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = Lines::new(out);
    for change in changes {
        let change = match change {
            Ok(change) => change,
            Err(ReadError::Damaged(damage)) => {
                lines.damaged(damage)?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let entry = change.entry();
        let document = integrity::document(change.seq.0, &entry, change.link.as_ref());
        match &change.link {
            Some(link) => {
                let hash = hex(&integrity::change_hash(change.seq.0, &entry, link));
                lines.raw(&format!("{{\"change\":{document},\"hash\":\"{hash}\"}}"))?;
            }
            None => lines.raw(&format!("{{\"change\":{document}}}"))?,
        }
        lines.end()?;
    }
    lines.finish()
}

pub(crate) fn export<V: View>(view: &V, query: &Arc<Query>, out: &mut dyn Write) -> Result<u64, Error> {
    let mut lines = Lines::new(out);
    for row in limited(view, query, true)? {
        match row.found {
            Ok(found) => execution(view, found, &mut lines)?,
            Err(ReadError::Damaged(damage)) => lines.damaged(damage)?,
            Err(error) => return Err(error.into()),
        }
    }
    lines.finish()
}

fn execution<V: View>(view: &V, found: StoredExecution, lines: &mut Lines<'_>) -> Result<(), Error> {
    let number = found.number;
    let text = Lines::text(&head(&found.header))?;
    lines.raw(text.strip_suffix('}').unwrap_or_default())?;
    match load(view, found) {
        Ok(execution) => {
            lines.raw(",\"payload\":")?;
            lines.raw(&one_line(execution.payload_json().as_str()))?;
        }
        Err(error) => lines.note(error)?,
    }
    lines.raw(",\"events\":[")?;
    let mut list = Commas::default();
    for event in event_rows(view, number, 1..=u64::MAX)? {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                lines.note(error)?;
                continue;
            }
        };
        list.next(lines)?;
        lines.value(&EventLine {
            seq: Count(event.seq.0),
            topic: &event.topic,
            message: &event.message,
            time: event.time,
            details: Json::from_stored(&one_line(event.details.as_str())),
        })?;
    }
    lines.raw("]")?;
    side_data::write(view, number, lines)?;
    lines.finish_execution()
}

/// Where the lines go, and what of them could not be read.
struct Lines<'o> {
    out: &'o mut dyn Write,
    lines: u64,
    damaged: u64,
    first: Option<Damage>,
    /// What is damaged of the line that is being written.
    notes: Vec<String>,
}

impl<'o> Lines<'o> {
    fn new(out: &'o mut dyn Write) -> Self {
        Self { out, lines: 0, damaged: 0, first: None, notes: Vec::new() }
    }

    fn raw(&mut self, text: &str) -> Result<(), Error> {
        self.out.write_all(text.as_bytes()).map_err(|error| Error::Caller(error.into()))
    }

    fn text(value: &impl Serialize) -> Result<String, Error> {
        serde_json::to_string(value).map_err(Error::Json)
    }

    fn value(&mut self, value: &impl Serialize) -> Result<(), Error> {
        self.raw(&Self::text(value)?)
    }

    fn end(&mut self) -> Result<(), Error> {
        self.lines += 1;
        self.raw("\n")
    }

    /// Something in this line is damaged. Anything else ends the export.
    fn note(&mut self, error: ReadError) -> Result<(), Error> {
        let ReadError::Damaged(damage) = error else { return Err(error.into()) };
        self.notes.push(damage.to_string());
        self.first.get_or_insert(damage);
        Ok(())
    }

    /// A line of its own for what is damaged altogether.
    fn damaged(&mut self, damage: Damage) -> Result<(), Error> {
        self.note(damage.into())?;
        self.raw("{\"damaged\":")?;
        self.finish_notes()?;
        self.raw("}")?;
        self.end()
    }

    fn finish_notes(&mut self) -> Result<(), Error> {
        self.damaged += 1;
        let notes = std::mem::take(&mut self.notes);
        self.value(&notes)
    }

    fn finish_execution(&mut self) -> Result<(), Error> {
        if !self.notes.is_empty() {
            self.raw(",\"damaged\":")?;
            self.finish_notes()?;
        }
        self.raw("}")?;
        self.end()
    }

    fn finish(self) -> Result<u64, Error> {
        match self.first {
            Some(first) => Err(Error::Incomplete { lines: self.lines, damaged: self.damaged, first }),
            None => Ok(self.lines),
        }
    }
}

/// The commas of a list.
#[derive(Default)]
struct Commas(bool);

impl Commas {
    fn next(&mut self, lines: &mut Lines<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.0, true) { lines.raw(",") } else { Ok(()) }
    }
}
