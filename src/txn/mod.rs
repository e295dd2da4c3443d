//! Transactions as values that the caller holds: drop rolls back, `commit` takes them.

pub(crate) mod pace;
pub(crate) mod removal;

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use redb::{Durability, WriteTransaction};

use crate::engine::applied::Applied;
use crate::engine::commit::commit;
use crate::engine::core::Engine;
use crate::engine::sync_line::Place;
use crate::engine::write_lock::WriteGuard;
use crate::history::{TableSize, table_sizes};
use crate::model::error::{BeginError, CommitError, Error, ReadError, StorageError, WriterError};
use crate::read::View;
use crate::storage::process::Process;
use crate::storage::settings::Settings;
use crate::storage::write_set::WriteSet;
use crate::storage::{Base, Late, Live, Pending, Snapshot, Tables};
use crate::write::Writer;

/// A read transaction: one state of the store, whatever is written meanwhile.
///
/// See [`Readable`](crate::Readable) for what it reads. It blocks nobody; but as long as it is held, the
/// file cannot reuse the space of what was replaced since it began.
pub struct ReadTxn {
    // Before `shared`: the snapshot ends before the database can be closed.
    tables: Arc<Tables<Snapshot>>,
    engine: Arc<Engine>,
}

impl ReadTxn {
    pub(crate) fn new(engine: Arc<Engine>) -> Result<Self, StorageError> {
        Self::outside(engine, Engine::snapshot)
    }

    /// One of whole pages of redb's.
    pub(crate) fn of_redb(engine: Arc<Engine>) -> Result<Self, StorageError> {
        Self::outside(engine, Engine::snapshot_of_redb)
    }

    fn outside(
        engine: Arc<Engine>,
        snapshot: impl FnOnce(&Arc<Engine>) -> Result<Arc<Tables<Snapshot>>, StorageError>,
    ) -> Result<Self, StorageError> {
        engine.check_open()?;
        if engine.check_outside().is_err() {
            // What was acknowledged before it may be in the very transaction that it writes, and cannot be shown without it.
            return Err(StorageError::ReadWithin);
        }
        let tables = snapshot(&engine)?;
        Ok(Self { tables, engine })
    }

    /// One that does not wait for a writer: it may lack what was committed while that one writes.
    pub(crate) fn now(engine: Arc<Engine>) -> Result<Self, StorageError> {
        engine.check_open()?;
        let tables = engine.snapshot_now()?;
        Ok(Self { tables, engine })
    }
}

impl ReadTxn {
    /// How many rows and bytes each table of the store has. Walks through the pages of all tables: a matter of
    /// milliseconds for each 100 MiB that are in memory.
    ///
    /// What was written last may be in memory and in no page yet. Then it is given to redb first, and the sizes are those of a
    /// newer state than this one.
    pub fn table_sizes(&self) -> Result<Vec<TableSize>, ReadError> {
        match self.tables.is_whole() {
            true => table_sizes(&self.tables),
            false => table_sizes(&*self.engine.snapshot_of_redb()?),
        }
    }
}

impl Drop for ReadTxn {
    fn drop(&mut self) {
        if self.engine.grounds.process.is_another() {
            // The parent's to end: a child that did might wait for locks that nobody in it lets go of.
            std::mem::forget(self.tables.clone());
        }
    }
}

impl View for ReadTxn {
    type Source = Snapshot;

    fn tables(&self) -> &Tables<Snapshot> {
        &self.tables
    }

    fn settings(&self) -> &Settings {
        &self.engine.settings
    }
}

/// A write transaction. There is one at a time; dropping it rolls it back, in a panic too.
///
/// It stays on the thread that began it, so that a call on that thread which would wait for its end can be refused with
/// [`BeginError::Reentrant`](crate::error::BeginError::Reentrant) instead of waiting for ever. Another thread cannot have it:
///
/// ```compile_fail,E0277
/// # let store = execstore::Store::in_memory().unwrap();
/// let txn = store.begin_write().unwrap();
/// std::thread::spawn(move || txn.commit());
/// ```
///
/// ```
/// # use execstore::{Expect, NewExecution, Readable, Store, Update};
/// use execstore::redb::TableDefinition;
/// const BILLS: TableDefinition<&str, u64> = TableDefinition::new("bills");
///
/// # let store = Store::in_memory()?;
/// # store.create(NewExecution::new("j").id("e").state("Running"))?;
/// let txn = store.begin_write()?;
/// {
///     let mut executions = txn.writer()?;
///     executions.update("e", Update::to("Completed").expect(Expect::new().state("Running")))?;
///     txn.enter_redb().open_table(BILLS)?.insert("e", 12)?;
/// }
/// txn.commit()?; // both, or neither
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WriteTxn {
    // Before the turn: the next one begins when it has ended.
    open: Open,
    durable: bool,
    turn: WriteGuard,
    // Once the turn is over.
    owed: CallOwed,
    /// Neither sent nor shared.
    here: PhantomData<*const ()>,
}

/// A transaction that has not ended: when this goes, it is rolled back.
struct Open {
    /// redb's, and what the transactions before this one did in it; `None` if it begins once it is needed.
    applied: Option<Applied>,
    late: Late,
    /// What it reads over until then.
    base: Option<Arc<Base>>,
    redo: Mutex<WriteSet>,
    engine: Arc<Engine>,
}

impl Open {
    /// redb's transaction, if it has begun.
    fn take_applied(&mut self) -> Option<Applied> {
        let late = std::mem::replace(&mut self.late, Late::never());
        self.applied.take().or_else(|| late.into_txn().map(Applied::new))
    }

    fn process(&self) -> &Process {
        &self.engine.grounds.process
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.process().is_another() {
            // A child of a fork has nothing to roll back: the transaction is the parent's.
            std::mem::forget((self.take_applied(), self.base.take()));
            return;
        }
        let redo = WriteSet::lock(&self.redo);
        if let Some(reason) = &redo.failed {
            // The storage failed in the middle of an operation: the store takes no further writes, however the transaction ends.
            self.engine.poison(reason);
        }
        let leaked = redo.has_open_writer();
        let wrote = redo.wrote();
        drop(redo);
        match self.take_applied() {
            Some(applied) if leaked => self.engine.leak(applied),
            applied => self.engine.take_back(applied, wrote),
        }
    }
}

/// Calls those who were marked while the turn was held.
struct CallOwed(Arc<Engine>);

impl Drop for CallOwed {
    fn drop(&mut self) {
        if !self.0.grounds.process.is_another() {
            self.0.call_owed();
            self.0.close_if_asked();
        }
    }
}

/// A transaction that has ended but for the disk.
#[must_use]
pub(crate) struct InFlight {
    /// Where it waits to become durable, if it must.
    place: Option<Place>,
    /// Rows of what was deleted wait to be removed.
    waits: bool,
    owed: CallOwed,
}

impl InFlight {
    /// Waits until it is durable.
    pub(crate) fn settle(self) -> Result<(), CommitError> {
        let engine = self.owed.0.clone();
        if let Some(place) = self.place {
            engine.wait_durable(place)?;
        }
        drop(self.owed);
        if self.waits {
            removal::ask(&engine);
        }
        Ok(())
    }
}

impl WriteTxn {
    /// `by` says for whom, to those who wait for too long.
    pub(crate) fn new(engine: Arc<Engine>, by: &'static str) -> Result<Self, BeginError> {
        Self::begin(engine, by, false)
    }

    /// For a handle, which may be held for long: what was applied before is visible, so that no reader waits for it.
    pub(crate) fn held(engine: Arc<Engine>, by: &'static str) -> Result<Self, BeginError> {
        Self::begin(engine, by, true)
    }

    fn begin(engine: Arc<Engine>, by: &'static str, held: bool) -> Result<Self, BeginError> {
        engine.check_sound()?;
        engine.grounds.process.check_id()?;
        engine.grounds.anchor()?;
        let owed = CallOwed(engine.clone());
        let turn = engine.write_lock.enter(by, || engine.check_sound())?;
        // Another thread may have failed while this one waited for its turn.
        engine.check_sound()?;
        engine.fall()?;
        if engine.recent.is_much() {
            engine.ask_to_flush(true);
        }
        let mut redo = WriteSet::listening(engine.listening.kinds());
        // Where redb does nothing more it says why.
        let has_failed = engine.settings.space.as_ref().is_some_and(|space| space.has_failed());
        if !(held || has_failed)
            && engine.defers()
            && let Some((base, layers)) = engine.recent.ground(|| engine.begin_base())?
        {
            redo.pending = Some(Box::new(Pending::after(layers)));
            let late = Late::new({
                let engine = engine.clone();
                move || engine.begin_late().map(|(applied, layers)| (applied.txn, layers))
            });
            let open = Open { applied: None, late, base: Some(base), redo: Mutex::new(redo), engine };
            return Ok(Self { open, durable: true, turn, owed, here: PhantomData });
        }
        let mut applied = engine.begin_write()?;
        if applied.records.are_many() || (held && engine.recent.hides_some()) {
            engine.keep_applied(applied);
            engine.publish_all()?;
            engine.write_lock.nudge();
            applied = engine.begin_write()?;
        }
        redo.pending = engine.recent.for_writer(engine.defers()).map(Pending::after).map(Box::new);
        let open =
            Open { applied: Some(applied), late: Late::never(), base: None, redo: Mutex::new(redo), engine };
        open.engine.check_sound()?;
        Ok(Self { open, durable: true, turn, owed, here: PhantomData })
    }

    /// Runs a closure of the caller's with a writer. A panic goes on once the writer and the transaction have ended.
    pub(crate) fn run<T>(self, write: impl FnOnce(&mut Writer<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let value = {
            let mut writer = self.writer()?;
            catch_unwind(AssertUnwindSafe(|| self.inside(|| write(&mut writer))))
        };
        match value {
            Ok(value) => {
                let value = value?;
                self.commit()?;
                Ok(value)
            }
            Err(panic) => {
                drop(self);
                resume_unwind(panic)
            }
        }
    }

    /// Calls what the caller writes with: until it returns nothing else happens on this thread.
    pub(crate) fn inside<T>(&self, call: impl FnOnce() -> T) -> T {
        let _inside = self.open.engine.write_lock.posts.inside.hold();
        call()
    }

    /// Opens the store's tables for writing. One writer at a time: drop it before the next, and before the
    /// commit.
    pub fn writer(&self) -> Result<Writer<'_>, WriterError> {
        let Open { engine, redo, .. } = &self.open;
        let pending = WriteSet::lock(redo).pending.take();
        let process = self.open.process().clone();
        let live = match &self.open.applied {
            Some(applied) => Live::new(&applied.txn, process),
            None => Live::late(&self.open.late, process),
        };
        let mut tables = Tables::new(live).over(self.open.base.clone()).keep_pending(pending);
        if engine.has_journal() {
            tables = tables.record_redo();
        }
        let mut writer = Writer::new(tables, &engine.settings, Some(redo))?;
        if engine.is_lent() {
            // Nobody else does it.
            writer.sweep()?;
        }
        Ok(writer)
    }

    /// Enters the redb transaction below, to read and write the caller's own tables in it.
    ///
    /// A transaction that was entered, even to read, is committed by redb itself, at the price of one of its durable
    /// commits: the store's journal does not know what the caller writes.
    pub fn enter_redb(&self) -> &WriteTransaction {
        let Some(applied) = &self.open.applied else {
            unreachable!("whoever has the handle of a transaction has one that has begun")
        };
        let process = self.open.process();
        WriteSet::enter(&self.open.redo, |pending| pending.flush(&applied.txn, process));
        &applied.txn
    }

    /// Whether `commit` waits until the transaction is durable, as it does by default.
    ///
    /// With [`Durability::None`] it returns at once, and a crash may lose the transaction, as a whole. It
    /// becomes durable with the next one that waits, never after it.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durable = !matches!(durability, Durability::None);
    }

    /// Has the commit write out whatever redb keeps in memory, of the transactions before it too.
    pub(crate) fn write_out(&mut self) {
        WriteSet::lock(&self.open.redo).caller_wrote = true;
        self.durable = true;
    }

    /// Makes everything in the transaction durable and visible, together.
    ///
    /// `Ok` means that it is on the disk. After [`CommitError::RolledBack`] none of it is there; after
    /// [`CommitError::Unknown`] all of it or none of it will be found when the store is opened again.
    pub fn commit(self) -> Result<(), CommitError> {
        self.apply()?.settle()
    }

    /// The part of it that needs the write lock. What is left is to wait for the disk.
    pub(crate) fn apply(self) -> Result<InFlight, CommitError> {
        self.open.process().check().map_err(CommitError::RolledBack)?;
        let Self { mut open, durable, turn, owed, here: _ } = self;
        let applied = open.take_applied();
        let redo = std::mem::take(&mut *WriteSet::lock(&open.redo));
        let (engine, waits) = (open.engine.clone(), redo.waits);
        let place = commit(&engine, applied, redo, durable);
        drop(open);
        drop(turn);
        Ok(InFlight { place: place?, waits, owed })
    }

    /// The storage error that left an operation half done, if one did.
    pub(crate) fn failure(&self) -> Option<StorageError> {
        WriteSet::lock(&self.open.redo).failed.clone()
    }

    /// Rolls the transaction back, as dropping it does, and reports an error in doing so.
    pub fn abort(self) -> Result<(), StorageError> {
        self.open.process().check()?;
        let engine = self.open.engine.clone();
        drop(self);
        engine.check_sound()
    }
}
