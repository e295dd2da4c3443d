//! What is done in a process of its own: this program again, with hidden arguments.

use std::path::Path;

use crate::crash;
use crate::memory;
use crate::subject::Subject;
use crate::task::Task;

/// The child's side.
pub fn run(arguments: &[String]) {
    use crate::{execstore::Execstore, fjall_bare::Fjall, lmdb_bare::Lmdb, redb_bare::Redb, sqlite::Sqlite};
    let [task, subject, folder, count] = arguments else {
        panic!("{arguments:?}");
    };
    let task = Task::ALL.into_iter().find(|(_, name)| name == task).unwrap().0;
    let (folder, count) = (Path::new(folder), count.parse().unwrap());
    match subject.as_str() {
        Execstore::NAME => of::<Execstore>(task, folder, count),
        Sqlite::NAME => of::<Sqlite>(task, folder, count),
        Redb::NAME => of::<Redb>(task, folder, count),
        Fjall::NAME => of::<Fjall>(task, folder, count),
        Lmdb::NAME => of::<Lmdb>(task, folder, count),
        _ => panic!("{subject}"),
    }
}

fn of<S: Subject>(task: Task, folder: &Path, count: u64) {
    match task {
        Task::MemoryBatch => memory::batch::<S>(folder, count),
        Task::MemoryGet => memory::get::<S>(folder, count),
        Task::Crash => crash::write::<S>(folder),
    }
}
