//! The tables `jobs` and `labels`: index rows that end in an execution's number; and the counters of each job, before its rows.

use std::ops::{Bound, RangeInclusive};

use super::{Live, Source, Stored, Tables, damaged};
use crate::format::schema::{Bytes, Tag, table};
use crate::format::{
    Row, decode, job_counts_row, job_of_row, job_prefix, job_row, label_prefix, number_at_end,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;
use crate::model::text::Text;

impl<S: Source> Tables<S> {
    /// The numbers of a job, in the order of creation.
    pub(crate) fn job_rows(
        &self,
        job: &str,
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + use<'_, S>, StorageError> {
        // The row of the number 0 has the counters.
        let numbers = (*numbers.start()).max(RowId(1))..=*numbers.end();
        self.index_rows::<table::Jobs>(&job_prefix(job), &numbers)
    }

    /// How many executions a job has, by the code of their state.
    pub(crate) fn job_counts(&self, job: &str) -> Result<Vec<u64>, ReadError> {
        self.counts::<table::Jobs>(&job_counts_row(job))
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
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + use<'_, S>, StorageError> {
        self.index_rows::<table::Labels>(&label_prefix(key, value, group), numbers)
    }

    /// The numbers behind a prefix of a table.
    fn index_rows<T: Stored<Key = Bytes> + for<'v> Row<Value<'v> = ()>>(
        &self,
        prefix: &[u8],
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + use<'_, S, T>, StorageError> {
        let key = |number: &RowId| [prefix, &number.to_be_bytes()].concat();
        let (low, high) = (key(numbers.start()), key(numbers.end()));
        self.range::<T, _, _>(&low, &high, |key: &[u8], value: &[u8]| {
            decode::<T>(key, value).and_then(|()| number_at_end(key))
        })
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
        let key = |key: &[u8], _: &[u8]| Ok(key.to_vec());
        let mut rows = self.tables.between::<table::Jobs, _, _>(low, high, key)?;
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

impl Tables<Live<'_>> {
    pub(crate) fn put_job_counts(&mut self, job: &str, counts: &[u64]) -> Result<(), StorageError> {
        self.put_counts::<table::Jobs>(&job_counts_row(job), counts)
    }

    pub(crate) fn put_job(&mut self, job: &str, number: RowId) -> Result<(), StorageError> {
        self.put::<table::Jobs>(&job_row(job, number), ())
    }

    pub(crate) fn remove_job(&mut self, job: &str, number: RowId) -> Result<bool, StorageError> {
        self.remove::<table::Jobs>(&job_row(job, number))
    }
}
