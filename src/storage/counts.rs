//! Rows of counters, by the code of the state: those of a job, of a namespace and of a label.

use super::slots::Slot;
use super::{Live, Source, Tables, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{all_zero, decode_counts, encode_counts};
use crate::model::error::{ReadError, StorageError};

/// What a row counts; nothing if it is not there.
pub(super) fn counts_in<S: Source>(
    slot: &Slot<S, Bytes>,
    source: &S,
    tag: Tag,
    row: &[u8],
) -> Result<Vec<u64>, ReadError> {
    let found = look_up(slot.get(source)?, row, |value| decode_counts(tag as u8, row, value))?;
    let counts = found.transpose().map_err(|reason| damaged(tag, row, reason))?;
    Ok(counts.unwrap_or_default())
}

impl Tables<Live<'_>> {
    /// A row of zeros is no row.
    pub(super) fn put_counts(&mut self, tag: Tag, row: &[u8], counts: &[u64]) -> Result<(), StorageError> {
        if all_zero(counts) {
            return self.remove(tag, row).map(drop);
        }
        self.put(tag, row, |table, key, out| encode_counts(table, key, counts, out))
    }
}
