//! What was deleted and still has rows: which rows those may be.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::checks::{Verifier, hex};
use crate::codec::{Doomed, decode_doomed};
use crate::error::ReadError;
use crate::schema::Tag;
use crate::tables::Source;

/// What may have rows although nothing leads to them.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    executions: HashSet<u64>,
    blobs: HashMap<u64, Range<u64>>,
    /// The last entry of the log that is gone.
    pub(super) swept: u64,
}

impl Waiting {
    /// `true` if an execution of this number was deleted, and its rows wait.
    pub(super) fn execution(&self, number: u64) -> bool {
        self.executions.contains(&number)
    }

    /// `true` if a chunk of a blob waits.
    pub(super) fn chunk(&self, blob: u64, chunk: &Range<u64>) -> bool {
        self.blobs.get(&blob).is_some_and(|gone| gone.start <= chunk.start && chunk.end <= gone.end)
    }
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn doomed(&mut self) -> Result<(), ReadError> {
        let (tag, trimmed) = (Tag::Doomed, self.totals.trimmed);
        let mut rows = 0;
        self.waiting.swept = trimmed;
        self.walk(tag, |verifier, key, value| {
            rows += 1;
            match decode_doomed(tag as u8, key, value) {
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
                Ok(Doomed::Execution(number)) => drop(verifier.waiting.executions.insert(number)),
                Ok(Doomed::Blob { blob, start, end }) => {
                    verifier.waiting.blobs.insert(blob, start..end);
                }
                Ok(Doomed::Log { first, last }) if first == 0 || first > last || last != trimmed => {
                    verifier.problem(
                        tag,
                        format!("entries {first} to {last} wait, of a log that is trimmed up to {trimmed}"),
                    );
                }
                Ok(Doomed::Log { first, .. }) => verifier.waiting.swept = first - 1,
            }
            Ok(())
        })?;
        self.report.waiting = rows;
        if rows != self.totals.waiting {
            self.problem(tag, format!("{rows} rows, not {}", self.totals.waiting));
        }
        Ok(())
    }
}
