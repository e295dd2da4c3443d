//! The checks of the tasks within executions: their places, their names, their sums.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{decode, name_row, place_of};
use crate::model::error::StorageError;
use crate::model::row_id::RowId;
use crate::model::tasks::{Progress, TaskState};
use crate::storage::Source;

/// The tasks of one execution so far.
#[derive(Default)]
struct Run {
    number: RowId,
    counted: Progress,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn tasks(&mut self) -> Result<(), StorageError> {
        self.walk::<table::TaskNames>(|verifier, key, value| {
            let number = verifier.of_execution(Tag::TaskNames, key)?;
            match decode::<table::TaskNames>(key, value) {
                Err(reason) => verifier.problem(Tag::TaskNames, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(place) => verifier.sums.find(Group::Names, number, &[key, &place.to_be_bytes()]),
            }
            Ok(())
        })?;
        let mut run = Run::default();
        self.walk::<table::Tasks>(|verifier, key, value| {
            verifier.report.tasks += 1;
            let number = verifier.of_execution(Tag::Tasks, key)?;
            let (_, place) = place_of(key);
            match decode::<table::Tasks>(key, value) {
                Err(reason) => verifier.problem(Tag::Tasks, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(task) => {
                    if number != run.number {
                        verifier.end_of_tasks(&run);
                        run = Run { number, counted: Progress::default() };
                    }
                    *run.counted.slot(task.state) += 1;
                    if place != run.counted.total() {
                        // Told of where the names are searched.
                        verifier.sums.doubt(Group::Names, number);
                    }
                    let name = name_row(number, &task.name);
                    verifier.sums.expect(Group::Names, number, &[&name, &place.to_be_bytes()]);
                }
            }
            Ok(())
        })?;
        self.end_of_tasks(&run);
        self.walk::<table::TaskCounts>(|verifier, key, value| {
            let number = verifier.of_execution(Tag::TaskCounts, key)?;
            match decode::<table::TaskCounts>(key, value) {
                Err(reason) => verifier.problem(Tag::TaskCounts, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(kept) => {
                    verifier.sums.find(Group::Progress, number, &[&number.to_be_bytes(), &bytes(&kept)]);
                }
            }
            Ok(())
        })?;
        if self.sums.agree(Group::Names) && self.sums.agree(Group::Progress) {
            return Ok(());
        }
        self.search_tasks()
    }

    fn end_of_tasks(&mut self, run: &Run) {
        if run.counted != Progress::default() {
            let number = run.number;
            self.sums.expect(Group::Progress, number, &[&number.to_be_bytes(), &bytes(&run.counted)]);
        }
    }

    fn is_task_in_question(&self, number: RowId) -> bool {
        !self.waiting.execution(number)
            && (self.sums.differ(Group::Names, number) || self.sums.differ(Group::Progress, number))
    }

    /// Which tasks, names and sums do not fit together.
    fn search_tasks(&mut self) -> Result<(), StorageError> {
        let number_of = |key: &[u8]| RowId(key.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes));
        // How many names each execution has, less the tasks that have them.
        let mut unused: HashMap<RowId, i64> = HashMap::new();
        self.again::<table::TaskNames>(|verifier, key, value| {
            let number = number_of(key);
            if verifier.is_task_in_question(number) && decode::<table::TaskNames>(key, value).is_ok() {
                *unused.entry(number).or_default() += 1;
            }
            Ok(())
        })?;
        let mut counted: HashMap<RowId, Progress> = HashMap::new();
        self.again::<table::Tasks>(|verifier, key, value| {
            let (number, place) = place_of(key);
            if !verifier.is_task_in_question(number) {
                return Ok(());
            }
            let Ok(task) = decode::<table::Tasks>(key, value) else { return Ok(()) };
            let counted = counted.entry(number).or_default();
            *counted.slot(task.state) += 1;
            let expected = counted.total();
            let named = verifier.tables.task_place(number, &task.name);
            if place != expected || verifier.row(Tag::TaskNames, named)?.flatten() != Some(place) {
                let what = format!("key {}: place or name are not its own", hex(key));
                verifier.problem(Tag::Tasks, what);
            }
            *unused.entry(number).or_default() -= 1;
            Ok(())
        })?;
        for (number, unused) in unused.into_iter().filter(|(_, unused)| *unused != 0) {
            let what = format!("execution number {number}: {unused} more names than tasks");
            self.problem(Tag::TaskNames, what);
        }
        self.again::<table::TaskCounts>(|verifier, key, value| {
            let number = number_of(key);
            if verifier.is_task_in_question(number)
                && let Ok(kept) = decode::<table::TaskCounts>(key, value)
                && counted.remove(&number) != Some(kept)
            {
                verifier.problem(Tag::TaskCounts, format!("key {}: its sums are wrong", hex(key)));
            }
            Ok(())
        })?;
        for number in counted.into_keys() {
            self.problem(Tag::TaskCounts, format!("execution number {number}: it has no row"));
        }
        Ok(())
    }
}

fn bytes(progress: &Progress) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, state) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(TaskState::ALL) {
        *place = progress.of(state).to_be_bytes();
    }
    bytes
}
