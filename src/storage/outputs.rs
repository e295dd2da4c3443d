//! The table `outputs`: number and name to an output stream.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{OutputRow, decode_output, encode_output, name_row};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    pub(crate) fn output(&self, number: u64, name: &str) -> Result<Option<OutputRow>, ReadError> {
        let row = name_row(number, name);
        let table = self.slots.outputs.get(&self.source)?;
        let found = look_up(table, &row, |value| decode_output(Tag::Outputs as u8, &row, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Outputs, &row, reason))?)
    }

    /// Those of one execution, in the order of their names.
    pub(crate) fn output_rows(
        &self,
        number: u64,
    ) -> Result<impl DoubleEndedIterator<Item = Result<OutputRow, ReadError>> + use<'_, S>, StorageError>
    {
        let start = name_row(number, "");
        let end = [start.as_slice(), &[0xff]].concat();
        let table = self.slots.outputs.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        Ok(Rows::<Bytes, _>::new(range, Tag::Outputs, &start, Some(&end), |row, value| {
            decode_output(Tag::Outputs as u8, row, value)
                .map_err(|reason| damaged(Tag::Outputs, row, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_output(&mut self, number: u64, row: &OutputRow) -> Result<(), StorageError> {
        self.put(Tag::Outputs, &name_row(number, &row.output.name), |table, key, out| {
            encode_output(table, key, row, out)
        })
    }

    pub(crate) fn remove_output(&mut self, number: u64, name: &str) -> Result<bool, StorageError> {
        self.remove(Tag::Outputs, &name_row(number, name))
    }
}
