//! The table `jobs`: an index row for each execution under its job.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, shield};
use crate::codec::{decode_nothing, encode_nothing, job_end, job_number, job_row, job_start};
use crate::error::{ReadError, StorageError};
use crate::schema::{Bytes, Tag};

impl<S: Source> Tables<S> {
    /// The numbers of a job's executions, in the order of creation.
    pub(crate) fn job_rows(
        &self,
        job: &str,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (job_start(job), job_end(job));
        let table = self.jobs.get(&self.source)?;
        let range = shield(|| table.range::<&[u8]>(&*start..=&*end))?;
        Ok(Rows::<Bytes, _>::new(range, Tag::Jobs, &start, Some(&end), |key, value| {
            decode_nothing(Tag::Jobs as u8, key, value)
                .and_then(|()| job_number(key))
                .map_err(|reason| damaged(Tag::Jobs, key, reason).into())
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
