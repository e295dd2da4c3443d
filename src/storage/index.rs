//! The tables `jobs` and `labels`: index rows that end in an execution's number.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged};
use crate::format::schema::{Bytes, Tag};
use crate::format::{decode_nothing, encode_nothing, job_row, number_at_end};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The numbers behind a prefix in one of these tables, in the order of creation.
    pub(crate) fn index_rows(
        &self,
        tag: Tag,
        prefix: &[u8],
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        let key = |number: &u64| [prefix, &number.to_be_bytes()].concat();
        let (start, end) = (key(numbers.start()), key(numbers.end()));
        let table = match tag {
            Tag::Jobs => self.slots.jobs.get(&self.source)?,
            _ => self.slots.labels.get(&self.source)?,
        };
        let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        Ok(Rows::<Bytes, _>::new(range, tag, &start, Some(&end), move |key, value| {
            decode_nothing(tag as u8, key, value)
                .and_then(|()| number_at_end(key))
                .map_err(|reason| damaged(tag, key, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_job(&mut self, job: &str, number: u64) -> Result<(), StorageError> {
        self.put(Tag::Jobs, &job_row(job, number), encode_nothing)
    }

    pub(crate) fn remove_job(&mut self, job: &str, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Jobs, &job_row(job, number))
    }
}
