//! What a worker does on the file system that loses its power, and how what is left is looked at.

pub mod content;
mod group;
mod many;
mod pages;
mod sqlite;
mod steady;
mod steps;

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::acks::Acks;

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Commits of one thread, of every kind.
    Single,
    /// The group commit, from several threads.
    Group,
    /// Attachments and payloads that fill the journal.
    Large,
    /// The log trimmed, executions deleted, alone and in bulk.
    Trim,
    /// Closed, dropped or killed after a few commits, and opened again.
    Reopen,
    /// Stores made one after another, each with a few commits.
    Create,
    /// The power cut again while the file system and the store recover.
    Recover,
    /// A file put in its place by renaming, over another or not, then opened.
    Moved,
    /// A file copied without a sync, then opened.
    Copied,
    /// A file of the lower layer of an overlay, copied up by opening it.
    Overlay,
    /// `fsync` made a no-op: every cut has to be found bad.
    NoSync,
    /// SQLite, WAL, synchronous=FULL.
    Sqlite,
    /// The same, the file put in its place by renaming.
    SqliteMoved,
}

pub const MODES: [(&str, Mode); 13] = [
    ("single", Mode::Single),
    ("group", Mode::Group),
    ("large", Mode::Large),
    ("trim", Mode::Trim),
    ("reopen", Mode::Reopen),
    ("create", Mode::Create),
    ("recover", Mode::Recover),
    ("moved", Mode::Moved),
    ("copied", Mode::Copied),
    ("overlay", Mode::Overlay),
    ("no-sync", Mode::NoSync),
    ("sqlite", Mode::Sqlite),
    ("sqlite-moved", Mode::SqliteMoved),
];

impl Mode {
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    pub fn parse(text: &str) -> Option<Self> {
        MODES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode)
    }

    /// A control or a peer: what is found there is no fault of the store.
    pub fn is_ours(self) -> bool {
        !matches!(self, Self::NoSync | Self::Sqlite | Self::SqliteMoved)
    }

    pub fn is_sqlite(self) -> bool {
        matches!(self, Self::Sqlite | Self::SqliteMoved)
    }

    /// Works on an overlay whose upper layer is on the disk.
    pub fn is_layered(self) -> bool {
        matches!(self, Self::Overlay | Self::NoSync)
    }
}

/// One piece of work: what the worker and those who look at its remains agree on.
#[derive(Clone, Debug)]
pub struct Job {
    pub mode: Mode,
    pub journal: bool,
    pub seed: u64,
    /// Where it works.
    pub folder: PathBuf,
}

/// What was found after a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many acknowledged operations were looked for and found.
    pub checked: u64,
    /// For work that goes on after a cut: with which operation.
    pub next: u64,
    /// Files that nobody asked for.
    pub leftovers: u64,
}

/// Works until it is killed, or through.
pub fn work(job: &Job, acks: &Acks, from: u64) -> Outcome<()> {
    // In half of the rounds, as the system would after half a minute.
    if job.seed.is_multiple_of(2) && job.mode != Mode::NoSync {
        pages::write_back(job);
    }
    match job.mode {
        Mode::Single | Mode::Large | Mode::Trim | Mode::Reopen | Mode::Recover | Mode::NoSync => {
            steady::work(job, acks, from)
        }
        Mode::Group => group::work(job, acks),
        Mode::Create | Mode::Moved | Mode::Copied | Mode::Overlay => many::work(job, acks),
        Mode::Sqlite | Mode::SqliteMoved => sqlite::work(job, acks),
    }
}

/// Looks at what is left: everything acknowledged, nothing that was not begun, and nothing by halves.
pub fn check(job: &Job, acknowledged: &[u64], begun: &[u64]) -> Outcome<Found> {
    match job.mode {
        Mode::Single | Mode::Large | Mode::Trim | Mode::Reopen | Mode::Recover | Mode::NoSync => {
            steady::check(job, acknowledged[0], begun[0])
        }
        Mode::Group => group::check(job, acknowledged, begun),
        Mode::Create | Mode::Moved | Mode::Copied | Mode::Overlay => {
            many::check(job, acknowledged[0], begun[0])
        }
        Mode::Sqlite | Mode::SqliteMoved => sqlite::check(job, acknowledged[0], begun[0]),
    }
}

/// Makes what has to lie in the lower layer before the work begins.
pub fn prepare_lower(job: &Job) -> Outcome<()> {
    if job.mode == Mode::Overlay { many::prepare_lower(job) } else { Ok(()) }
}

/// How many files of a folder are none of these.
fn leftovers(folder: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<u64> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        count += u64::from(entry.file_type()?.is_file() && !entry.file_name().to_str().is_some_and(&wanted));
    }
    Ok(count)
}
