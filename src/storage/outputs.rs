//! The table `outputs`: number and name to an output stream.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{OutputRow, decode, name_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    pub(crate) fn output(&self, number: RowId, name: &str) -> Result<Option<OutputRow>, ReadError> {
        self.get::<table::Outputs, _>(&name_row(number, name))
    }

    /// Those of one execution, in the order of their names.
    pub(crate) fn output_rows(
        &self,
        number: RowId,
    ) -> Result<impl DoubleEndedIterator<Item = Result<OutputRow, ReadError>> + use<'_, S>, StorageError>
    {
        let start = name_row(number, "");
        let end = [start.as_slice(), &[0xff]].concat();
        self.range::<table::Outputs, _, _>(&start, &end, decode::<table::Outputs>)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_output(&mut self, number: RowId, row: &OutputRow) -> Result<(), StorageError> {
        self.put::<table::Outputs>(&name_row(number, &row.output.name), row)
    }

    pub(crate) fn remove_output(&mut self, number: RowId, name: &str) -> Result<bool, StorageError> {
        self.remove::<table::Outputs>(&name_row(number, name))
    }
}
