//! What lies beside an execution, as members of its line.

use super::values::{Encoding, Piece};
use super::{Commas, Lines, in_one_line};
use crate::format::{OutputRow, Value};
use crate::model::attachments::{Attachment, AttachmentKind};
use crate::model::error::{Error, ReadError};
use crate::model::json::Count;
use crate::model::row_id::RowId;
use crate::model::tasks::Task;
use crate::read::View;
use crate::read::side_data::{AttachmentReader, Chunk, read_output};

/// Writes the members for what there is; an execution without anything beside it has none of them.
pub(super) fn write<V: View>(view: &V, number: RowId, lines: &mut Lines<'_>) -> Result<(), Error> {
    let rows = view.tables().attachment_rows(number, "").map_err(ReadError::from)?;
    list("attachments", rows, lines, |(found, value), lines| attachment(view, found, value, lines))?;
    let rows = view.tables().output_rows(number).map_err(ReadError::from)?;
    list("outputs", rows, lines, |row, lines| output(view, &row, lines))?;
    list("tasks", view.tables().task_rows(number)?, lines, task)?;
    match view.tables().visits(number) {
        Ok(None) => {}
        Ok(Some(visits)) => {
            lines.raw(",\"visits\":")?;
            lines.value(&visits)?;
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

fn attachment<V: View>(
    view: &V,
    found: Attachment,
    value: Value,
    lines: &mut Lines<'_>,
) -> Result<(), Error> {
    let encoding = match found.kind {
        AttachmentKind::Bytes => Encoding::Base64,
        AttachmentKind::Json | AttachmentKind::Uri => Encoding::Text,
    };
    // Its version means something in this store alone.
    lines.open(&Attachment { version: 0, ..found.clone() })?;
    let mut piece = Piece::begin(encoding, lines)?;
    piece.copy(&mut AttachmentReader::new(view, found, value), lines)?;
    piece.end(lines)?;
    lines.raw("}")
}

/// The stretches that are kept of an output, each with its offset.
fn output<V: View>(view: &V, row: &OutputRow, lines: &mut Lines<'_>) -> Result<(), Error> {
    let found = &row.output;
    lines.open(found)?;
    lines.raw(",\"parts\":[")?;
    let mut commas = Commas::default();
    let kept = match found.dropped() {
        Some(dropped) => [0..dropped.start, dropped.end..found.length],
        None => [0..found.length, 0..0],
    };
    for kept in kept.into_iter().filter(|kept| !kept.is_empty()) {
        commas.next(lines)?;
        lines.open(&serde_json::json!({ "offset": Count(kept.start) }))?;
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

fn task(mut found: Task, lines: &mut Lines<'_>) -> Result<(), Error> {
    found.value.as_mut().into_iter().for_each(in_one_line);
    lines.value(&found)
}
