//! The tables `tasks`, `task_names` and `task_counts`: what runs within an execution.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Pair, Tag};
use crate::format::{
    decode_number, decode_progress, decode_task, encode_number, encode_progress, encode_task, name_row, pair,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::tasks::{Progress, Task};

impl<S: Source> Tables<S> {
    /// The place of a task among those of its execution.
    pub(crate) fn task_place(&self, number: u64, name: &str) -> Result<Option<u64>, ReadError> {
        let key = name_row(number, name);
        let table = self.slots.task_names.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_number(Tag::TaskNames as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::TaskNames, &key, reason))?)
    }

    pub(crate) fn task(&self, number: u64, place: u64) -> Result<Option<Task>, ReadError> {
        let key = pair(number, place);
        let table = self.slots.tasks.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_task(Tag::Tasks as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Tasks, &key, reason))?)
    }

    /// Those of one execution, in the order of their places.
    pub(crate) fn task_rows(
        &self,
        number: u64,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Task, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (pair(number, 0), pair(number, u64::MAX));
        let table = self.slots.tasks.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 16]>(&start..=&end))?;
        Ok(Rows::<Pair, _>::new(range, Tag::Tasks, &start, Some(&end), |key, value| {
            decode_task(Tag::Tasks as u8, key, value)
                .map_err(|reason| damaged(Tag::Tasks, key, reason).into())
        }))
    }

    pub(crate) fn progress(&self, number: u64) -> Result<Option<Progress>, ReadError> {
        let key = number.to_be_bytes();
        let table = self.slots.task_counts.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_progress(Tag::TaskCounts as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::TaskCounts, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_task(&mut self, number: u64, place: u64, task: &Task) -> Result<(), StorageError> {
        self.put(Tag::Tasks, &pair(number, place), |table, key, out| encode_task(table, key, task, out))
    }

    pub(crate) fn put_task_place(&mut self, number: u64, name: &str, place: u64) -> Result<(), StorageError> {
        self.put(Tag::TaskNames, &name_row(number, name), |table, key, out| {
            encode_number(table, key, place, out)
        })
    }

    pub(crate) fn put_progress(&mut self, number: u64, progress: &Progress) -> Result<(), StorageError> {
        self.put(Tag::TaskCounts, &number.to_be_bytes(), |table, key, out| {
            encode_progress(table, key, progress, out)
        })
    }

    pub(crate) fn remove_progress(&mut self, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::TaskCounts, &number.to_be_bytes())
    }
}
