//! What lies beside an execution, as members of its line.

use serde::Serialize;

use super::values::{Encoding, Piece};
use super::{Commas, Lines};
use crate::format::{OutputRow, Value};
use crate::model::attachments::{Attachment, AttachmentKind};
use crate::model::error::{Error, ReadError};
use crate::model::hash::hex;
use crate::model::json::{Count, Json, one_line};
use crate::model::outputs::OutputCap;
use crate::model::row_id::RowId;
use crate::model::tasks::Task;
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::read::View;
use crate::read::side_data::{AttachmentReader, Chunk, read_output};

#[derive(Serialize)]
struct AttachmentLine<'a> {
    key: &'a Text,
    kind: &'static str,
    content_type: &'a Text,
    size: Count,
    modified_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize)]
struct OutputLine<'a> {
    name: &'a Text,
    length: Count,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<Count>,
    modified_at: Timestamp,
}

#[derive(Serialize)]
struct TaskLine<'a> {
    name: &'a Text,
    state: String,
    attempts: Count,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Text>,
}

#[derive(Serialize)]
struct VisitsLine {
    count: Count,
    last: Timestamp,
}

/// Writes the members for what there is; an execution without anything beside it has none of them.
pub(super) fn write<V: View>(view: &V, number: RowId, lines: &mut Lines<'_>) -> Result<(), Error> {
    let rows = view.tables().attachment_rows(number, "").map_err(ReadError::from)?;
    list("attachments", rows, lines, |(found, value), lines| attachment(view, found, value, lines))?;
    let rows = view.tables().output_rows(number).map_err(ReadError::from)?;
    list("outputs", rows, lines, |row, lines| output(view, &row, lines))?;
    list("tasks", view.tables().task_rows(number)?, lines, |found, lines| task(&found, lines))?;
    match view.tables().visits(number) {
        Ok(None) => {}
        Ok(Some(visits)) => {
            lines.raw(",\"visits\":")?;
            lines.value(&VisitsLine { count: Count(visits.count), last: visits.last })?;
        }
        Err(error) => lines.note(error)?,
    }
    Ok(())
}

/// A member that is a list, if there is anything to be in it.
fn list<T>(
    name: &str,
    rows: impl Iterator<Item = Result<T, ReadError>>,
    lines: &mut Lines<'_>,
    mut write: impl FnMut(T, &mut Lines<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    lines.raw(&format!(",\"{name}\":["))?;
    let mut commas = Commas::default();
    for row in rows {
        match row {
            Ok(row) => {
                commas.next(lines)?;
                write(row, lines)?;
            }
            Err(error) => lines.note(error)?,
        }
    }
    lines.raw("]")
}

fn begin(line: &impl Serialize, lines: &mut Lines<'_>) -> Result<(), Error> {
    let text = Lines::text(line)?;
    lines.raw(text.strip_suffix('}').unwrap_or_default())
}

fn attachment<V: View>(
    view: &V,
    found: Attachment,
    value: Value,
    lines: &mut Lines<'_>,
) -> Result<(), Error> {
    let (kind, encoding) = match found.kind {
        AttachmentKind::Bytes => ("bytes", Encoding::Base64),
        AttachmentKind::Json => ("json", Encoding::Text),
        AttachmentKind::Uri => ("uri", Encoding::Text),
    };
    let line = AttachmentLine {
        key: &found.key,
        kind,
        content_type: &found.content_type,
        size: Count(found.size),
        modified_at: found.modified_at,
        sha256: found.sha256.as_ref().map(hex),
    };
    begin(&line, lines)?;
    let mut piece = Piece::begin(encoding, lines)?;
    piece.copy(&mut AttachmentReader::new(view, found, value), lines)?;
    piece.end(lines)?;
    lines.raw("}")
}

/// The stretches that are kept of an output, each with its offset.
fn output<V: View>(view: &V, row: &OutputRow, lines: &mut Lines<'_>) -> Result<(), Error> {
    let (head, tail) = match row.output.cap {
        OutputCap::All => (None, None),
        OutputCap::Head(head) => (Some(head), Some(0)),
        OutputCap::Tail(tail) => (Some(0), Some(tail)),
        OutputCap::Both { head, tail } => (Some(head), Some(tail)),
    };
    let found = &row.output;
    let line = OutputLine {
        name: &found.name,
        length: Count(found.length),
        head: head.map(Count),
        tail: tail.map(Count),
        modified_at: found.modified_at,
    };
    begin(&line, lines)?;
    lines.raw(",\"parts\":[")?;
    let mut commas = Commas::default();
    let kept = match found.dropped() {
        Some(dropped) => [0..dropped.start, dropped.end..found.length],
        None => [0..found.length, 0..0],
    };
    for kept in kept.into_iter().filter(|kept| !kept.is_empty()) {
        commas.next(lines)?;
        begin(&serde_json::json!({ "offset": Count(kept.start) }), lines)?;
        let mut piece = Piece::begin(Encoding::Base64, lines)?;
        let (mut at, mut chunk) = (kept.start, Chunk::default());
        while at < kept.end {
            match read_output(view, row, at, Piece::MOST, &mut chunk) {
                Ok(part) if !part.bytes.is_empty() => {
                    at = part.next();
                    piece.put(&part.bytes, lines)?;
                }
                Ok(_) => break,
                Err(error) => {
                    piece.damaged(error, lines)?;
                    break;
                }
            }
        }
        piece.end(lines)?;
        lines.raw("}")?;
    }
    lines.raw("]}")
}

fn task(found: &Task, lines: &mut Lines<'_>) -> Result<(), Error> {
    lines.value(&TaskLine {
        name: &found.name,
        state: found.state.to_string(),
        attempts: Count(found.attempts),
        started_at: found.started_at,
        ended_at: found.ended_at,
        value: found.value.as_ref().map(|value| Json::from_stored(&one_line(value.as_str()))),
        error: found.error.as_ref(),
    })
}
