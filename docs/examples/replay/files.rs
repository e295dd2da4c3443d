//! Finds the files, and tells by its content what kind each one is.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::history::split;
use super::members::{Members, object};

/// The kinds that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Temporal,
    Cadence,
    WfFormat,
    Rumen,
    Seqera,
    Cromwell,
    Pegasus,
    Spark,
    Strings,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Temporal,
        Kind::Cadence,
        Kind::WfFormat,
        Kind::Rumen,
        Kind::Seqera,
        Kind::Cromwell,
        Kind::Pegasus,
        Kind::Spark,
        Kind::Strings,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Temporal => "temporal",
            Kind::Cadence => "cadence",
            Kind::WfFormat => "wfformat",
            Kind::Rumen => "rumen",
            Kind::Seqera => "seqera",
            Kind::Cromwell => "cromwell",
            Kind::Pegasus => "pegasus",
            Kind::Spark => "spark",
            Kind::Strings => "strings",
        })
    }
}

/// A file that was named, or found in a folder that was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub path: PathBuf,
    pub named: bool,
}

/// The files under these paths, each once, in order; and the paths that could not be looked into.
pub fn find(paths: &[PathBuf]) -> (Vec<Found>, Vec<(PathBuf, String)>) {
    let mut seen = BTreeSet::new();
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    // Files first: one that is also in a folder counts as named.
    let (folders, files): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.is_dir());
    for path in files.into_iter().chain(folders) {
        walk(path, true, &mut seen, &mut found, &mut failed);
    }
    found.sort();
    (found, failed)
}

fn walk(
    path: &Path,
    named: bool,
    seen: &mut BTreeSet<PathBuf>,
    found: &mut Vec<Found>,
    failed: &mut Vec<(PathBuf, String)>,
) {
    let children = || -> io::Result<Option<Vec<PathBuf>>> {
        if !fs::metadata(path)?.is_dir() {
            return Ok(None);
        }
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
        entries.collect::<io::Result<Vec<_>>>().map(Some)
    };
    // What was seen already, as by a link back, is not entered again.
    let new = |seen: &mut BTreeSet<PathBuf>| seen.insert(fs::canonicalize(path).unwrap_or(path.into()));
    match children() {
        Ok(_) if !new(seen) => {}
        Ok(None) => found.push(Found { path: path.to_owned(), named }),
        Ok(Some(children)) => {
            for child in children {
                walk(&child, false, seen, found, failed);
            }
        }
        Err(error) => failed.push((path.to_owned(), error.to_string())),
    }
}

/// The kind of a file; `None` if it is none of them. A file that does not parse is recognised by the words
/// of its kind, so that it can be named as damaged.
pub fn kind_of(found: &Found, text: &str) -> Option<Kind> {
    let strings = found.path.parent().is_some_and(|folder| folder.ends_with("strings"));
    if found.path.extension().is_some_and(|end| end == "txt") && (strings || found.named) {
        return Some(Kind::Strings);
    }
    if text.starts_with("ts=") && text.contains(" event=stampede.") {
        return Some(Kind::Pegasus);
    }
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let Ok((events, others)) = split(text) else {
        let quoted = |word: &&str| text.contains(&format!("\"{word}\""));
        return WORDS.into_iter().find(|(_, words)| words.iter().all(quoted)).map(|(kind, _)| kind);
    };
    match MEMBERS.into_iter().find(|(_, members)| members.iter().all(|name| others.contains_key(*name))) {
        Some((Kind::Cromwell, _)) if is_digest(&others) => return None,
        Some((kind, _)) => return Some(kind),
        None => {}
    }
    let first: Members<'_> = serde_json::from_str(events.first()?.get()).ok()?;
    let has = |key| first.contains_key(key);
    match has("eventId") && has("eventType") {
        true if has("timestamp") && !has("eventTime") => Some(Kind::Cadence),
        true => Some(Kind::Temporal),
        false => (has("taskId") && has("hash") && has("attempt")).then_some(Kind::Seqera),
    }
}

/// The words of a file that does not parse as one document. A log and a trace of several jobs never do.
const WORDS: [(Kind, &[&str]); 8] = [
    (Kind::Spark, &["Event", "SparkListenerApplicationStart"]),
    (Kind::Temporal, &["eventId", "eventType", "eventTime"]),
    (Kind::Cadence, &["eventId", "eventType", "timestamp"]),
    (Kind::WfFormat, &["schemaVersion", "workflow", "specification"]),
    (Kind::Rumen, &["jobID", "mapTasks", "taskID"]),
    (Kind::Cromwell, &["workflowName", "calls", "executionStatus"]),
    (Kind::Seqera, &["taskId", "hash", "attempt"]),
    (Kind::Seqera, &["runName", "sessionId", "commitId"]),
];

/// The members of an object that is a document of its own.
const MEMBERS: [(Kind, &[&str]); 4] = [
    (Kind::WfFormat, &["schemaVersion", "workflow"]),
    (Kind::Rumen, &["jobID", "mapTasks"]),
    (Kind::Cromwell, &["id", "workflowName", "calls"]),
    (Kind::Seqera, &["id", "runName", "sessionId"]),
];

/// Cromwell also has a digest of its metadata: one record for each call, where there is a list of attempts else.
fn is_digest(workflow: &Members<'_>) -> bool {
    let calls: Option<Members<'_>> = workflow.get("calls").and_then(|calls| object(calls));
    calls.is_some_and(|calls| calls.values().any(|call| call.get().starts_with('{')))
}
