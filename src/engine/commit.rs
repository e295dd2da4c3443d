//! How a write transaction becomes durable: through the journal where that is possible, else through redb.

use std::sync::atomic::Ordering;

use redb::{Durability, WriteTransaction};

use crate::engine::core::Engine;
use crate::model::error::{CommitError, StorageError};
use crate::storage::write_set::WriteSet;
use crate::storage::{catch_panics, finish, roll_back};

/// Bytes of redo after which a checkpoint is worth two commits more.
const HELD_BACK: usize = 1 << 20;

/// Commits. `caller_wrote`: the transaction may hold writes that the redo does not.
pub(crate) fn commit(
    engine: &Engine,
    txn: WriteTransaction,
    redo: WriteSet,
    caller_wrote: bool,
    durable: bool,
) -> Result<(), CommitError> {
    let pages = redo.pages();
    if let Some(reason) = redo.failed {
        // An operation was half done when the storage failed.
        engine.poison(&reason);
        return refuse(txn, engine.poisoned());
    }
    if redo.is_empty() && !caller_wrote {
        roll_back(txn);
        return Ok(());
    }
    let space = engine.settings.space.as_ref();
    let has_place = || space.map_or(Ok(()), |space| space.to_commit());
    let has_room = || space.map_or(Ok(()), |space| space.to_flush(pages));
    if redo.grows
        && let Err(full) = has_place()
    {
        // What it wrote is in memory in part. Rolled back, it leaves nothing, and the store goes on.
        return refuse(txn, full);
    }
    engine.forget_snapshot();
    let result = match engine.journal() {
        None => match has_room() {
            Ok(()) => plain(txn, durable),
            Err(full) => return refuse(txn, full),
        },
        Some(mut journal) => match (&mut *journal, redo.versions, caller_wrote || redo.overflowed) {
            (None, ..) => return refuse(txn, StorageError::Closed),
            (Some(journal), Some((from, to)), false) if journal.takes(from, &redo.body) => {
                match journal.append(from, to, &redo.body, !durable) {
                    Ok(()) => {
                        engine.held_back.fetch_add(redo.body.len(), Ordering::Relaxed);
                        visible_only(txn)
                    }
                    // Where the disk has no room even for what was written once, as on one that copies on write: nothing was synced.
                    Err(full @ StorageError::OutOfSpace { .. }) => return refuse(txn, full),
                    Err(error) => {
                        // The record may be whole on the disk, although the sync failed.
                        roll_back(txn);
                        Err(CommitError::Unknown(error))
                    }
                }
            }
            (Some(journal), ..) => {
                // The first commit of all is redb's own, like any without a journal.
                let place = match journal.has_begun() {
                    true => space.map_or(Ok(()), |space| space.to_checkpoint(pages)),
                    false => has_room(),
                };
                if let Err(full) = place {
                    return refuse(txn, full);
                }
                let result = journal.checkpoint(txn);
                let held_back = result.is_ok().then(|| engine.held_back.swap(0, Ordering::Relaxed));
                if held_back.is_some_and(|bytes| bytes > HELD_BACK) && has_room().is_ok() {
                    free_pages(engine);
                }
                result
            }
        },
    };
    engine.forget_snapshot();
    let result = result.map_err(not_refused);
    match &result {
        Ok(()) => drop(engine.freed.fetch_add(redo.freed as u64, Ordering::Relaxed)),
        Err(CommitError::RolledBack(reason) | CommitError::Unknown(reason)) => engine.poison(reason),
    }
    result
}

/// Ends a transaction of which nothing is to stay.
fn refuse(txn: WriteTransaction, reason: StorageError) -> Result<(), CommitError> {
    roll_back(txn);
    Err(CommitError::RolledBack(reason))
}

/// What is refused was refused above: a disk that turns out to be full only when the journal or redb commits stops the store.
fn not_refused(error: CommitError) -> CommitError {
    match error {
        CommitError::Unknown(reason) => CommitError::Unknown(reason.not_refused()),
        CommitError::RolledBack(reason) => CommitError::RolledBack(reason.not_refused()),
    }
}

fn plain(mut txn: WriteTransaction, durable: bool) -> Result<(), CommitError> {
    let durability = if durable { Durability::Immediate } else { Durability::None };
    let set = catch_panics(|| txn.set_durability(durability));
    set.map_err(CommitError::RolledBack)?;
    finish(txn)
}

/// The journal holds the transaction: redb only has to show it.
fn visible_only(mut txn: WriteTransaction) -> Result<(), CommitError> {
    catch_panics(|| txn.set_durability(Durability::None)).map_err(CommitError::Unknown)?;
    catch_panics(|| txn.commit()).map_err(CommitError::Unknown)
}

/// What was replaced since the checkpoint before is not free yet: redb keeps it through the durable commit after it, and gives it back in
/// the next two. Without them here the file would hold a third copy of whatever is updated. They have nothing to write.
fn free_pages(engine: &Engine) {
    for _ in 0..2 {
        // A transaction of the caller's own may have come between; then that one does it.
        let Ok(mut txn) = catch_panics(|| engine.db.try_begin_write()) else { return };
        txn.set_quick_repair(true);
        if let Err(CommitError::RolledBack(reason) | CommitError::Unknown(reason)) = finish(txn) {
            // What the caller wrote is durable all the same.
            engine.poison(&reason);
            return;
        }
    }
}
