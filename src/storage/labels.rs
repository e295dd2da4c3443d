//! The table `label_counts`, and the rows of the table `labels` that it counts.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode_counts, label, label_row, label_value, label_values_span};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;
use crate::model::text::Text;

/// The values of a label's key, each with its counts by the code of their state.
pub(crate) type LabelValues<'r> =
    Box<dyn DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + 'r>;

impl<S: Source> Tables<S> {
    /// How many executions have a label, by the code of their state.
    pub(crate) fn label_counts(&self, key: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        self.counts::<table::LabelCounts>(&label(key, value))
    }

    /// The values of a label's key, with how many executions have each, by the code of their state. Shorter
    /// values come first, else in the order of their bytes. Those after a value that is no longer than one can be.
    pub(crate) fn label_values(
        &self,
        key: &str,
        after: Option<&str>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + use<'_, S>, StorageError>
    {
        let (low, high) = label_values_span(key, after);
        self.range::<table::LabelCounts, _, _>(&low, &high, |key: &[u8], value: &[u8]| {
            let counts = decode_counts::<table::LabelCounts>(key, value)?;
            Ok((Text::from(label_value(key)?), counts))
        })
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_label(
        &mut self,
        key: &str,
        value: &str,
        group: u8,
        number: RowId,
    ) -> Result<(), StorageError> {
        self.put::<table::Labels>(&label_row(key, value, group, number), ())
    }

    pub(crate) fn remove_label(
        &mut self,
        key: &str,
        value: &str,
        group: u8,
        number: RowId,
    ) -> Result<bool, StorageError> {
        self.remove::<table::Labels>(&label_row(key, value, group, number))
    }

    /// The row as `format::label` gives it. A row of zeros is no row.
    pub(crate) fn put_label_counts(&mut self, row: &[u8], counts: &[u64]) -> Result<(), StorageError> {
        self.put_counts::<table::LabelCounts>(row, counts)
    }
}
