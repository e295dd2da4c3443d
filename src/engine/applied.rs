//! redb's write transaction, which stays open from one of the store's to the next: see "Applied, durable, visible" in
//! `docs/architecture.md`.

use redb::WriteTransaction;

use crate::model::error::StorageError;
use crate::storage::process::Process;
use crate::storage::{Live, Tables, roll_back};

/// As many bytes of records as redb is to commit for at the latest: a rollback that needs redb does at most so much again.
const MOST: usize = 4 * 1024 * 1024;

/// What one transaction of the store's wrote.
#[derive(Debug)]
pub(crate) struct Record {
    /// The store's version after it.
    pub(crate) to: u64,
    /// Its rows, as in the journal.
    pub(crate) body: Vec<u8>,
}

/// A write transaction of redb's that nobody uses at the moment, and the transactions of the store's whose rows it has.
pub(crate) struct Applied {
    pub(crate) txn: WriteTransaction,
    pub(crate) records: Records,
}

/// What redb was given of transactions that have ended since its last commit, oldest first.
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

    /// Forgets those that lead beyond a version.
    pub(crate) fn truncate(&mut self, version: u64) {
        self.list.retain(|record| record.to <= version);
        self.bytes = self.list.iter().map(|record| record.body.len()).sum();
    }

    /// Applies all of them to a transaction that has none.
    pub(crate) fn redo(&self, txn: &WriteTransaction, process: &Process) -> Result<(), StorageError> {
        let mut tables = Tables::new(Live::new(txn, process.clone()));
        tables.keep_all_pending();
        self.list.iter().try_for_each(|record| tables.redo(&record.body))?;
        tables.keep_nothing_pending()
    }
}

impl Applied {
    pub(crate) fn new(txn: WriteTransaction) -> Self {
        Self { txn, records: Records::default() }
    }

    pub(crate) fn roll_back(self) {
        roll_back(self.txn);
    }
}
