//! Reads everything and compares it: records, index rows, counters, events, payloads and change log.

mod beside;
mod bits;
mod checks;
mod doomed;
mod events;
mod indexed;
mod indexes;
mod lasts;
mod links;
mod log;
mod namespaces;
mod nodes;
mod records;
mod seal;
mod search;
mod search_log;
mod sums;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;

pub(crate) use checks::verify;

/// How many problems a report lists; the rest are only counted.
const MAX_LISTED: usize = 1_000;

/// What is wrong in one place of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table that it was found in.
    pub table: &'static str,
    /// What is wrong, with the key or the id that it concerns.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.what)
    }
}

/// What [`Store::verify`](crate::Store::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Executions that were read.
    pub executions: u64,
    /// Events that were read.
    pub events: u64,
    /// Entries of the change log that were read.
    pub changes: u64,
    /// Payloads that were read outside their records.
    pub payloads: u64,
    /// Checkpoints that were read.
    pub checkpoints: u64,
    /// Attachments that were read.
    pub attachments: u64,
    /// Output streams that were read.
    pub outputs: u64,
    /// Nodes within executions that were read.
    pub nodes: u64,
    /// Deletions whose rows are not all gone yet: see [`Store::maintain`](crate::Store::maintain).
    pub waiting: u64,
    /// What is wrong: the first thousand problems.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    pub problem_count: u64,
}

impl Report {
    /// `true` if nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    /// Takes over what another one has, which read other tables.
    fn join(&mut self, other: Report) {
        for (sum, more) in [
            (&mut self.executions, other.executions),
            (&mut self.events, other.events),
            (&mut self.changes, other.changes),
            (&mut self.payloads, other.payloads),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.attachments, other.attachments),
            (&mut self.outputs, other.outputs),
            (&mut self.nodes, other.nodes),
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
            self.problems.push(Problem { table, what: what.into() });
        }
    }
}

impl fmt::Display for Report {
    /// One line of counts, then one for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            executions, events, changes, payloads, checkpoints, attachments, outputs, nodes, ..
        } = self;
        write!(
            f,
            "{executions} executions, {events} events, {changes} changes, {payloads} payloads, \
             {checkpoints} checkpoints, {attachments} attachments, {outputs} outputs, {nodes} nodes, {} problems",
            self.problem_count
        )?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}
