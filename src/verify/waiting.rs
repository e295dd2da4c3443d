//! What waits for its removal, as far as it was found.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What may have rows although nothing leads to them.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    pub(super) executions: HashSet<u64>,
    pub(super) blobs: HashMap<u64, Range<u64>>,
    /// The last entry of the log that is gone.
    pub(super) swept: u64,
}

impl Waiting {
    /// `true` if an execution of this number was deleted, and its rows wait.
    pub(super) fn execution(&self, number: u64) -> bool {
        self.executions.contains(&number)
    }

    /// `true` if a chunk of a blob waits.
    pub(super) fn chunk(&self, blob: u64, chunk: &Range<u64>) -> bool {
        self.blobs.get(&blob).is_some_and(|gone| gone.start <= chunk.start && chunk.end <= gone.end)
    }
}
