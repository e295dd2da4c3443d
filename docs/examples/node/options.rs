//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

pub const USAGE: &str = "\
Runs jobs as child processes and keeps everything about them in a store.

Usage: node [--jobs FILE] [--workers N] [--store PATH]

  --jobs FILE    a JSON file with the jobs; without it a built-in list of real commands
  --workers N    how many jobs run at a time, 1 to 64; 4 by default
  --store PATH   the store, made if there is none; node.redb by default
  --help         this text

The job file is a list of objects:
  {\"id\": \"a\", \"program\": \"ls\", \"args\": [\"-l\"], \"timeout_ms\": 5000, \"max_attempts\": 2}
Without args there are none; timeout_ms is 60000 and max_attempts is 1 if not given. The child finds
JOB, EXECUTION and ATTEMPT in its environment. A job whose id is in the store is not added again.
What the child writes is in the output streams stdout and stderr of its execution, also while it runs:
the first 16 KiB and the last 48 KiB of each.

Exit code: 0 if the node did its work, even if jobs failed; 1 if it could not; 2 for a wrong usage.";

pub struct Options {
    pub jobs: Option<PathBuf>,
    pub workers: usize,
    pub store: PathBuf,
}

impl Options {
    /// `None` if help was asked for.
    pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut options = Self { jobs: None, workers: 4, store: PathBuf::from("node.redb") };
        let mut args = args;
        while let Some(arg) = args.next() {
            let name = arg.to_string_lossy().into_owned();
            let mut value = || match args.next() {
                Some(value) if !value.is_empty() => Ok(value),
                _ => Err(format!("{name} needs a value")),
            };
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                "--jobs" => options.jobs = Some(value()?.into()),
                "--store" => options.store = value()?.into(),
                "--workers" => options.workers = workers(&value()?.to_string_lossy())?,
                _ => return Err(format!("there is no option {name:?}")),
            }
        }
        Ok(Some(options))
    }
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(workers @ 1..=64) => Ok(workers),
        _ => Err(format!("--workers takes a number from 1 to 64, not {text:?}")),
    }
}
