//! How what was applied becomes durable, and then visible: see "Applied, durable, visible" in `docs/architecture.md`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use redb::ReadableDatabase;

use crate::engine::applied::Applied;
use crate::engine::core::{Engine, blocked};
use crate::engine::recent::Commits;
use crate::engine::sync_line::{Next, Place, Told};
use crate::model::error::{CommitError, StorageError};
use crate::storage::{Base, Layer, Pending, Snapshot, Tables, catch_panics, commit_unsynced, roll_back};

impl Engine {
    /// What a reader must see, at least.
    pub(crate) fn snapshot(self: &Arc<Self>) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        loop {
            if let Some(seen) = self.seen(|| self.line.needed())? {
                return Ok(seen);
            }
            self.publish_for_reader()?;
        }
    }

    /// The same without waiting for a writer or the disk: it may lack what redb alone has.
    pub(crate) fn snapshot_now(self: &Arc<Self>) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        if self.recent.hides_some()
            && !self.line.is_awaited()
            && let Some(turn) = self.write_lock.try_enter("a reader")
        {
            self.publish_all()?;
            drop(turn);
            self.call_owed();
        }
        loop {
            let hidden = self.recent.before_hidden();
            let version = || hidden.map_or(self.line.needed(), |before| self.line.needed().min(before));
            if let Some(seen) = self.seen(version)? {
                return Ok(seen);
            }
        }
    }

    /// The same of what redb has committed, and so in whole pages: for who looks at those.
    pub(crate) fn snapshot_of_redb(self: &Arc<Self>) -> Result<Arc<Tables<Snapshot>>, StorageError> {
        let seen = self.snapshot()?;
        if seen.is_whole() {
            return Ok(seen);
        }
        let turn = self.write_lock.enter_first("a reader", || self.check_open()).map_err(blocked)?;
        let published = self.publish_all();
        let seen = published.and_then(|()| self.snapshot());
        drop(turn);
        self.call_owed();
        seen
    }

    fn seen(
        self: &Arc<Self>,
        version: impl Fn() -> u64,
    ) -> Result<Option<Arc<Tables<Snapshot>>>, StorageError> {
        let Some(seen) = self.recent.snapshot(version, || !self.is_lent(), || self.begin_base())? else {
            return Ok(None);
        };
        if seen.is_new {
            self.note(&seen.tables);
        }
        if seen.is_at_rest {
            self.ask_to_flush(true);
        }
        Ok(Some(seen.tables))
    }

    /// What redb has committed, for those who read over it.
    pub(crate) fn begin_base(&self) -> Result<Arc<Base>, StorageError> {
        let txn = catch_panics(|| ReadableDatabase::begin_read(&*self.db))?;
        Ok(Base::new(txn, self.grounds.process.clone()))
    }

    fn publish_for_reader(&self) -> Result<(), StorageError> {
        let posts = &self.write_lock.posts;
        if posts.turn.is_mine() {
            return Err(StorageError::ReadWithin);
        }
        let is_shown = || !self.recent.hides(self.line.needed());
        let one = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if is_shown() {
            return Ok(());
        }
        // Whoever is to hold the turn for long publishes first, and has those who wait for it look again.
        let looked = || {
            self.check_open()?;
            if is_shown() { Err(StorageError::Busy) } else { Ok(()) }
        };
        let turn = match self.write_lock.enter_first("a reader", looked) {
            Ok(turn) => turn,
            Err(_) if is_shown() => return self.check_open(),
            Err(error) => return Err(blocked(error)),
        };
        let published = self.publish_all();
        drop(turn);
        drop(one);
        self.call_owed();
        published
    }

    /// Has redb commit whatever was applied, once it is durable; with the turn.
    pub(crate) fn publish_all(&self) -> Result<(), StorageError> {
        self.fall()?;
        if self.recent.is_empty() {
            return Ok(());
        }
        loop {
            match self.line.wait(self.line.last()) {
                Next::Durable => break,
                Next::Lead => self.sync(),
                Next::Fall => {
                    self.fall()?;
                    return self.publish_all();
                }
                Next::Failed(CommitError::Unknown(reason) | CommitError::RolledBack(reason)) => {
                    // What was acknowledged is shown, and nothing else.
                    return self.take_back_to(self.line.solid()).map_err(|_| reason);
                }
            }
        }
        let applied = match self.recent.hides_some() {
            // After an error, what was acknowledged may be in the journal alone.
            true => self.take_applied().ok_or_else(|| self.poisoned())?,
            false => self.begin_write().map_err(blocked)?,
        };
        self.show(self.given(applied, self.recent.lacking())?, u64::MAX)
    }

    /// redb's transaction, for one that has begun without it, and the layers that it lacks by now: it may have been given some since.
    pub(crate) fn begin_late(&self) -> Result<(Applied, Vec<Arc<Layer>>), StorageError> {
        let applied = self.begin_write().map_err(blocked)?;
        Ok((applied, self.recent.all()))
    }

    /// Gives redb rows of layers. If that fails the transaction ends, and the store takes no more writes.
    pub(crate) fn given(&self, applied: Applied, layers: Vec<Arc<Layer>>) -> Result<Applied, StorageError> {
        match Pending::after(layers).flush(&applied.txn, &self.grounds.process) {
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

    /// redb's commit, which waits for nothing, of all up to a version.
    pub(super) fn show(&self, applied: Applied, version: u64) -> Result<(), StorageError> {
        let commits = self.redb_commits();
        match commit_unsynced(applied.txn) {
            Ok(()) => {
                commits.up_to(version);
                Ok(())
            }
            Err(reason) => {
                self.poison(&reason);
                Err(reason)
            }
        }
    }

    /// Before any commit of redb's.
    pub(crate) fn redb_commits(&self) -> Commits<'_, impl Fn() -> Option<Arc<Base>>, impl Fn() -> bool> {
        self.recent.commits(|| self.begin_base().ok(), || !self.is_lent())
    }

    /// Takes back whatever was applied beyond a version, up to which everything is acknowledged; with the turn.
    fn take_back_to(&self, version: u64) -> Result<(), StorageError> {
        self.recent.truncate(version);
        let Some(mut applied) = self.take_applied() else { return Ok(()) };
        if applied.records.is_empty() {
            // redb has nothing of them.
            applied.roll_back();
            return Ok(());
        }
        applied.records.truncate(version);
        let again = self.again(applied)?;
        self.show(again, version)
    }

    /// What redb was given and is to keep, in another transaction of redb's: what came before and was pending, then the records.
    fn again(&self, applied: Applied) -> Result<Applied, StorageError> {
        let Applied { txn, records } = applied;
        roll_back(txn);
        let txn = catch_panics(|| self.db.begin_write())?;
        let applied = self.given(Applied { txn, records }, self.recent.all())?;
        match applied.records.redo(&applied.txn, &self.grounds.process) {
            Ok(()) => Ok(applied),
            Err(error) => {
                applied.roll_back();
                Err(error)
            }
        }
    }

    /// Rolls back what is not durable, if the journal had no room for it; with the turn.
    pub(crate) fn fall(&self) -> Result<(), StorageError> {
        let Some(reason) = self.line.falling() else { return Ok(()) };
        self.take_back_to(self.line.solid()).inspect_err(|error| self.poison(error))?;
        self.line.fallen(reason);
        Ok(())
    }

    /// Ends a transaction of which nothing is to stay; with the turn. `wrote`: redb may have something of it.
    pub(crate) fn take_back(&self, applied: Option<Applied>, wrote: bool) {
        let Some(applied) = applied else { return };
        if applied.records.is_empty() {
            return applied.roll_back();
        }
        if !wrote && self.defers() {
            return self.keep_applied(applied);
        }
        match self.again(applied) {
            Ok(applied) => {
                self.keep_applied(applied);
                // So that the next one to be taken back does not do the same again.
                let _ = self.publish_all();
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
    pub(super) fn sync(&self) {
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
