//! What was deleted and still has rows: which rows those may be.

use super::checks::{Verifier, hex};
use crate::format::schema::{Tag, table};
use crate::format::{Removal, decode};
use crate::model::error::ReadError;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    pub(super) fn removals(&mut self) -> Result<(), ReadError> {
        let (tag, trimmed) = (Tag::Removals, self.totals.trimmed);
        let mut rows = 0;
        self.waiting.swept = trimmed;
        self.walk::<table::Removals>(|verifier, key, value| {
            rows += 1;
            match decode::<table::Removals>(key, value) {
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
                Ok(Removal::Execution(number)) => drop(verifier.waiting.executions.insert(number)),
                Ok(Removal::Bucket(bucket)) => drop(verifier.waiting.buckets.insert(bucket)),
                Ok(Removal::Blob { blob, start, end }) => {
                    verifier.waiting.blobs.insert(blob, start..end);
                }
                Ok(Removal::Log { first, last }) if first == 0 || first > last || last != trimmed => {
                    verifier.problem(
                        tag,
                        format!("entries {first} to {last} wait, of a log that is trimmed up to {trimmed}"),
                    );
                }
                Ok(Removal::Log { first, .. }) => verifier.waiting.swept = first - 1,
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
