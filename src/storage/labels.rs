//! The table `label_counts`, and the rows of the table `labels` that it counts.

use redb::ReadableTable;

use super::counts::counts_in;
use super::{Live, Rows, Source, Tables, catch_panics, damaged};
use crate::format::schema::{Bytes, Tag};
use crate::format::{decode_counts, encode_nothing, label, label_row, label_value, label_values_span};
use crate::model::error::{ReadError, StorageError};
use crate::model::text::Text;

/// The values of a label's key, each with its counts by the code of their state.
pub(crate) type LabelValues<'r> =
    Box<dyn DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + 'r>;

impl<S: Source> Tables<S> {
    /// How many executions have a label, by the code of their state.
    pub(crate) fn label_counts(&self, key: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        counts_in(&self.slots.label_counts, &self.source, Tag::LabelCounts, &label(key, value))
    }

    /// The values of a label's key, with how many executions have each, by the code of their state. Shorter
    /// values come first, else in the order of their bytes. Those after a value that is no longer than one can be.
    pub(crate) fn label_values(
        &self,
        key: &str,
        after: Option<&str>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + use<'_, S>, StorageError>
    {
        let (start, end) = label_values_span(key, after);
        let table = self.slots.label_counts.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        Ok(Rows::<Bytes, _>::new(range, Tag::LabelCounts, &start, Some(&end), |key, value| {
            decode_counts(Tag::LabelCounts as u8, key, value)
                .and_then(|counts| Ok((Text::from(label_value(key)?), counts)))
                .map_err(|reason| damaged(Tag::LabelCounts, key, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_label(
        &mut self,
        key: &str,
        value: &str,
        group: u8,
        number: u64,
    ) -> Result<(), StorageError> {
        self.put(Tag::Labels, &label_row(key, value, group, number), encode_nothing)
    }

    pub(crate) fn remove_label(
        &mut self,
        key: &str,
        value: &str,
        group: u8,
        number: u64,
    ) -> Result<bool, StorageError> {
        self.remove(Tag::Labels, &label_row(key, value, group, number))
    }

    /// The row as `codec::label` gives it. A row of zeros is no row.
    pub(crate) fn put_label_counts(&mut self, row: &[u8], counts: &[u64]) -> Result<(), StorageError> {
        self.put_counts(Tag::LabelCounts, row, counts)
    }
}
