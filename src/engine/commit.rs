//! How a write transaction becomes durable: through the journal where that is possible, else through redb.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Durability, WriteTransaction};

use crate::engine::applied::{Applied, Record};
use crate::engine::core::Engine;
use crate::engine::journaling::Journaling;
use crate::engine::sync_line::{Place, Told};
use crate::model::error::{CommitError, StorageError};
use crate::storage::write_set::WriteSet;
use crate::storage::{Pending, catch_panics, finish, roll_back};

/// Commits, with the turn. Gives where to wait until it is durable, without the turn; `None` if there is nothing to wait for.
/// `durable`: the caller waits for that.
pub(crate) fn commit(
    engine: &Arc<Engine>,
    mut applied: Option<Applied>,
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
        if let Some(applied) = applied {
            engine.leak(applied);
        }
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
        let applied = match begun(engine, applied, &mut pending) {
            Ok(applied) => applied,
            Err(reason) => return refuse(engine, None, reason),
        };
        engine.recent.forget_snapshot();
        let commits = engine.redb_commits();
        let result = plain(applied.txn, durable);
        commits.ended(result.is_ok());
        return settle(engine, told, redo.freed, result);
    };
    let suits = !redo.caller_wrote && !redo.overflowed;
    let has_to_wait = |journaling: &Journaling| {
        !journaling.takes(from, &redo.body) && journaling.will_take(from, &redo.body)
    };
    if suits && applied.is_none() && journal.as_ref().is_some_and(has_to_wait) {
        // The half that it would go to is being taken over into the image.
        drop(journal);
        engine.wait_flushed();
        match engine.journal() {
            Some(again) => journal = again,
            None => return refuse(engine, applied, StorageError::Closed),
        }
    }
    let Some(journaling) = &mut *journal else {
        drop(journal);
        return refuse(engine, applied, StorageError::Closed);
    };
    if suits && journaling.takes(from, &redo.body) {
        // What redb has some rows of, it has all rows of.
        let given = match &applied {
            Some(applied) if redo.wrote_to_redb => give_rest(engine, applied, &mut redo, pending.take()),
            _ => Ok(()),
        };
        if let Err(error) = given {
            drop(journal);
            return refuse(engine, applied, error);
        }
        let (synced, waited) = (journaling.journal().synced(), journaling.waits_for());
        if let Err(error) = journaling.journal().push(from, to, &redo.body, !durable) {
            drop(journal);
            // Where the disk has no room even for what was written once, as on one that copies on write: nothing was synced.
            if !matches!(error, StorageError::OutOfSpace { .. }) {
                engine.poison(&error);
            }
            return refuse(engine, applied, error);
        }
        let turned_over = waited.is_none() && journaling.waits_for().is_some();
        engine.held_back.fetch_add(redo.body.len(), Ordering::Relaxed);
        engine.freed.fetch_add(redo.freed as u64, Ordering::Relaxed);
        if let Some(rows) = pending {
            engine.recent.push(to, rows.into_layer(), || engine.line.needed(), synced);
        } else if let Some(applied) = &mut applied {
            engine.recent.hide(to);
            applied.records.push(Record { to, body: redo.body });
        }
        match applied {
            Some(applied) if !applied.records.is_empty() => engine.keep_applied(applied),
            // redb has nothing of it.
            Some(applied) => applied.roll_back(),
            None => {}
        }
        // Before the journal is let go of: a sync that covers it tells of it.
        let place = engine.line.enter(told, !durable, |told| engine.tell(told));
        drop(journal);
        if !engine.defers() {
            // The caller may want to write by itself, or read what redb shows.
            engine.publish_all().map_err(CommitError::Unknown)?;
        } else if turned_over {
            engine.ask_to_flush(false);
        }
        return Ok(place);
    }
    let has_begun = journaling.has_begun();
    drop(journal);
    let applied = match begun(engine, applied, &mut pending) {
        Ok(applied) => applied,
        Err(reason) => return refuse(engine, None, reason),
    };
    // Before the room is asked for: redb lengthens the file for it.
    if let Err(error) = give_rest(engine, &applied, &mut redo, pending) {
        return refuse(engine, Some(applied), error);
    }
    checkpoint(engine, applied, &redo, has_begun, told)
}

/// redb's transaction, which begins here if it was not needed before.
fn begun(
    engine: &Engine,
    applied: Option<Applied>,
    pending: &mut Option<Box<Pending>>,
) -> Result<Applied, StorageError> {
    if let Some(applied) = applied {
        return Ok(applied);
    }
    let (applied, layers) = engine.begin_late()?;
    if let Some(pending) = pending {
        pending.go_on_from(layers);
    }
    Ok(applied)
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
        Ok(()) if lengthen => engine.lengthen(&applied).and_then(|()| has_room()),
        place => place,
    };
    if let Err(full) = place {
        return refuse(engine, Some(applied), full);
    }
    // What is being synced belongs to the round that ends here.
    engine.line.hold();
    if let Err(stopped) = engine.check_sound() {
        // It failed: what it took along must not become durable now.
        engine.line.led(Err(stopped.clone()), drop);
        return refuse(engine, Some(applied), stopped);
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
    if result.is_ok() && engine.is_much_held_back() && has_room().is_ok() {
        engine.free_pages();
    }
    settle(engine, told, redo.freed, result)
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
fn refuse(
    engine: &Engine,
    applied: Option<Applied>,
    reason: StorageError,
) -> Result<Option<Place>, CommitError> {
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
