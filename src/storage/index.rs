//! The tables `jobs` and `labels`: index rows that end in an execution's number.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged};
use crate::format::schema::{Bytes, Tag, Value};
use crate::format::{decode_nothing, encode_nothing, job_prefix, job_row, label_prefix, number_at_end};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The numbers of a job, in the order of creation.
    pub(crate) fn job_rows(
        &self,
        job: &str,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        rows_of(self.slots.jobs.get(&self.source)?, Tag::Jobs, &job_prefix(job), numbers)
    }

    /// The numbers with a label in a group of states, in the order of creation.
    pub(crate) fn label_rows(
        &self,
        key: &str,
        value: &str,
        group: u8,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        rows_of(self.slots.labels.get(&self.source)?, Tag::Labels, &label_prefix(key, value, group), numbers)
    }
}

/// The numbers behind a prefix of a table.
fn rows_of<'a, T: ReadableTable<Bytes, Value>>(
    table: &'a T,
    tag: Tag,
    prefix: &[u8],
    numbers: &RangeInclusive<u64>,
) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'a, T>, StorageError> {
    let key = |number: &u64| [prefix, &number.to_be_bytes()].concat();
    let (start, end) = (key(numbers.start()), key(numbers.end()));
    let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
    Ok(Rows::<Bytes, _>::new(range, tag, &start, Some(&end), move |key, value| {
        decode_nothing(tag as u8, key, value)
            .and_then(|()| number_at_end(key))
            .map_err(|reason| damaged(tag, key, reason).into())
    }))
}

impl Tables<Live<'_>> {
    pub(crate) fn put_job(&mut self, job: &str, number: u64) -> Result<(), StorageError> {
        self.put(Tag::Jobs, &job_row(job, number), encode_nothing)
    }

    pub(crate) fn remove_job(&mut self, job: &str, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Jobs, &job_row(job, number))
    }
}
