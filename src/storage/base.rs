//! What redb has committed, for all that read over it: one read transaction, and its tables once they are needed.

use std::sync::Arc;

use redb::ReadTransaction;

use super::process::Process;
use super::slots::Slots;
use super::source::Snapshot;

/// A state of redb's. Opening a table costs more than a look-up in it, so whoever reads the same state shares them.
pub struct Base {
    pub(super) source: Snapshot,
    pub(super) slots: Slots<Snapshot>,
}

impl Base {
    /// One that was begun just now.
    pub(crate) fn new(txn: ReadTransaction, process: Process) -> Arc<Self> {
        Arc::new(Self { source: Snapshot(Arc::new(txn), process), slots: Slots::new() })
    }
}
