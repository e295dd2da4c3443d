//! How what was applied becomes durable, and then visible: see "Applied, durable, visible" in `docs/architecture.md`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use redb::{Durability, WriteTransaction};

use crate::engine::applied::Applied;
use crate::engine::core::Engine;
use crate::engine::sync_line::{Next, Place, Told};
use crate::model::error::{BeginError, CommitError, StorageError};
use crate::storage::{Snapshot, Tables, catch_panics};

impl Engine {
    /// What a reader must see, at least.
    pub(crate) fn snapshot(&self) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        if !self.line.is_visible() {
            self.publish_for_reader()?;
        }
        self.committed()
    }

    /// The same without waiting for a writer: then as much of it as redb has committed.
    pub(crate) fn snapshot_now(&self) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        if !self.line.is_visible()
            && let Some(turn) = self.write_lock.try_enter("a reader")
        {
            // To publish what is not durable would be to wait for the disk.
            if !self.line.is_awaited() {
                self.publish()?;
            }
            drop(turn);
            self.call_owed();
        }
        self.committed()
    }

    fn publish_for_reader(&self) -> Result<(), StorageError> {
        let posts = &self.write_lock.posts;
        if posts.turn.is_mine() {
            return Err(StorageError::ReadWithin);
        }
        let one = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.line.is_visible() {
            return Ok(());
        }
        // Whoever is to hold the turn for long publishes first, and has those who wait for it look again.
        let looked = || {
            self.check_open()?;
            if self.line.is_visible() { Err(StorageError::Busy) } else { Ok(()) }
        };
        let turn = match self.write_lock.enter_first("a reader", looked) {
            Ok(turn) => turn,
            Err(_) if self.line.is_visible() => return self.check_open(),
            Err(error) => return Err(blocked(error)),
        };
        let published = self.publish();
        drop(turn);
        drop(one);
        self.call_owed();
        published
    }

    /// Has redb commit what was applied, once it is durable; with the turn.
    pub(crate) fn publish(&self) -> Result<(), StorageError> {
        self.fall()?;
        let Some(applied) = self.take_applied() else {
            // After an error, what was acknowledged may be in the journal alone.
            return if self.line.is_visible() { Ok(()) } else { Err(self.poisoned()) };
        };
        let Some(version) = applied.records.reached() else {
            self.keep_applied(applied);
            return Ok(());
        };
        loop {
            match self.line.wait(self.line.last()) {
                Next::Durable => break,
                Next::Lead => self.sync(),
                Next::Fall => {
                    self.keep_applied(applied);
                    self.fall()?;
                    return self.publish();
                }
                Next::Failed(CommitError::Unknown(reason) | CommitError::RolledBack(reason)) => {
                    return self.show_solid(applied, reason);
                }
            }
        }
        self.show(applied, version)
    }

    /// Gives redb the rows that it lacks. If that fails the transaction ends, and the store takes no more writes.
    pub(crate) fn flushed(&self, mut applied: Applied) -> Result<Applied, StorageError> {
        match applied.flush(&self.grounds.process) {
            Ok(freed) => {
                self.freed.fetch_add(freed as u64, Ordering::Relaxed);
                Ok(applied)
            }
            Err(error) => {
                applied.roll_back();
                self.poison(&error);
                Err(error)
            }
        }
    }

    fn show(&self, applied: Applied, version: u64) -> Result<(), StorageError> {
        self.forget_snapshot();
        let shown = self.flushed(applied).and_then(|applied| show(applied.txn));
        // A reader may have taken one meanwhile; nobody gets it who must see more.
        self.forget_snapshot();
        match &shown {
            Ok(()) => self.line.published(version),
            Err(reason) => self.poison(reason),
        }
        shown
    }

    /// After a sync that failed: what was acknowledged is shown, and nothing else. If that cannot be done, `reason` is why.
    fn show_solid(&self, applied: Applied, reason: StorageError) -> Result<(), StorageError> {
        let solid = self.line.solid();
        let applied = self.again(applied, solid).map_err(|_| reason)?;
        match applied.records.reached() {
            Some(version) => self.show(applied, version),
            None => {
                applied.roll_back();
                Ok(())
            }
        }
    }

    /// Takes back whatever was applied beyond a version: what came before is applied again.
    fn again(&self, applied: Applied, version: u64) -> Result<Applied, StorageError> {
        let Applied { txn, mut records, pending: _ } = applied;
        crate::storage::roll_back(txn);
        records.truncate(version);
        let txn = catch_panics(|| self.db.begin_write())?;
        match records.redo(&txn, &self.grounds.process) {
            Ok(()) => Ok(Applied { txn, records, pending: None }),
            Err(error) => {
                crate::storage::roll_back(txn);
                Err(error)
            }
        }
    }

    /// Rolls back what is not durable, if the journal had no room for it; with the turn.
    pub(crate) fn fall(&self) -> Result<(), StorageError> {
        let Some(reason) = self.line.falling() else { return Ok(()) };
        if let Some(applied) = self.take_applied() {
            let kept = self.again(applied, self.line.solid()).inspect_err(|error| self.poison(error))?;
            self.keep_applied(kept);
        }
        self.line.fallen(reason);
        Ok(())
    }

    /// Ends a transaction of which nothing is to stay, of those in redb's; with the turn. `wrote`: it may have written something.
    pub(crate) fn take_back(&self, mut applied: Applied, wrote: bool) {
        if let Some(pending) = &mut applied.pending {
            pending.roll_back();
        }
        if !wrote && self.defers() {
            return self.keep_applied(applied);
        }
        if applied.records.is_empty() {
            return applied.roll_back();
        }
        match self.again(applied, u64::MAX) {
            Ok(applied) => {
                self.keep_applied(applied);
                // So that the next one to be taken back does not do the same again.
                let _ = self.publish();
            }
            Err(error) => self.poison(&error),
        }
    }

    /// Waits until a transaction is durable; without the turn.
    pub(crate) fn wait_durable(&self, place: Place) -> Result<(), CommitError> {
        loop {
            match self.line.wait(place) {
                Next::Durable => return Ok(()),
                Next::Failed(error) => return Err(error),
                Next::Lead => self.sync(),
                Next::Fall => {
                    let entered = self.write_lock.enter_first("a full disk", || self.check_open());
                    let fallen = entered.map_err(blocked).and_then(|_turn| self.fall());
                    if let Err(error) = fallen {
                        self.poison(&error);
                        return Err(CommitError::Unknown(error));
                    }
                }
            }
        }
    }

    /// Syncs what the journal took in, for all that wait.
    fn sync(&self) {
        let flush = match self.journal().as_deref_mut() {
            Some(Some(journaling)) => Ok(journaling.journal().flush()),
            _ => Err(StorageError::Closed),
        };
        let synced = flush.and_then(|flush| {
            // Whoever waits for a sync has something in the journal.
            let flush = flush.ok_or_else(|| self.poisoned())?;
            let written = flush.run();
            match self.journal().as_deref_mut() {
                Some(Some(journaling)) => journaling.journal().flushed(flush, written),
                _ => Err(StorageError::Closed),
            }
        });
        if let Err(error) = &synced
            && !matches!(error, StorageError::OutOfSpace { .. } | StorageError::Closed)
        {
            self.poison(error);
        }
        self.line.led(synced, |told| self.tell(told));
    }

    /// Marks a transaction for those who wait for changes: they are called by `call_owed`.
    pub(crate) fn tell(&self, told: Told) {
        // Whoever began to wait for a kind since this was written is there by now, or sees it when it looks.
        let touched = || told.touched.keys(self.listening.kinds());
        let of_log = self.doorbell.mark_with(told.entries.0 + 1, told.entries.1, touched);
        let of_all = self.commits.mark_with(told.versions.0 + 1, told.versions.1, touched);
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.extend([of_log, of_all].into_iter().filter(|calls| !calls.is_empty()));
    }

    /// Calls those who were marked. A waker may write, on this very thread: so without the turn, and without any lock.
    pub(crate) fn call_owed(&self) {
        let owed = std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner));
        owed.into_iter().for_each(crate::engine::doorbell::Calls::call);
    }
}

/// A commit of redb's that waits for nothing.
fn show(mut txn: WriteTransaction) -> Result<(), StorageError> {
    catch_panics(|| txn.set_durability(Durability::None))?;
    catch_panics(|| txn.commit())
}

/// Why a reader did not get the turn.
fn blocked(error: BeginError) -> StorageError {
    match error {
        BeginError::Storage(error) => error,
        BeginError::WriterHeld { .. } => StorageError::Busy,
        BeginError::Reentrant(_) => StorageError::ReadWithin,
    }
}
