//! The tables `jobs` and `labels`: index rows that end in an execution's number; and the counters of each job, before its rows.

use std::ops::{Bound, RangeInclusive};

use redb::ReadableTable;

use super::counts::counts_in;
use super::{Live, Rows, Source, Tables, catch_panics, damaged};
use crate::format::schema::{Bytes, Tag, Value};
use crate::format::{
    decode_nothing, encode_nothing, job_counts_row, job_of_row, job_prefix, job_row, label_prefix,
    number_at_end,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::text::Text;

impl<S: Source> Tables<S> {
    /// The numbers of a job, in the order of creation.
    pub(crate) fn job_rows(
        &self,
        job: &str,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        // The row of the number 0 has the counters.
        let numbers = *numbers.start().max(&1)..=*numbers.end();
        rows_of(self.slots.jobs.get(&self.source)?, Tag::Jobs, &job_prefix(job), &numbers)
    }

    /// How many executions a job has, by the code of their state.
    pub(crate) fn job_counts(&self, job: &str) -> Result<Vec<u64>, ReadError> {
        counts_in(&self.slots.jobs, &self.source, Tag::Jobs, &job_counts_row(job))
    }

    /// The jobs behind one, in the order of their keys, with how many executions each has.
    pub(crate) fn jobs_after(&self, after: Option<&str>) -> Jobs<'_, S> {
        let low = match after {
            Some(after) => behind(&job_prefix(after)),
            None => Bound::Unbounded,
        };
        Jobs { tables: self, low, high: Bound::Unbounded, ended: false }
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

/// Behind every row that begins so.
fn behind(prefix: &[u8]) -> Bound<Vec<u8>> {
    Bound::Excluded([prefix, &[0xff; 8]].concat())
}

/// The jobs that there are. From one to the next it looks one up, over all of its executions.
pub(crate) struct Jobs<'a, S: Source> {
    tables: &'a Tables<S>,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    ended: bool,
}

/// The counters of a job, which has some if it has rows.
pub(crate) fn counted_job((job, counts): (Text, Vec<u64>)) -> Result<(Text, Vec<u64>), ReadError> {
    match counts.is_empty() {
        true => Err(damaged(Tag::Jobs, &job_counts_row(&job), "the row of the counters is missing").into()),
        false => Ok((job, counts)),
    }
}

/// What all rows of a job begin with, in whose order jobs are, the job, and how many executions it has, by the code of their state.
pub(crate) type JobCounts = (Vec<u8>, (Text, Vec<u64>));

impl<S: Source> Jobs<'_, S> {
    /// The next job from one end.
    fn step(&mut self, from_front: bool) -> Result<Option<JobCounts>, ReadError> {
        let (low, high) = (self.low.as_ref().map(Vec::as_slice), self.high.as_ref().map(Vec::as_slice));
        let table = self.tables.slots.jobs.get(&self.tables.source)?;
        let range = catch_panics(|| table.range::<&[u8]>((low, high)))?;
        let (least, most) = (bytes(&low).unwrap_or_default(), bytes(&high));
        let mut rows = Rows::<Bytes, _>::new(range, Tag::Jobs, least, most, |key, _| Ok(key.to_vec()));
        let row = if from_front { rows.next() } else { rows.next_back() };
        let Some(key) = row.transpose()? else { return Ok(None) };
        let found = job_of_row(&key).map(|(job, prefix)| (job, prefix.to_vec()));
        let (end, found) = match found {
            Ok((job, prefix)) => (prefix.clone(), Ok((job, prefix))),
            Err(reason) => (key.clone(), Err(damaged(Tag::Jobs, &key, reason))),
        };
        match from_front {
            true => self.low = behind(&end),
            false => self.high = Bound::Excluded(end),
        }
        let (job, prefix) = found?;
        let counts = self.tables.job_counts(&job)?;
        Ok(Some((prefix, (job, counts))))
    }

    fn item(&mut self, from_front: bool) -> Option<Result<JobCounts, ReadError>> {
        if self.ended {
            return None;
        }
        let item = self.step(from_front).transpose();
        self.ended = matches!(item, None | Some(Err(ReadError::Storage(_))));
        item
    }
}

fn bytes<'b>(bound: &Bound<&'b [u8]>) -> Option<&'b [u8]> {
    match bound {
        Bound::Included(bytes) | Bound::Excluded(bytes) => Some(bytes),
        Bound::Unbounded => None,
    }
}

impl<S: Source> Iterator for Jobs<'_, S> {
    type Item = Result<JobCounts, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.item(true)
    }
}

impl<S: Source> DoubleEndedIterator for Jobs<'_, S> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.item(false)
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
    pub(crate) fn put_job_counts(&mut self, job: &str, counts: &[u64]) -> Result<(), StorageError> {
        self.put_counts(Tag::Jobs, &job_counts_row(job), counts)
    }

    pub(crate) fn put_job(&mut self, job: &str, number: u64) -> Result<(), StorageError> {
        self.put(Tag::Jobs, &job_row(job, number), encode_nothing)
    }

    pub(crate) fn remove_job(&mut self, job: &str, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Jobs, &job_row(job, number))
    }
}
