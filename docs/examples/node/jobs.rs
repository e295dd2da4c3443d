//! The job file: read, checked, and refused with the place of what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use execstore::JobId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const BUILT_IN: &str = include_str!("jobs.json");

/// The longest job id. An execution's id is the job's and the number of the attempt.
const MAX_JOB_ID: usize = 100;
/// A day.
const MAX_TIMEOUT_MS: u64 = 86_400_000;
const MAX_ATTEMPTS: usize = 100;

/// One job, as it is in the file and in the payload of its executions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub id: String,
    pub program: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default = "default_timeout")]
    pub timeout_ms: u64,
    #[serde(default = "default_attempts")]
    pub max_attempts: usize,
}

fn default_timeout() -> u64 {
    60_000
}

fn default_attempts() -> usize {
    1
}

/// The jobs of a file, or the built-in ones.
pub fn load(file: Option<&Path>) -> Result<Vec<Job>, String> {
    let Some(file) = file else {
        return parse("the built-in list", BUILT_IN);
    };
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Vec<Job>, String> {
    // The list first and each job on its own, so that an error can tell which job it is in.
    let list: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{name}, line {line}, column {column}: {}", reason(&error))
    })?;
    let mut jobs = Vec::with_capacity(list.len());
    let mut known = BTreeMap::new();
    for (index, raw) in list.iter().enumerate() {
        let begin = begin_of(raw, text);
        let at = |(line, column): (usize, usize), what: String| {
            format!("{name}, line {line}, column {column}: jobs[{index}]: {what}")
        };
        let job: Job = serde_json::from_str(raw.get())
            .map_err(|error| at(place_in(begin, error.line(), error.column()), reason(&error)))?;
        check(&job).map_err(|what| at(begin, what))?;
        if let Some(first) = known.insert(job.id.clone(), index) {
            let what = format!("field `id`: {:?} is the id of jobs[{first}] already", job.id);
            return Err(at(begin, what));
        }
        jobs.push(job);
    }
    Ok(jobs)
}

fn check(job: &Job) -> Result<(), String> {
    JobId::new(&job.id).map_err(|error| format!("field `id`: {error}"))?;
    if job.id.len() > MAX_JOB_ID {
        return Err(format!("field `id`: it has more than {MAX_JOB_ID} bytes"));
    }
    if job.program.is_empty() {
        return Err("field `program`: it is empty".to_owned());
    }
    if !(1..=MAX_TIMEOUT_MS).contains(&job.timeout_ms) {
        let found = job.timeout_ms;
        return Err(format!("field `timeout_ms`: it must be 1 to {MAX_TIMEOUT_MS}, not {found}"));
    }
    if !(1..=MAX_ATTEMPTS).contains(&job.max_attempts) {
        let found = job.max_attempts;
        return Err(format!("field `max_attempts`: it must be 1 to {MAX_ATTEMPTS}, not {found}"));
    }
    Ok(())
}

/// What serde_json says, without the place that it adds at the end.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

/// The line and column where a part of the text begins.
fn begin_of(part: &RawValue, text: &str) -> (usize, usize) {
    let offset = part.get().as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let before = text.get(..offset).unwrap_or_default();
    let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, offset - line_begin + 1)
}

/// A place within a part, as a place in the whole.
fn place_in(begin: (usize, usize), line: usize, column: usize) -> (usize, usize) {
    match line {
        0 => begin,
        1 => (begin.0, begin.1 + column.saturating_sub(1)),
        _ => (begin.0 + line - 1, column),
    }
}
