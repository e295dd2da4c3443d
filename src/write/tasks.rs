//! What runs within an execution: tasks or operators.

use super::Writer;
use crate::format::schema::Tag;
use crate::model::error::{ReadError, WriteError};
use crate::model::id::Incarnation;
use crate::model::lifecycle::State;
use crate::model::report::{Late, Reported};
use crate::model::row_id::RowId;
use crate::model::tasks::{Progress, Task, TaskState, TaskUpdate};
use crate::model::text::Text;
use crate::model::visits::Visits;
use crate::storage::damaged;

/// # Tasks
///
/// The tasks or operators within an execution: when each started and ended, what it gave or why it failed. An update
/// writes the row of the task and the row of sums, however many tasks there are; it leaves the record, its
/// revision and the change log as they are. Tasks are deleted with their execution.
impl Writer<'_> {
    /// Says what became of a task, which is new if there is none of the name. Gives it as it is then.
    ///
    /// A report that comes late is ignored, and the outcome says so with what is known: of an older attempt, of an older time, of what is
    /// known already, of another end than the known one of the same attempt. The first end of an attempt stands; a newer attempt begins anew.
    /// After the end of its execution a task can still end, but not start.
    pub fn put_task(
        &mut self,
        id: impl AsRef<str>,
        mut update: TaskUpdate,
    ) -> Result<Reported<Task>, WriteError> {
        let number = self.existing(id.as_ref())?;
        update.fit_texts(self.settings.long_texts);
        update.check()?;
        let now = self.settings.clock.now();
        let known = self.tables.task_place(number, &update.name)?;
        let before = match known {
            None => None,
            Some(place) => {
                let missing =
                    || damaged(Tag::Tasks, &crate::format::place_row(number, place), "the task is missing");
                Some(self.tables.task(number, place)?.ok_or_else(missing)?)
            }
        };
        let starts = update.state == TaskState::Running;
        let task = match update.apply(before.as_ref(), now) {
            Ok(task) => task,
            Err(why) => return Ok(Reported::Ignored { why, current: before }),
        };
        if starts && let Some(state) = self.end_of(number)? {
            return Ok(Reported::Ignored { why: Late::ExecutionEnded { state }, current: before });
        }
        let mut progress = match self.tables.progress(number) {
            Err(ReadError::Damaged(_)) => self.counted(number)?,
            // Before the first task there is no row.
            known => known?.unwrap_or(Progress::NONE),
        };
        // Places are given once: a task is never deleted alone.
        let place = known.unwrap_or(progress.total() + 1);
        if known.is_none() && self.tables.task(number, place)?.is_some() {
            let reason = "there are more tasks than the sums say";
            return Err(damaged(Tag::TaskCounts, &number.to_be_bytes(), reason).into());
        }
        if let Some(before) = &before {
            let slot = progress.slot(before.state);
            *slot = slot.saturating_sub(1);
        }
        *progress.slot(task.state) += 1;
        self.needs_room()?;
        self.storing(|w| {
            w.tables.put_task(number, place, &task)?;
            if known.is_none() {
                w.tables.put_task_place(number, &task.name, place)?;
            }
            w.tables.put_progress(number, &progress)?;
            w.put_totals()
        })?;
        Ok(Reported::Applied(task))
    }

    /// The terminal state that the execution is in.
    fn end_of(&self, number: RowId) -> Result<Option<Text>, WriteError> {
        match self.tables.execution(number, &self.settings.lifecycle) {
            Ok(found) => Ok(found
                .map(|found| found.header.state)
                .filter(State::is_terminal)
                .map(|state| state.as_str().into())),
            Err(ReadError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The sums, from the tasks themselves.
    fn counted(&self, number: RowId) -> Result<Progress, ReadError> {
        let mut progress = Progress::default();
        for task in self.tables.task_rows(number)? {
            *progress.slot(task?.state) += 1;
        }
        Ok(progress)
    }

    /// Adds to the visits of an execution; `false` if it is not there, or if its visits cannot be read: what is damaged stays as it
    /// is, for [`Store::verify`](crate::Store::verify) to tell. See [`VisitTracker`](crate::visits::VisitTracker), which
    /// gathers them.
    pub fn add_visits(&mut self, id: impl AsRef<str>, more: Visits) -> Result<bool, WriteError> {
        self.add_visits_of(id.as_ref(), None, more)
    }

    /// The same, for this execution of the id alone if one is named.
    pub(crate) fn add_visits_of(
        &mut self,
        id: &str,
        of: Option<Incarnation>,
        more: Visits,
    ) -> Result<bool, WriteError> {
        let found = self.tables.number(id)?;
        let Some(number) = found.filter(|number| of.is_none_or(|of| of.0 == number.0)) else {
            return Ok(false);
        };
        let known = match self.tables.visits(number) {
            Err(ReadError::Damaged(_)) => return Ok(false),
            known => known?,
        };
        self.needs_room()?;
        self.storing(|w| {
            w.tables.put_visits(number, known.map_or(more, |known| known.and(more)))?;
            w.put_totals()
        })?;
        Ok(true)
    }
}
