//! The table `time_blocks`: which times occur in each full block of executions and of changes.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{Span, TimeKind, decode, kind_of, time_block_rows};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The full blocks that were not empty, in order, with their times.
    pub(crate) fn time_block_rows(
        &self,
        kind: TimeKind,
    ) -> Result<impl Iterator<Item = Result<(u64, Span), ReadError>> + use<'_, S>, StorageError> {
        let (low, high) = (time_block_rows(kind, 0), time_block_rows(kind, u64::MAX));
        self.range::<table::TimeBlocks, _, _>(&low, &high, |key: &[u8; 9], value: &[u8]| {
            Ok((kind_of(key).1, decode::<table::TimeBlocks>(key, value)?))
        })
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_time_block(
        &mut self,
        kind: TimeKind,
        block: u64,
        span: &Span,
    ) -> Result<(), StorageError> {
        self.put::<table::TimeBlocks>(&time_block_rows(kind, block), span)
    }
}
