//! What a query finds, as lines of JSON: a line for each execution, with everything that belongs to it.

mod side_data;
mod values;

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;

use super::limited;
use crate::model::change::Change;
use crate::model::error::{Damage, Error, ReadError};
use crate::model::execution::HeaderForm;
use crate::model::hash::hex;
use crate::model::integrity;
use crate::model::json::{Json, one_line};
use crate::model::query::Query;
use crate::read::lookup::event_rows;
use crate::read::{List, View, load};
use crate::storage::StoredExecution;

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

pub(crate) fn export<V: View>(view: &V, query: &Query, out: &mut dyn Write) -> Result<u64, Error> {
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
    // What a header means in this store alone stays here.
    lines.open(&HeaderForm::from(&*found.header).outside())?;
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
        let mut event = match event {
            Ok(event) => event,
            Err(error) => {
                lines.note(error)?;
                continue;
            }
        };
        list.next(lines)?;
        in_one_line(&mut event.details);
        lines.value(&event)?;
    }
    lines.raw("]")?;
    side_data::write(view, number, lines)?;
    lines.finish_execution()
}

/// Line breaks within a document end no line.
fn in_one_line(document: &mut Json) {
    if let Cow::Owned(text) = one_line(document.as_str()) {
        *document = Json::from_stored(&text);
    }
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

    /// Everything of an object but its end: more members follow.
    fn open(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let text = Self::text(value)?;
        self.raw(text.strip_suffix('}').unwrap_or_default())
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
