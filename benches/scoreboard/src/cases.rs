//! The cases in their order, what they count, and what is to be reached.

use crate::beside::Beside;
use crate::history::Ask;
use crate::side_data::SideData;
use crate::workload::Ids;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Single,
    /// One thread through the group commit.
    Grouped,
    /// So many threads, through the group commit where there is one.
    Threads(u64),
    /// The same, each committing on its own.
    Plain(u64),
    Batch,
    /// From commit to delivery, at this part of the samples; of a loaded store or an idle one.
    Delivery {
        part: f64,
        loaded: bool,
    },
    Get,
    Job,
    Live,
    Count,
    Counter,
    Page,
    DeepPage,
    Offset,
    Events,
    Log,
    /// A check of the whole prepared store.
    Verify,
    MemoryBatch,
    MemoryGet,
    OpenClean,
    OpenKilled,
    /// A query on a store of so many executions.
    History(Ask, u64),
    /// So many executions, deleted by their label.
    BulkDelete(u64),
    /// What lies beside the executions.
    SideData(SideData),
    /// From an append to its follower, at this part of the samples.
    Follow(f64),
    /// As `Threads`, with tamper evidence.
    TamperEvident(u64),
    /// One thread or more, whose operations come with a row of the caller's own.
    WithRow(u64),
    /// Rows are put and taken.
    Queue,
    Size,
    Allocated,
    Compacted,
    /// A get, at this part of the samples.
    GetBeside {
        beside: Beside,
        part: f64,
    },
    /// One thread that reads what it has just written.
    ReadBack,
    /// 64 threads, and so many consumers.
    Followed(u64),
    /// After single replacements of payloads, the store still open; `plain`: without a journal of its own.
    Updated {
        plain: bool,
    },
    /// After most executions were deleted and the store was closed: how many times what is left takes.
    Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    None,
    /// This many times as good as SQLite in the same run.
    Sqlite(f64),
    /// The same, and this many times as good as SQLite with a batching writer.
    Both(f64, f64),
    /// No more than this, at the full scale.
    AtMost(f64),
    /// No more than this many times our own figure in the other case.
    SideData(&'static str, f64),
}

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub unit: &'static str,
    pub higher: bool,
    pub ids: Ids,
    pub what: What,
    pub target: Target,
}

/// What no case may fall below, as a ratio to bare redb.
pub const REDB_LEAST: f64 = 0.6;

const fn rate(name: &'static str, unit: &'static str, ids: Ids, what: What, target: Target) -> Case {
    Case { name, unit, higher: true, ids, what, target }
}

const fn cost(name: &'static str, unit: &'static str, what: What, target: Target) -> Case {
    Case { name, unit, higher: false, ids: Ids::V7, what, target }
}

use Ids::{V4, V7};
use Target::{AtMost, Both, Sqlite};

/// Those that read the prepared store stand together; the one that kills it is their last.
pub const CASES: [Case; 64] = [
    rate("W1", "operations/s", V7, What::Single, Sqlite(1.15)),
    rate("W1/v4", "operations/s", V4, What::Single, Sqlite(1.15)),
    rate("W1/group", "operations/s", V7, What::Grouped, Sqlite(0.63)),
    rate("W64", "operations/s", V7, What::Threads(64), Both(7.5, 1.3)),
    rate("W64/v4", "operations/s", V4, What::Threads(64), Target::None),
    rate("W64/plain", "operations/s", V7, What::Plain(64), Sqlite(4.0)),
    rate("W256", "operations/s", V7, What::Threads(256), Both(5.5, 1.3)),
    rate("W256/v4", "operations/s", V4, What::Threads(256), Target::None),
    rate("W64/consumers/1", "operations/s", V7, What::Followed(1), Target::None),
    rate("W64/consumers/8", "operations/s", V7, What::Followed(8), Target::None),
    rate("W64/consumers/64", "operations/s", V7, What::Followed(64), Target::None),
    rate("W1/get", "operations/s", V7, What::ReadBack, Target::None),
    rate("WB", "executions/s", V7, What::Batch, Sqlite(1.3)),
    rate("WB/v4", "executions/s", V4, What::Batch, Sqlite(1.3)),
    rate("R1", "gets/s", V7, What::Get, Sqlite(1.7)),
    rate("R1/v4", "gets/s", V4, What::Get, Sqlite(1.7)),
    rate("R2", "queries/s", V7, What::Job, Sqlite(1.5)),
    rate("R3", "queries/s", V7, What::Live, Sqlite(1.1)),
    rate("R4", "queries/s", V7, What::Count, Sqlite(100.0)),
    // SQLite reading the counter that its own statements keep, for those who ask.
    rate("R4/counter", "queries/s", V7, What::Counter, Target::None),
    rate("R5/0", "pages/s", V7, What::Page, Target::None),
    rate("R5/50000", "pages/s", V7, What::DeepPage, Sqlite(1.0)),
    rate("R5/50000/offset", "pages/s", V7, What::Offset, Sqlite(50.0)),
    rate("R6", "queries/s", V7, What::Events, Sqlite(1.1)),
    rate("RT", "entries/s", V7, What::Log, Sqlite(1.5)),
    cost("G/64/p50", "us", What::GetBeside { beside: Beside::Writers(64), part: 0.5 }, Target::None),
    cost("G/64/p99", "us", What::GetBeside { beside: Beside::Writers(64), part: 0.99 }, Target::None),
    cost("G/held/p50", "us", What::GetBeside { beside: Beside::Held, part: 0.5 }, Target::None),
    cost("G/held/p99", "us", What::GetBeside { beside: Beside::Held, part: 0.99 }, Target::None),
    rate("V/verify", "executions/s", V7, What::Verify, Target::None),
    cost("D/idle/p50", "us", What::Delivery { part: 0.5, loaded: false }, Target::None),
    cost("D/idle/p99", "us", What::Delivery { part: 0.99, loaded: false }, AtMost(1_000.0)),
    cost("D/loaded/p50", "us", What::Delivery { part: 0.5, loaded: true }, Target::None),
    cost("D/loaded/p99", "us", What::Delivery { part: 0.99, loaded: true }, Target::None),
    rate("H/page", "pages/s", V7, What::History(Ask::Page, 100_000), Sqlite(1.1)),
    rate("H/page/1M", "pages/s", V7, What::History(Ask::Page, 1_000_000), Sqlite(1.1)),
    rate("H/latest", "queries/s", V7, What::History(Ask::Latest, 100_000), Sqlite(1.0)),
    rate("H/latest/1M", "queries/s", V7, What::History(Ask::Latest, 1_000_000), Sqlite(1.0)),
    rate("H/count", "queries/s", V7, What::History(Ask::Count, 100_000), Sqlite(1.0)),
    rate("H/count/1M", "queries/s", V7, What::History(Ask::Count, 1_000_000), Sqlite(1.0)),
    rate("H/trace", "traces/s", V7, What::History(Ask::Trace, 100_000), Sqlite(1.0)),
    rate("H/trace/1M", "traces/s", V7, What::History(Ask::Trace, 1_000_000), Sqlite(1.0)),
    rate("H/delete", "executions/s", V7, What::BulkDelete(100_000), Sqlite(1.0)),
    rate("B/1MiB/in", "MB/s", V7, What::SideData(SideData::LargeIn), Sqlite(1.0)),
    rate("B/1MiB/out", "MB/s", V7, What::SideData(SideData::LargeOut), Sqlite(1.0)),
    rate("B/200", "operations/s", V7, What::SideData(SideData::Small), Sqlite(1.0)),
    rate("B/append", "operations/s", V7, What::SideData(SideData::Append), Sqlite(3.0)),
    rate("B/task", "operations/s", V7, What::SideData(SideData::Task), Sqlite(1.1)),
    rate("W1/row", "operations/s", V7, What::WithRow(1), Target::None),
    rate("W64/row", "operations/s", V7, What::WithRow(64), Target::None),
    rate("Q", "pairs/s", V7, What::Queue, Sqlite(3.0)),
    cost("B/follow/p50", "us", What::Follow(0.5), Target::None),
    cost("B/follow/p99", "us", What::Follow(0.99), Target::None),
    rate("W64/tamper", "operations/s", V7, What::TamperEvident(64), Target::None),
    cost("M/WB", "MiB", What::MemoryBatch, AtMost(256.0)),
    cost("M/R1", "MiB", What::MemoryGet, AtMost(256.0)),
    cost("O/clean", "ms", What::OpenClean, Target::None),
    cost("O/kill", "ms", What::OpenKilled, AtMost(5.0)),
    cost("S", "bytes/execution", What::Size, Sqlite(1.0)),
    // Without the holes of the files: what `du` says, where S is what `ls` says.
    cost("S/allocated", "bytes/execution", What::Allocated, Target::None),
    cost("S/compacted", "bytes/execution", What::Compacted, Target::None),
    cost(
        "S/updated",
        "bytes/execution",
        What::Updated { plain: false },
        Target::SideData("S/updated/plain", 1.3),
    ),
    cost("S/updated/plain", "bytes/execution", What::Updated { plain: true }, Target::None),
    cost("S/deleted", "times", What::Deleted, AtMost(1.5)),
];

/// The cases of these names: `W1` is also `W1/v4`. All of them for no name.
pub fn selected(names: &[String]) -> Result<Vec<Case>, String> {
    let is = |case: &Case, name: &str| {
        let rest = case.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(unknown) = names.iter().find(|name| !CASES.iter().any(|case| is(case, name))) {
        let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
        return Err(format!("no case {unknown}; there are {}", known.join(", ")));
    }
    let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| is(case, name));
    Ok(CASES.into_iter().filter(wanted).collect())
}
