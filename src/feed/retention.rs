//! The trimming that keeps the change log within its retention.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::core::Engine;
use crate::model::error::{Error, ReadError};
use crate::model::id::ChangeSeq;
use crate::model::retention::LogRetention;
use crate::read::View;
use crate::readable::Readable;
use crate::txn::pace::Pace;
use crate::txn::removal::{sweep, waiting};
use crate::txn::{ReadTxn, WriteTxn};

/// The most entries that one transaction trims, and whose age is looked at for that.
const STEP: u64 = 1_000;

/// What [`Store::maintain`](crate::Store::maintain) did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MaintenanceReport {
    /// How many entries of the change log were trimmed.
    #[serde(with = "crate::model::json::count")]
    pub trimmed: u64,
    /// The oldest entry that is kept; one beyond the head if none is.
    pub oldest: ChangeSeq,
    /// The checkpoint that kept more from being trimmed, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
    /// The oldest entry that is kept and whose time is ahead of the clock, if one was met. Such entries are as old as those before
    /// them, and go with those after them. If the clock is wrong and not they, nothing else is trimmed by age until it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_of_clock: Option<ChangeSeq>,
    /// Deletions whose rows are not all gone yet. Not 0 only if it was stopped in between, or if rows are damaged.
    #[serde(with = "crate::model::json::count")]
    pub waiting: u64,
}

/// Trims to the bounds and removes what was deleted, in as many transactions as it takes, unless it is stopped in between.
pub(crate) fn maintain(engine: &Arc<Engine>, stopped: impl Fn() -> bool) -> Result<MaintenanceReport, Error> {
    let (mut trimmed, mut pace) = (0, Pace::new());
    loop {
        let plan = plan(&ReadTxn::new(engine.clone())?, engine.retention)?;
        if plan.end <= plan.trimmed || stopped() {
            sweep(engine, &stopped)?;
            let (oldest, waiting) = (ChangeSeq(plan.trimmed + 1), waiting(engine)?);
            return Ok(MaintenanceReport {
                trimmed,
                oldest,
                held_by: plan.held_by,
                ahead_of_clock: plan.ahead.map(ChangeSeq),
                waiting,
            });
        }
        let txn = WriteTxn::new(engine.clone(), "the trimming of the change log")?;
        {
            let mut writer = txn.writer()?;
            // A consumer may have registered since.
            let (hold, _) = hold(&writer, engine.retention)?;
            trimmed += writer.forget_changes(plan.end.min(plan.trimmed + STEP).min(hold))?;
        }
        txn.commit()?;
        pace.durable_step(engine)?;
    }
}

pub(crate) struct Plan {
    pub(crate) trimmed: u64,
    /// The last entry that is to go.
    end: u64,
    pub(crate) held_by: Option<String>,
    /// The first entry that stays and is ahead of the clock.
    pub(crate) ahead: Option<u64>,
}

pub(crate) fn plan(reader: &ReadTxn, keep: LogRetention) -> Result<Plan, ReadError> {
    let totals = reader.totals()?;
    let (mut end, mut ahead) = (totals.trimmed, None);
    if let Some(count) = keep.max_count {
        end = end.max(totals.head.saturating_sub(count));
    }
    if let Some(age) = keep.max_age {
        let now = reader.settings().clock.now();
        let youngest = now.as_nanos().saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX));
        let from = end + 1;
        for change in reader.log().range(ChangeSeq(from)..)? {
            match change {
                Ok(change) => match change.written_at(now) {
                    Some(time) if time.as_nanos() < youngest => (end, ahead) = (change.seq().0, None),
                    Some(_) => break,
                    // Its time cannot be right: it is as old as those after it.
                    None if change.time() > now => ahead = ahead.or(Some(change.seq().0)),
                    None => {}
                },
                // What cannot be read is as old as what came before it.
                Err(ReadError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
            if end >= from + STEP {
                break;
            }
        }
    }
    let (hold, held_by) = hold(reader, keep)?;
    let held_by = held_by.filter(|_| hold < end);
    Ok(Plan { trimmed: totals.trimmed, end: end.min(hold), held_by, ahead })
}

/// The last entry that no checkpoint needs any more, and the checkpoint that says so.
fn hold(view: &impl View, keep: LogRetention) -> Result<(u64, Option<String>), ReadError> {
    let head = view.totals()?.head;
    let mut hold = (u64::MAX, None);
    for (name, seq) in view.log().checkpoints()? {
        let left_behind = keep.max_lag.is_some_and(|lag| head - seq.0.min(head) > lag);
        if !left_behind && seq.0 < hold.0 {
            hold = (seq.0, Some(name));
        }
    }
    Ok(hold)
}
