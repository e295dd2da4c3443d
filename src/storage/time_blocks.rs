//! The table `time_blocks`: which times occur in each full block of executions and of changes.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed};
use crate::format::schema::{StateRow, Tag};
use crate::format::{Span, TimeKind, decode_time_block, encode_time_block, state_of, time_block_rows};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The full blocks that were not empty, in order, with their times.
    pub(crate) fn time_block_rows(
        &self,
        kind: TimeKind,
    ) -> Result<impl Iterator<Item = Result<(u64, Span), ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (time_block_rows(kind, 0), time_block_rows(kind, u64::MAX));
        let table = self.slots.time_blocks.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 9]>(&start..=&end))?;
        Ok(Rows::<StateRow, _>::new(range, Tag::TimeBlocks, &start, Some(&end), |key, value| {
            match decode_time_block(Tag::TimeBlocks as u8, key, value) {
                Ok(span) => Ok((state_of(fixed(key)?).1, span)),
                Err(reason) => Err(damaged(Tag::TimeBlocks, key, reason).into()),
            }
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_time_block(
        &mut self,
        kind: TimeKind,
        block: u64,
        span: &Span,
    ) -> Result<(), StorageError> {
        self.put(Tag::TimeBlocks, &time_block_rows(kind, block), |table, key, out| {
            encode_time_block(table, key, span, out)
        })
    }
}
