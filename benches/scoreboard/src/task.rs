//! What a child process does, and how it is started.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::subject::Subject;

pub const ARGUMENT: &str = "--child";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    MemoryBatch,
    MemoryGet,
    Crash,
}

impl Task {
    pub const ALL: [(Task, &'static str); 3] =
        [(Task::MemoryBatch, "memory-batch"), (Task::MemoryGet, "memory-get"), (Task::Crash, "crash")];
}

/// A child that does this on the store in the folder and writes its answer to its output.
pub fn command<S: Subject>(task: Task, folder: &Path, count: u64) -> Command {
    let name = Task::ALL.into_iter().find(|(is, _)| *is == task).unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([ARGUMENT, name, S::NAME]).arg(folder).arg(count.to_string()).stdout(Stdio::piped());
    command
}
