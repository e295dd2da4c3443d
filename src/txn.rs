//! Transactions as values that the caller holds: drop rolls back, `commit` takes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::{Durability, WriteTransaction};

use crate::commit::commit;
use crate::context::Context;
use crate::error::{CommitError, Error, ReadError, StorageError, WriteError};
use crate::history::{TableSize, table_sizes};
use crate::reader::sealed::View;
use crate::redo::Redo;
use crate::shared::Shared;
use crate::sweep;
use crate::tables::{Live, Snapshot, Tables, shield};
use crate::turn::Turn;
use crate::writer::Writer;

/// A read transaction: one state of the store, whatever is written meanwhile.
///
/// See [`Readable`](crate::Readable) for what it reads. It blocks nobody; but as long as it is held, the
/// file cannot reuse the space of what was replaced since it began.
pub struct ReadTxn {
    // Before `shared`: the snapshot ends before the database can be closed.
    tables: Arc<Tables<Snapshot>>,
    shared: Arc<Shared>,
}

impl ReadTxn {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, StorageError> {
        shared.check_open()?;
        let tables = shared.snapshot()?;
        Ok(Self { tables, shared })
    }
}

impl ReadTxn {
    /// How many rows and bytes each table of the store has. Walks through the pages of all tables: a matter of
    /// milliseconds for each 100 MiB that are in memory.
    pub fn table_sizes(&self) -> Result<Vec<TableSize>, ReadError> {
        table_sizes(&self.tables)
    }
}

impl View for ReadTxn {
    type Source = Snapshot;

    fn tables(&self) -> &Tables<Snapshot> {
        &self.tables
    }

    fn context(&self) -> &Context {
        &self.shared.context
    }
}

/// A write transaction. There is one at a time; dropping it rolls it back.
///
/// ```
/// # use execstore::{Expect, NewEvent, NewExecution, Readable, Store, Update};
/// use execstore::redb::TableDefinition;
/// const BILLS: TableDefinition<&str, u64> = TableDefinition::new("bills");
///
/// # let store = Store::in_memory()?;
/// # store.write(|w| w.create(NewExecution::new("j").id("e").state("Running"), &[]))?;
/// let txn = store.begin_write()?;
/// {
///     let mut executions = txn.writer()?;
///     executions.update("e", &Expect::any().state("Running"), Update::to("Completed"), &[])?;
///     txn.redb().open_table(BILLS)?.insert("e", 12)?;
/// }
/// txn.commit()?; // both, or neither
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WriteTxn {
    // Before `shared`: the transaction ends before the database can be closed.
    txn: WriteTransaction,
    redo: Verdict,
    /// The caller has been inside, where the journal does not see what is written.
    entered: AtomicBool,
    durable: bool,
    // After the transaction: the next one begins when it has ended.
    turn: Turn,
    shared: Arc<Shared>,
}

impl WriteTxn {
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self, StorageError> {
        shared.check_sound()?;
        let turn = shared.turnstile.enter();
        shared.check_sound()?;
        let txn = shield(|| shared.db.begin_write())?;
        // Another thread may have failed while this one waited for its turn.
        shared.check_sound()?;
        Ok(Self {
            txn,
            redo: Verdict { redo: Mutex::default(), shared: shared.clone() },
            entered: AtomicBool::new(false),
            durable: true,
            turn,
            shared,
        })
    }

    /// Opens the store's tables for writing. One writer at a time: drop it before the next, and before the
    /// commit.
    pub fn writer(&self) -> Result<Writer<'_>, WriteError> {
        let mut tables = Tables::new(Live(&self.txn));
        if self.shared.has_journal() {
            tables = tables.record_redo();
        }
        let mut writer = Writer::new(tables, &self.shared.context, Some(&self.redo.redo))?;
        if self.shared.is_lent() {
            // Nobody else does it.
            writer.sweep()?;
        }
        Ok(writer)
    }

    /// The redb transaction below, to read and write the caller's own tables in it.
    ///
    /// A transaction that was entered here is committed by redb itself, at the price of one of its durable
    /// commits: the store's journal does not know what the caller writes.
    pub fn redb(&self) -> &WriteTransaction {
        self.entered.store(true, Ordering::Relaxed);
        &self.txn
    }

    /// Whether `commit` waits until the transaction is durable, as it does by default.
    ///
    /// With [`Durability::None`] it returns at once, and a crash may lose the transaction, as a whole. It
    /// becomes durable with the next one that waits, never after it.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durable = !matches!(durability, Durability::None);
    }

    /// Makes everything in the transaction durable and visible, together.
    ///
    /// `Ok` means that it is on the disk. After [`CommitError::RolledBack`] none of it is there; after
    /// [`CommitError::Unknown`] all of it or none of it will be found when the store is opened again.
    pub fn commit(self) -> Result<(), CommitError> {
        let Self { txn, redo, entered, durable, turn, shared } = self;
        let redo = std::mem::take(&mut *Redo::lock(&redo.redo));
        let (head, version, waits) = (redo.head, redo.versions.map_or(0, |(_, to)| to), redo.waits);
        commit(&shared, txn, redo, entered.into_inner(), durable)?;
        // A waker may write, on this very thread.
        drop(turn);
        shared.doorbell.ring(head);
        shared.commits.ring(version);
        if waits {
            sweep::ask(&shared);
        }
        Ok(())
    }

    /// A storage error left an operation half done.
    pub(crate) fn has_failed(&self) -> bool {
        Redo::lock(&self.redo.redo).failed
    }

    /// Rolls the transaction back, as dropping it does, and reports an error in doing so.
    pub fn abort(self) -> Result<(), Error> {
        Ok(shield(|| self.txn.abort())?)
    }
}

/// The redo of a transaction. When the storage failed in the middle of an operation, the store takes no further
/// writes, however the transaction ends.
struct Verdict {
    redo: Mutex<Redo>,
    shared: Arc<Shared>,
}

impl Drop for Verdict {
    fn drop(&mut self) {
        if Redo::lock(&self.redo).failed {
            self.shared.poison();
        }
    }
}
