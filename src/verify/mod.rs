//! Reads everything and compares it: records, index rows, counters, events, payloads and change log.

mod bits;
mod buckets;
mod checks;
mod events;
mod indexed;
mod indexes;
mod integrity;
mod last_change_bits;
mod links;
mod log;
mod namespaces;
mod records;
mod removals;
mod search;
mod search_log;
mod side_data;
mod sums;
mod tasks;
#[cfg(test)]
mod tests;
mod waiting;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use checks::verify;

/// How many problems a report lists; the rest are only counted.
const MAX_LISTED: usize = 1_000;

/// What is wrong in one place of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyProblem {
    /// The table that it was found in.
    pub table: Cow<'static, str>,
    /// What is wrong, with the key or the id that it concerns.
    pub what: String,
}

impl fmt::Display for VerifyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.what)
    }
}

/// What [`Store::verify`](crate::Store::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Executions that were read.
    #[serde(with = "crate::model::json::count")]
    pub executions: u64,
    /// Events that were read.
    #[serde(with = "crate::model::json::count")]
    pub events: u64,
    /// Entries of the change log that were read.
    #[serde(with = "crate::model::json::count")]
    pub changes: u64,
    /// Payloads that were read outside their records.
    #[serde(with = "crate::model::json::count")]
    pub payloads: u64,
    /// Checkpoints that were read.
    #[serde(with = "crate::model::json::count")]
    pub checkpoints: u64,
    /// Attachments that were read.
    #[serde(with = "crate::model::json::count")]
    pub attachments: u64,
    /// Output streams that were read.
    #[serde(with = "crate::model::json::count")]
    pub outputs: u64,
    /// Tasks within executions that were read.
    #[serde(with = "crate::model::json::count")]
    pub tasks: u64,
    /// Buckets of the caller's own, those in others among them.
    #[serde(with = "crate::model::json::count")]
    pub buckets: u64,
    /// Rows in them that were read.
    #[serde(with = "crate::model::json::count")]
    pub bucket_rows: u64,
    /// Deletions whose rows are not all gone yet: see [`Store::maintain`](crate::Store::maintain).
    #[serde(with = "crate::model::json::count")]
    pub waiting: u64,
    /// What is wrong: the first thousand problems.
    pub problems: Vec<VerifyProblem>,
    /// How many problems there are.
    #[serde(with = "crate::model::json::count")]
    pub problem_count: u64,
}

impl VerifyReport {
    /// `true` if nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0 && self.problems.is_empty()
    }

    /// Takes over what another one has, which read other tables.
    fn join(&mut self, other: VerifyReport) {
        for (sum, more) in [
            (&mut self.executions, other.executions),
            (&mut self.events, other.events),
            (&mut self.changes, other.changes),
            (&mut self.payloads, other.payloads),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.attachments, other.attachments),
            (&mut self.outputs, other.outputs),
            (&mut self.tasks, other.tasks),
            (&mut self.buckets, other.buckets),
            (&mut self.bucket_rows, other.bucket_rows),
            (&mut self.waiting, other.waiting),
            (&mut self.problem_count, other.problem_count),
        ] {
            *sum += more;
        }
        self.problems.extend(other.problems);
        self.problems.truncate(MAX_LISTED);
    }

    fn add(&mut self, table: &'static str, what: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_LISTED {
            self.problems.push(VerifyProblem { table: table.into(), what: what.into() });
        }
    }
}

impl fmt::Display for VerifyReport {
    /// One line of counts, then one for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VerifyReport {
            executions,
            events,
            changes,
            payloads,
            checkpoints,
            attachments,
            outputs,
            tasks,
            ..
        } = self;
        write!(
            f,
            "{executions} executions, {events} events, {changes} changes, {payloads} payloads, \
             {checkpoints} checkpoints, {attachments} attachments, {outputs} outputs, {tasks} tasks, {} problems",
            self.problem_count
        )?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}
