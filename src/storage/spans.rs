//! The table `spans`: which times occur in each full block of executions and of changes.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, fixed, shield};
use crate::format::schema::{StateRow, Tag};
use crate::format::{Span, SpanKind, decode_span, encode_span, span_row, state_of};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The full blocks that were not empty, in order, with their times.
    pub(crate) fn span_rows(
        &self,
        kind: SpanKind,
    ) -> Result<impl Iterator<Item = Result<(u64, Span), ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (span_row(kind, 0), span_row(kind, u64::MAX));
        let table = self.spans.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 9]>(&start..=&end))?;
        Ok(Rows::<StateRow, _>::new(range, Tag::Spans, &start, Some(&end), |key, value| {
            match decode_span(Tag::Spans as u8, key, value) {
                Ok(span) => Ok((state_of(fixed(key)?).1, span)),
                Err(reason) => Err(damaged(Tag::Spans, key, reason).into()),
            }
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_span(&mut self, kind: SpanKind, block: u64, span: &Span) -> Result<(), StorageError> {
        self.put(Tag::Spans, &span_row(kind, block), |table, key, out| encode_span(table, key, span, out))
    }
}
