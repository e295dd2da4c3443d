//! What is done in a process of its own: this program again, with hidden arguments.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::crash;
use crate::memory;
use crate::subject::Subject;

pub const ARGUMENT: &str = "--child";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    MemoryBatch,
    MemoryGet,
    Crash,
}

impl Task {
    const ALL: [(Task, &'static str); 3] =
        [(Task::MemoryBatch, "memory-batch"), (Task::MemoryGet, "memory-get"), (Task::Crash, "crash")];
}

/// A child that does this on the store in the folder and writes its answer to its output.
pub fn command<S: Subject>(task: Task, folder: &Path, count: u64) -> Command {
    let name = Task::ALL.into_iter().find(|(is, _)| *is == task).unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([ARGUMENT, name, S::NAME]).arg(folder).arg(count.to_string()).stdout(Stdio::piped());
    command
}

/// The child's side.
pub fn run(arguments: &[String]) {
    use crate::{execstore::Execstore, fjall_bare::Fjall, redb_bare::Redb, sqlite::Sqlite};
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
