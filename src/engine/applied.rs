//! redb's write transaction, which stays open from one of the store's to the next: see "Applied, durable, visible" in
//! `docs/architecture.md`.

use redb::WriteTransaction;

use crate::model::error::StorageError;
use crate::storage::process::Process;
use crate::storage::{Live, Pending, Tables, roll_back};

/// As many bytes of records as redb is to commit for at the latest: a rollback that needs redb does at most so much again.
const MOST: usize = 4 * 1024 * 1024;

/// As many bytes of rows as are pending between transactions: a reader who needs them waits until redb has taken them.
const MOST_PENDING: usize = 512 * 1024;

/// What one transaction of the store's wrote.
#[derive(Debug)]
pub(crate) struct Record {
    /// The store's version after it.
    pub(crate) to: u64,
    /// Its rows, as in the journal.
    pub(crate) body: Vec<u8>,
}

/// A write transaction of redb's that nobody uses at the moment, and what was applied to it.
pub(crate) struct Applied {
    pub(crate) txn: WriteTransaction,
    /// Rows that redb has not been given yet.
    pub(crate) pending: Option<Box<Pending>>,
    pub(crate) records: Records,
}

/// What was applied to redb since its last commit, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Records {
    list: Vec<Record>,
    bytes: usize,
}

impl Records {
    pub(crate) fn push(&mut self, record: Record) {
        self.bytes += record.body.len();
        self.list.push(record);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// redb should commit before more is applied.
    pub(crate) fn are_many(&self) -> bool {
        self.bytes >= MOST
    }

    /// The store's version with all of them; `None` if there are none.
    pub(crate) fn reached(&self) -> Option<u64> {
        self.list.last().map(|record| record.to)
    }

    /// Forgets those that lead beyond a version.
    pub(crate) fn truncate(&mut self, version: u64) {
        self.list.retain(|record| record.to <= version);
        self.bytes = self.list.iter().map(|record| record.body.len()).sum();
    }

    /// Applies all of them to a transaction that has none.
    pub(crate) fn redo(&self, txn: &WriteTransaction, process: &Process) -> Result<(), StorageError> {
        let mut tables = Tables::new(Live(txn, process.clone())).keep_pending(Some(Box::default()));
        self.list.iter().try_for_each(|record| tables.redo(&record.body))?;
        tables.keep_nothing_pending()
    }
}

impl Applied {
    pub(crate) fn new(txn: WriteTransaction) -> Self {
        Self { txn, pending: None, records: Records::default() }
    }

    /// redb should be given the rows that it lacks before there are more.
    pub(crate) fn has_many_pending(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.bytes() >= MOST_PENDING)
    }

    /// Gives redb the rows that it lacks. Gives how many bytes of values they replaced or removed too. After an error the
    /// transaction must be rolled back.
    pub(crate) fn flush(&mut self, process: &Process) -> Result<usize, StorageError> {
        self.pending.take().map_or(Ok(0), |pending| pending.flush(&self.txn, process))
    }

    /// A transaction has ended, whose rows stay.
    pub(crate) fn keep(&mut self, record: Record) {
        self.records.push(record);
        if let Some(pending) = &mut self.pending {
            pending.keep();
        }
    }

    pub(crate) fn roll_back(self) {
        roll_back(self.txn);
    }
}
