//! The tables `tasks`, `task_names` and `task_counts`: what runs within an execution.

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode, name_row, place_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;
use crate::model::tasks::{Progress, Task};

impl<S: Source> Tables<S> {
    /// The place of a task among those of its execution.
    pub(crate) fn task_place(&self, number: RowId, name: &str) -> Result<Option<u64>, ReadError> {
        self.get::<table::TaskNames, _>(&name_row(number, name))
    }

    pub(crate) fn task(&self, number: RowId, place: u64) -> Result<Option<Task>, ReadError> {
        self.get::<table::Tasks, _>(&place_row(number, place))
    }

    /// Those of one execution, in the order of their places.
    pub(crate) fn task_rows(
        &self,
        number: RowId,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Task, ReadError>> + use<'_, S>, StorageError> {
        self.range::<table::Tasks, _, _>(
            &place_row(number, 0),
            &place_row(number, u64::MAX),
            decode::<table::Tasks>,
        )
    }

    pub(crate) fn progress(&self, number: RowId) -> Result<Option<Progress>, ReadError> {
        self.get::<table::TaskCounts, _>(&number.to_be_bytes())
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_task(&mut self, number: RowId, place: u64, task: &Task) -> Result<(), StorageError> {
        self.put::<table::Tasks>(&place_row(number, place), task)
    }

    pub(crate) fn put_task_place(
        &mut self,
        number: RowId,
        name: &str,
        place: u64,
    ) -> Result<(), StorageError> {
        self.put::<table::TaskNames>(&name_row(number, name), place)
    }

    pub(crate) fn put_progress(&mut self, number: RowId, progress: &Progress) -> Result<(), StorageError> {
        self.put::<table::TaskCounts>(&number.to_be_bytes(), progress)
    }

    pub(crate) fn remove_progress(&mut self, number: RowId) -> Result<bool, StorageError> {
        self.remove::<table::TaskCounts>(&number.to_be_bytes())
    }
}
