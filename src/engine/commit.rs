//! How a write transaction becomes durable: through the journal where that is possible, else through redb.

use std::sync::atomic::Ordering;

use redb::{Durability, WriteTransaction};

use crate::engine::applied::{Applied, Record};
use crate::engine::core::Engine;
use crate::engine::sync_line::{Place, Told};
use crate::model::error::{CommitError, StorageError};
use crate::storage::write_set::WriteSet;
use crate::storage::{Live, Pending, Tables, catch_panics, finish, roll_back};

/// Bytes of redo after which a checkpoint is worth two commits more.
const HELD_BACK: usize = 1 << 20;

/// Commits, with the turn. Gives where to wait until it is durable, without the turn; `None` if there is nothing to wait for.
/// `durable`: the caller waits for that.
pub(crate) fn commit(
    engine: &Engine,
    mut applied: Applied,
    mut redo: WriteSet,
    durable: bool,
) -> Result<Option<Place>, CommitError> {
    let mut pending = redo.pending.take();
    if let Some(reason) = redo.failed {
        // An operation was half done when the storage failed.
        engine.poison(&reason);
        return refuse(engine, applied, engine.poisoned());
    }
    if redo.has_open_writer() {
        engine.leak(applied);
        return Err(CommitError::RolledBack(StorageError::Busy));
    }
    if redo.is_empty() {
        engine.take_back(applied, redo.wrote());
        return Ok(None);
    }
    let space = engine.settings.space.as_ref();
    if redo.grows
        && let Err(full) = space.map_or(Ok(()), |space| space.to_commit())
    {
        // What it wrote is in memory in part. Rolled back, it leaves nothing, and the store goes on.
        return refuse(engine, applied, full);
    }
    // The caller's own writes alone raise no version: nobody is told of any.
    let (from, to) = redo.versions.unwrap_or((0, 0));
    let told = Told {
        entries: redo.heads,
        versions: (from, to),
        touched: std::mem::take(&mut redo.touched).settled(),
    };
    let Some(mut journal) = engine.journal() else {
        if let Err(full) = space.map_or(Ok(()), |space| space.to_flush(redo.pages())) {
            return refuse(engine, applied, full);
        }
        engine.recent.forget_snapshot();
        let commits = engine.redb_commits();
        let result = plain(applied.txn, durable);
        commits.ended(result.is_ok());
        return settle(engine, told, redo.freed, result);
    };
    let Some(journaling) = &mut *journal else {
        drop(journal);
        return refuse(engine, applied, StorageError::Closed);
    };
    if !redo.caller_wrote && !redo.overflowed && journaling.takes(from, &redo.body) {
        // What redb has some rows of, it has all rows of.
        if redo.wrote_to_redb
            && let Err(error) = give_rest(engine, &applied, &mut redo, pending.take())
        {
            drop(journal);
            return refuse(engine, applied, error);
        }
        let synced = journaling.journal().synced();
        if let Err(error) = journaling.journal().push(from, to, &redo.body, !durable) {
            drop(journal);
            // Where the disk has no room even for what was written once, as on one that copies on write: nothing was synced.
            if !matches!(error, StorageError::OutOfSpace { .. }) {
                engine.poison(&error);
            }
            return refuse(engine, applied, error);
        }
        engine.held_back.fetch_add(redo.body.len(), Ordering::Relaxed);
        engine.freed.fetch_add(redo.freed as u64, Ordering::Relaxed);
        match pending {
            Some(rows) => engine.recent.push(to, rows.into_layer(), || engine.line.needed(), synced),
            None => {
                engine.recent.hide(to);
                applied.records.push(Record { to, body: redo.body });
            }
        }
        engine.keep_applied(applied);
        // Before the journal is let go of: a sync that covers it tells of it.
        let place = engine.line.enter(told, !durable, |told| engine.tell(told));
        drop(journal);
        if !engine.defers() {
            // The caller may want to write by itself, or read what redb shows.
            engine.publish_all().map_err(CommitError::Unknown)?;
        }
        return Ok(place);
    }
    let has_begun = journaling.has_begun();
    drop(journal);
    // Before the room is asked for: redb lengthens the file for it.
    if let Err(error) = give_rest(engine, &applied, &mut redo, pending) {
        return refuse(engine, applied, error);
    }
    checkpoint(engine, applied, &redo, has_begun, told)
}

/// Gives redb the rows of a transaction that are pending, and of those before it.
fn give_rest(
    engine: &Engine,
    applied: &Applied,
    redo: &mut WriteSet,
    pending: Option<Box<Pending>>,
) -> Result<(), StorageError> {
    if let Some(rows) = pending {
        redo.freed += rows.flush(&applied.txn, &engine.grounds.process)?;
    }
    Ok(())
}

/// Commits through redb, durably, with whatever was applied before. Unless a round `has_begun`, it is the first commit of all.
fn checkpoint(
    engine: &Engine,
    applied: Applied,
    redo: &WriteSet,
    has_begun: bool,
    told: Told,
) -> Result<Option<Place>, CommitError> {
    let (space, pages) = (engine.settings.space.as_ref(), redo.pages());
    let has_room = || space.map_or(Ok(()), |space| space.to_flush(pages));
    // The first one is redb's own, like any without a journal.
    let place = match has_begun {
        true => space.map_or(Ok(()), |space| space.to_checkpoint(pages)),
        false => has_room(),
    };
    let lengthen = redo.grows && space.is_some_and(|space| space.is_unknown());
    let place = match place {
        Ok(()) if lengthen => lengthened(engine, &applied).and_then(|()| has_room()),
        place => place,
    };
    if let Err(full) = place {
        return refuse(engine, applied, full);
    }
    // What is being synced belongs to the round that ends here.
    engine.line.hold();
    if let Err(stopped) = engine.check_sound() {
        // It failed: what it took along must not become durable now.
        engine.line.led(Err(stopped.clone()), drop);
        return refuse(engine, applied, stopped);
    }
    let commits = engine.redb_commits();
    let result = match engine.journal().as_deref_mut() {
        Some(Some(journaling)) => journaling.checkpoint(applied.txn),
        _ => {
            roll_back(applied.txn);
            Err(CommitError::RolledBack(StorageError::Closed))
        }
    };
    commits.ended(result.is_ok());
    let held_back = result.is_ok().then(|| engine.held_back.swap(0, Ordering::Relaxed));
    if held_back.is_some_and(|bytes| bytes > HELD_BACK) && has_room().is_ok() {
        free_pages(engine);
    }
    settle(engine, told, redo.freed, result)
}

fn lengthened(engine: &Engine, applied: &Applied) -> Result<(), StorageError> {
    Tables::new(Live(&applied.txn, engine.grounds.process.clone())).lengthen()
}

/// A commit of redb's has ended, and with it whatever was applied before.
fn settle(
    engine: &Engine,
    told: Told,
    freed: usize,
    result: Result<(), CommitError>,
) -> Result<Option<Place>, CommitError> {
    match result.map_err(not_refused) {
        Ok(()) => {
            engine.freed.fetch_add(freed as u64, Ordering::Relaxed);
            let _ = engine.line.enter(told, false, drop);
            engine.line.all_durable(|told| engine.tell(told));
            Ok(None)
        }
        Err(error) => {
            let (CommitError::RolledBack(reason) | CommitError::Unknown(reason)) = &error;
            engine.poison(reason);
            engine.line.led(Err(engine.poisoned()), drop);
            Err(error)
        }
    }
}

/// Ends a transaction of which nothing is to stay.
fn refuse(engine: &Engine, applied: Applied, reason: StorageError) -> Result<Option<Place>, CommitError> {
    engine.take_back(applied, true);
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
