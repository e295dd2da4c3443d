//! Giving redb what was acknowledged, on a thread of its own, while others write and read: see "Pending rows" in
//! `docs/architecture.md`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::WriteTransaction;

use crate::engine::applied::Applied;
use crate::engine::core::Engine;
use crate::engine::journaling::name_round;
use crate::engine::sync_line::Next;
use crate::model::error::{CommitError, StorageError};
use crate::storage::write_set::SMALLEST;
use crate::storage::{Layer, Live, Tables, catch_panics, finish, roll_back};

/// Bytes of redo after which a checkpoint is worth two commits more.
const HELD_BACK: usize = 1 << 20;

impl Engine {
    /// Has redb given what was acknowledged, in the background, if a round of the journal has ended; `rows`: in any case.
    pub(crate) fn ask_to_flush(self: &Arc<Self>, rows: bool) {
        if rows {
            self.flusher.wants_rows.store(true, Ordering::Release);
        }
        let engine = self.clone();
        self.flusher.thread.ask("execstore-flush", move || {
            let _works = engine.flusher.thread.works();
            while engine.flusher.thread.goes_on() {
                // What stops the store has poisoned it; the rest comes again, in a transaction that can be told.
                let _ = engine.flush();
            }
        });
    }

    /// Has a round of the journal that has ended taken over, and waits for that; it may fail.
    pub(crate) fn wait_flushed(self: &Arc<Self>) {
        self.ask_to_flush(false);
        self.flusher.thread.wait_while(|| self.round_ended().is_some());
    }

    /// Has it taken over, and waits for nothing.
    pub(crate) fn flush_if_ended(self: &Arc<Self>) {
        if self.round_ended().is_some() {
            self.ask_to_flush(false);
        }
    }

    /// The version that a round has ended with which the image has not taken over.
    fn round_ended(&self) -> Option<u64> {
        self.journal().and_then(|journal| journal.as_ref()?.waits_for())
    }

    fn flush(&self) -> Result<(), StorageError> {
        let rows = self.flusher.wants_rows.swap(false, Ordering::AcqRel);
        let checkpoint = match self.round_ended() {
            // What could not become durable is taken back in the foreground.
            Some(version) if !self.is_acknowledged(version) => return Ok(()),
            Some(_) => true,
            None if rows => false,
            None => return Ok(()),
        };
        let _active = self.flusher.begin();
        if self.is_lent() || self.check_sound().is_err() {
            return Ok(());
        }
        let begun = catch_panics(|| Ok::<_, StorageError>(self.db.try_begin_write()))?;
        // Whoever has redb's transaction gives it all.
        let Ok(txn) = begun else { return Ok(()) };
        // From here on only this thread changes what redb has committed. The layers are held until that is noted: nothing is put to
        // them that redb was not given.
        let (version, layers) = self.recent.ready(|| self.line.needed());
        if self.recent.hides_some() || (layers.is_empty() && !checkpoint) {
            return roll_back_after(txn, Ok(()));
        }
        if !checkpoint {
            return self.flush_rows(txn, version, &layers);
        }
        self.flush_round(txn, version, &layers)?;
        drop(layers);
        if self.is_much_held_back() && self.has_room_for(&[]).is_ok() {
            self.free_pages();
        }
        Ok(())
    }

    /// Waits until a version is acknowledged, syncing if nobody does; `false` if it never will be.
    fn is_acknowledged(&self, version: u64) -> bool {
        while self.line.needed() < version {
            match self.line.wait(self.line.place(version)) {
                Next::Durable if self.line.needed() < version => return false,
                Next::Durable => break,
                Next::Lead => self.sync(),
                Next::Fall | Next::Failed(_) => return false,
            }
        }
        true
    }

    /// Has redb show rows that the journal holds.
    fn flush_rows(
        &self,
        txn: WriteTransaction,
        version: u64,
        layers: &[Arc<Layer>],
    ) -> Result<(), StorageError> {
        if let Err(full) = self.has_room_for(layers) {
            return roll_back_after(txn, Err(full));
        }
        let applied = self.given(Applied::new(txn), layers.to_vec())?;
        self.show(applied, version)
    }

    /// A durable checkpoint: the image gets what is in the round before the one that is written, and names that one.
    fn flush_round(
        &self,
        txn: WriteTransaction,
        version: u64,
        layers: &[Arc<Layer>],
    ) -> Result<(), StorageError> {
        let beginning = self.journal().and_then(|journal| journal.as_ref()?.unnamed());
        let Some(beginning) = beginning else { return roll_back_after(txn, Ok(())) };
        if let Err(error) = beginning.run() {
            // Nothing has changed.
            return roll_back_after(txn, Err(error));
        }
        let applied = self.given(Applied::new(txn), layers.to_vec())?;
        if let Err(full) = self.has_room_to_commit(&applied, layers) {
            applied.roll_back();
            return Err(full);
        }
        let mut txn = applied.txn;
        let named = name_round(
            &mut Tables::new(Live::new(&txn, self.grounds.process.clone())),
            beginning.round,
            true,
        );
        if let Err(error) = named {
            roll_back(txn);
            self.poison(&error);
            return Err(error);
        }
        txn.set_quick_repair(true);
        let commits = self.redb_commits();
        match finish(txn) {
            Ok(()) => {
                commits.up_to(version);
                if let Some(Some(journaling)) = self.journal().as_deref_mut() {
                    journaling.journal().named(beginning.round);
                }
                self.flusher.thread.nudge();
                Ok(())
            }
            Err(CommitError::RolledBack(reason) | CommitError::Unknown(reason)) => {
                commits.ended(false);
                let reason = reason.not_refused();
                self.poison(&reason);
                Err(reason)
            }
        }
    }

    /// So much was committed since the last checkpoint that it is worth two commits more. Counts anew.
    pub(super) fn is_much_held_back(&self) -> bool {
        self.held_back.swap(0, Ordering::Relaxed) > HELD_BACK
    }

    /// What was replaced since the checkpoint before is not free yet: redb keeps it through the durable commit after it, and gives it
    /// back in the next two. Without them here the file would hold a third copy of whatever is updated. They have nothing to write.
    pub(super) fn free_pages(&self) {
        for _ in 0..2 {
            // A transaction of the caller's own may have come between; then that one does it.
            let Ok(mut txn) = catch_panics(|| self.db.try_begin_write()) else { return };
            txn.set_quick_repair(true);
            if let Err(CommitError::RolledBack(reason) | CommitError::Unknown(reason)) = finish(txn) {
                // What the caller wrote is durable all the same.
                self.poison(&reason);
                return;
            }
        }
    }

    /// Asked once redb has the rows, for which it lengthens its file. Where nobody knows how much room there is, it is lengthened for
    /// what the commit allocates too.
    fn has_room_to_commit(&self, applied: &Applied, layers: &[Arc<Layer>]) -> Result<(), StorageError> {
        let Some(space) = &self.settings.space else { return Ok(()) };
        space.to_checkpoint(pages_of(layers))?;
        if space.is_unknown() {
            self.lengthen(applied)?;
            self.has_room_for(layers)?;
        }
        Ok(())
    }

    /// Has redb lengthen its file for what its commit will allocate, while that can still be refused.
    pub(super) fn lengthen(&self, applied: &Applied) -> Result<(), StorageError> {
        Tables::new(Live::new(&applied.txn, self.grounds.process.clone())).lengthen()
    }

    fn has_room_for(&self, layers: &[Arc<Layer>]) -> Result<(), StorageError> {
        let pages = pages_of(layers);
        self.settings.space.as_ref().map_or(Ok(()), |space| space.to_flush(pages))
    }
}

/// About how much redb writes for rows: they lie in pages that it copies.
fn pages_of(layers: &[Arc<Layer>]) -> u64 {
    let bytes: usize = layers.iter().map(|layer| layer.bytes()).sum();
    SMALLEST + 2 * bytes as u64
}

fn roll_back_after(txn: WriteTransaction, result: Result<(), StorageError>) -> Result<(), StorageError> {
    roll_back(txn);
    result
}
