//! Finds the files, and tells by its content what kind each one is.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::history::{Members, split};

/// The kinds that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Temporal,
    Cadence,
    WfFormat,
    Strings,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Temporal, Kind::Cadence, Kind::WfFormat, Kind::Strings];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Temporal => "temporal",
            Kind::Cadence => "cadence",
            Kind::WfFormat => "wfformat",
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
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let has = |words: [&str; 3]| words.iter().all(|word| text.contains(&format!("\"{word}\"")));
    let Ok((events, others)) = split(text) else {
        let known = [
            (Kind::Temporal, ["eventId", "eventType", "eventTime"]),
            (Kind::Cadence, ["eventId", "eventType", "timestamp"]),
            (Kind::WfFormat, ["schemaVersion", "workflow", "specification"]),
        ];
        return known.into_iter().find(|(_, words)| has(*words)).map(|(kind, _)| kind);
    };
    if others.contains_key("schemaVersion") && others.contains_key("workflow") {
        return Some(Kind::WfFormat);
    }
    let event: Members<'_> = serde_json::from_str(events.first()?.get()).ok()?;
    let has = |key| event.contains_key(key);
    match has("eventId") && has("eventType") {
        true if has("timestamp") && !has("eventTime") => Some(Kind::Cadence),
        true => Some(Kind::Temporal),
        false => None,
    }
}
