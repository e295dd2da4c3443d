//! How a caller hands a closure to the group commit.

use std::sync::Arc;

use super::{Admission, Committer, Pending};
use crate::model::error::{BatchError, Error};
use crate::write::Writer;

/// The [group commit](crate::Store#the-group-commit) with its options for one closure; made by
/// [`Store::group_commit`](crate::Store::group_commit). [`Store::batch`](crate::Store::batch) and
/// [`Store::submit`](crate::Store::submit) are the short forms without any.
///
/// ```
/// # use execstore::{NewExecution, Store};
/// # let store = Store::in_memory()?;
/// let value = vec![7; 100_000];
/// let pending = store.group_commit().bytes(value.len()).refuse_when_full().submit(move |w| {
///     w.create(NewExecution::new("j").id("e"))?;
///     Ok(w.append_output("e", "stdout", &value)?.length)
/// })?;
/// assert_eq!(pending.wait()?, 100_000);
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct GroupCommit<'s> {
    committer: &'s Arc<Committer>,
    admission: Admission,
}

impl std::fmt::Debug for GroupCommit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupCommit").field("admission", &self.admission).finish_non_exhaustive()
    }
}

impl<'s> GroupCommit<'s> {
    pub(crate) fn new(committer: &'s Arc<Committer>) -> Self {
        Self { committer, admission: Admission::WAITS }
    }

    /// Refuses the closure at once where it would wait for room in the queue, with
    /// [`BatchError::QueueFull`](crate::error::BatchError::QueueFull) or
    /// [`BatchError::QueueTooLarge`](crate::error::BatchError::QueueTooLarge).
    pub fn refuse_when_full(mut self) -> Self {
        self.admission.at_once = true;
        self
    }

    /// Says about how many bytes the closure holds: payloads, values, output. It then also has to wait while what is queued holds
    /// [too much](crate::options::GroupCommitOptions::max_queue_bytes). Without this only the number of closures is bounded.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.admission.bytes = Some(bytes);
        self
    }

    /// Writes in a transaction that it may share with other callers, and returns once that is durable: see
    /// [`Store::batch`](crate::Store::batch).
    pub fn batch<T, F>(self, write: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.committer.batch(write, self.admission)
    }

    /// Hands the closure over without waiting for its commit: see [`Store::submit`](crate::Store::submit).
    pub fn submit<T, F>(self, write: F) -> Result<Pending<T>, BatchError>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.committer.submit(write, self.admission)
    }
}
