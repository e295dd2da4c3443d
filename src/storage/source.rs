//! The transactions that tables can be opened in: one to read that is held, one to write that is lent.

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::process::Process;
use crate::format::schema::Value;

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
pub struct Snapshot(pub(crate) ReadTransaction, pub(crate) Process);

impl Snapshot {
    /// One that this process has begun just now.
    pub(crate) fn here(txn: ReadTransaction) -> Self {
        Self(txn, Process::this())
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

/// Somebody's write transaction.
pub struct Live<'t>(pub(crate) &'t WriteTransaction, pub(crate) Process);

impl<'t> Live<'t> {
    /// One that this process has begun just now.
    pub(crate) fn here(txn: &'t WriteTransaction) -> Self {
        Self(txn, Process::this())
    }
}

impl<'t> Source for Live<'t> {
    const STANDS_STILL: bool = false;

    type Table<K: Key + 'static> = redb::Table<'t, K, Value>;

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
