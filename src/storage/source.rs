//! The transactions that tables can be opened in: one to read that is held, one to write that is lent.

use std::sync::{Arc, OnceLock};

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::pending::Layer;
use super::process::Process;
use crate::format::schema::Value;
use crate::model::error::StorageError;

/// A transaction that tables can be opened in.
pub trait Source {
    /// What it shows never changes.
    const STANDS_STILL: bool;

    type Table<K: Key + 'static>: ReadableTable<K, Value>;

    /// The process that began it.
    fn process(&self) -> &Process;

    fn open<K: Key + 'static>(
        &self,
        definition: TableDefinition<'static, K, Value>,
    ) -> Result<Self::Table<K>, TableError>;
}

/// A read transaction that is held here.
pub struct Snapshot(pub(crate) Arc<ReadTransaction>, pub(crate) Process);

impl Snapshot {
    /// One that this process has begun just now.
    pub(crate) fn here(txn: ReadTransaction) -> Self {
        Self(Arc::new(txn), Process::this())
    }
}

impl Source for Snapshot {
    const STANDS_STILL: bool = true;

    type Table<K: Key + 'static> = redb::ReadOnlyTable<K, Value>;

    fn process(&self) -> &Process {
        &self.1
    }

    fn open<K: Key + 'static>(
        &self,
        definition: TableDefinition<'static, K, Value>,
    ) -> Result<Self::Table<K>, TableError> {
        self.0.open_table(definition)
    }
}

/// Somebody's write transaction, which may begin only once it is needed.
pub struct Live<'t> {
    txn: Option<&'t WriteTransaction>,
    late: Option<&'t Late>,
    process: Process,
}

/// A write transaction of redb's, and the layers that it lacks.
pub(crate) type Begun = (WriteTransaction, Vec<Arc<Layer>>);

/// A write transaction that begins once redb is needed. Until then its rows are kept in memory, over what redb has committed.
pub(crate) struct Late {
    begin: Option<Box<dyn Fn() -> Result<Begun, StorageError> + Send + Sync>>,
    begun: OnceLock<WriteTransaction>,
}

impl Late {
    pub(crate) fn new(begin: impl Fn() -> Result<Begun, StorageError> + Send + Sync + 'static) -> Self {
        Self { begin: Some(Box::new(begin)), begun: OnceLock::new() }
    }

    /// For a transaction that has begun, or has ended.
    pub(crate) fn never() -> Self {
        Self { begin: None, begun: OnceLock::new() }
    }

    pub(crate) fn begun(&self) -> Option<&WriteTransaction> {
        self.begun.get()
    }

    /// redb's transaction, if it has begun.
    pub(crate) fn into_txn(self) -> Option<WriteTransaction> {
        self.begun.into_inner()
    }
}

impl<'t> Live<'t> {
    pub(crate) fn new(txn: &'t WriteTransaction, process: Process) -> Self {
        Self { txn: Some(txn), late: None, process }
    }

    /// One that this process has begun just now.
    pub(crate) fn here(txn: &'t WriteTransaction) -> Self {
        Self::new(txn, Process::this())
    }

    /// One that may not have begun yet.
    pub(crate) fn late(late: &'t Late, process: Process) -> Self {
        Self { txn: late.begun(), late: Some(late), process }
    }

    /// The transaction, once it has begun.
    pub(super) fn txn(&self) -> Option<&'t WriteTransaction> {
        self.txn
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.txn.is_some()
    }

    /// Begins it, if it has not begun: gives what it lacks then.
    pub(super) fn begin(&mut self) -> Result<Option<Vec<Arc<Layer>>>, StorageError> {
        let (None, Some(late)) = (self.txn, self.late) else { return Ok(None) };
        let begin = late.begin.as_ref().ok_or(StorageError::Closed)?;
        let (txn, layers) = begin()?;
        self.txn = Some(late.begun.get_or_init(|| txn));
        Ok(Some(layers))
    }
}

impl<'t> Source for Live<'t> {
    const STANDS_STILL: bool = false;

    type Table<K: Key + 'static> = redb::Table<'t, K, Value>;

    fn process(&self) -> &Process {
        &self.process
    }

    fn open<K: Key + 'static>(
        &self,
        definition: TableDefinition<'static, K, Value>,
    ) -> Result<Self::Table<K>, TableError> {
        match self.txn {
            Some(txn) => txn.open_table(definition),
            // What is read is the base, and what is written is pending.
            None => Err(redb::StorageError::Corrupted("a transaction that has not begun".into()).into()),
        }
    }
}
