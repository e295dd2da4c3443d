//! How a store is doing: what stands still, and what holds it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::core::Engine;
use crate::feed::consumer::ConsumerStats;
use crate::feed::retention::plan;
use crate::model::error::{ReadError, StorageError};
use crate::model::id::ChangeSeq;
use crate::read::View;
use crate::readable::Readable;
use crate::store::threads::Threads;
use crate::txn::ReadTxn;

/// Whether a store takes writes; see [`Store::health`](crate::Store::health).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Health {
    /// It does.
    Sound,
    /// An error stopped it from writing: every write says [`StorageError::Poisoned`], and whoever waited for changes was told.
    /// Reads of what was committed go on where they can. Drop every handle and open it again.
    Poisoned(#[serde(with = "told")] StorageError),
    /// It was closed.
    Closed,
}

impl Health {
    /// `true` if it takes writes.
    pub fn is_sound(&self) -> bool {
        matches!(self, Self::Sound)
    }
}

/// How a store is doing; made by [`Store::status`](crate::Store::status). Everything that can stand still without a word is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// Whether it takes writes.
    pub health: Health,
    /// The last entry of the change log.
    pub head: ChangeSeq,
    /// The oldest entry that is kept; one beyond the head if none is.
    pub oldest: ChangeSeq,
    /// The checkpoint that keeps entries from being trimmed which the retention would let go, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// The oldest entry that is kept and whose time is ahead of the clock, as far as the trimming by age looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_of_clock: Option<ChangeSeq>,
    /// Every checkpoint, by name: each holds the log back.
    pub checkpoints: Vec<CheckpointStatus>,
    /// How many read transactions are open.
    #[serde(with = "crate::model::json::count::size")]
    pub readers: usize,
    /// The age of the oldest state of the store that one of them reads. What was replaced since cannot be reused before it ends, and
    /// the file grows instead.
    #[serde(
        rename = "oldest_reader_ns",
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::json::nanos::optional"
    )]
    pub oldest_reader: Option<Duration>,
    /// What has the turn to write, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "turn")]
    pub writer: Option<(Cow<'static, str>, Duration)>,
    /// How many wait for their turn to write.
    #[serde(with = "crate::model::json::count::size")]
    pub writers_waiting: usize,
    /// How many closures the group commit has not begun.
    #[serde(with = "crate::model::json::count::size")]
    pub queued: usize,
    /// How many threads and futures wait for changes, output or a bucket.
    #[serde(with = "crate::model::json::count::size")]
    pub waiting: usize,
    /// How many of them were ever woken, counted from the opening. A commit wakes those alone whom it may concern.
    #[serde(with = "crate::model::json::count")]
    pub woken: u64,
    /// Deletions whose rows are not all gone yet.
    #[serde(with = "crate::model::json::count")]
    pub removals: u64,
    /// What is wrong with the maintenance, if it runs by itself and something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_error: Option<String>,
    /// The names of the bulk operations that were begun and are not through.
    pub bulks: Vec<String>,
}

/// How a checkpoint is doing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CheckpointStatus {
    /// Its name.
    pub name: String,
    /// The position that is saved.
    pub position: ChangeSeq,
    /// How many entries the log has after it.
    #[serde(with = "crate::model::json::count")]
    pub lag: u64,
    /// The consumer of this name, if it runs on this store; its `last_error` says what it stands still for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerStats>,
}

pub(crate) fn status(engine: &Arc<Engine>, threads: &Threads, health: Health) -> Result<Status, ReadError> {
    let (readers, oldest_reader) = engine.readers();
    let (taken, writers_waiting) = engine.write_lock.state();
    let (of_log, of_output) = (engine.doorbell.counts(), engine.commits.counts());
    let reader = ReadTxn::now(engine.clone())?;
    let (totals, plan) = (reader.totals()?, plan(&reader, engine.retention)?);
    let mut consumers = threads.registry.stats(totals.head);
    let checkpoints = reader.log().checkpoints()?.into_iter();
    Ok(Status {
        health,
        head: ChangeSeq(totals.head),
        oldest: ChangeSeq(totals.trimmed + 1),
        held_by: plan.held_by,
        ahead_of_clock: plan.ahead.map(ChangeSeq),
        checkpoints: checkpoints
            .map(|(name, position)| CheckpointStatus {
                lag: totals.head.saturating_sub(position.0),
                consumer: consumers.remove(&name),
                position,
                name,
            })
            .collect(),
        readers,
        oldest_reader,
        writer: taken.map(|taken| (taken.by.into(), taken.since.elapsed())),
        writers_waiting,
        queued: threads.batcher.queued(),
        waiting: of_log.0 + of_output.0,
        woken: of_log.1 + of_output.1,
        removals: totals.waiting,
        maintenance_error: threads.maintenance_error(),
        bulks: reader.tables().bulk_names()?,
    })
}

/// Who has the turn to write, in JSON.
mod turn {
    use std::borrow::Cow;
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Turn {
        by: Cow<'static, str>,
        #[serde(with = "crate::model::json::nanos")]
        held_ns: Duration,
    }

    pub(super) type Writer = Option<(Cow<'static, str>, Duration)>;

    pub(super) fn serialize<S: Serializer>(writer: &Writer, serializer: S) -> Result<S::Ok, S::Error> {
        writer.clone().map(|(by, held_ns)| Turn { by, held_ns }).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Writer, D::Error> {
        Ok(Option::<Turn>::deserialize(deserializer)?.map(|Turn { by, held_ns }| (by, held_ns)))
    }
}

/// A storage error in JSON: what it says, which is all of it that leaves its process.
mod told {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::model::error::StorageError;

    pub(super) fn serialize<S: Serializer>(error: &StorageError, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(error)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StorageError, D::Error> {
        Ok(StorageError::Told { message: String::deserialize(deserializer)? })
    }
}
