//! What waits for its removal, as far as it was found.

use crate::model::row_id::{BlobId, BucketId, RowId};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What may have rows although nothing leads to them.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    pub(super) executions: HashSet<RowId>,
    pub(super) blobs: HashMap<BlobId, Range<u64>>,
    pub(super) buckets: HashSet<BucketId>,
    /// The last entry of the log that is gone.
    pub(super) swept: u64,
}

impl Waiting {
    /// `true` if an execution of this number was deleted, and its rows wait.
    pub(super) fn execution(&self, number: RowId) -> bool {
        self.executions.contains(&number)
    }

    /// `true` if a chunk of a blob waits.
    pub(super) fn chunk(&self, blob: BlobId, chunk: &Range<u64>) -> bool {
        self.blobs.get(&blob).is_some_and(|gone| gone.start <= chunk.start && chunk.end <= gone.end)
    }
}
