//! Writing through the group commit.

use super::Store;
use crate::group_commit::{GroupCommit, Pending};
use crate::model::error::{BatchError, Error};
use crate::write::Writer;

/// # The group commit
///
/// Many threads' closures run in one write transaction and share one durable commit. The contract:
///
/// - `Ok` means durable.
/// - A closure that returns an error leaves nothing behind and spoils no other; its error comes back to its
///   own caller alone. So does a panic, as [`BatchError::Panicked`](crate::error::BatchError::Panicked).
/// - A closure runs once, whatever becomes of the others.
/// - The operations of one closure are next to each other in the change log, and closures come in the
///   order in which they were accepted.
/// - If the commit fails, every closure in it gets the same [`CommitError`](crate::error::CommitError), which tells
///   rolled back from unknown, and the store takes no further writes.
///
/// The closures run on a thread of the store, so they own what they use. Within a batch use the writer that it is given: any other
/// write there, and any batch on a thread that holds a [`WriteTxn`](crate::WriteTxn), is refused with
/// [`Reentrant`](crate::error::Reentrant).
impl Store {
    /// Writes in a transaction that it may share with other callers, and returns once that is durable.
    ///
    /// Waits while the queue is [full](crate::options::GroupCommitOptions::max_queue). A caller who is alone commits at
    /// once, at the price of [`write`](Store::write).
    ///
    /// ```
    /// # use execstore::{NewExecution, Store, Update};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("a").state("Running"))?;
    /// let retry = store.batch(|w| {
    ///     let failed = w.update("a", Update::to("Failed"))?;
    ///     Ok(w.create(NewExecution::new(&failed.job_id).previous(&failed.id))?)
    /// })?;
    /// # assert_eq!(retry.previous.as_ref().unwrap(), &"a");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn batch<T, F>(&self, write: F) -> Result<T, Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.group_commit().batch(write)
    }

    /// Hands a closure to the group commit without waiting for it. The result is waited for, or awaited,
    /// later. Waits while the queue is full.
    ///
    /// ```
    /// # use execstore::{NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// let pending: Vec<_> = (0..10)
    ///     .map(|n| store.submit(move |w| Ok(w.create(NewExecution::new("job-1").name(n.to_string()))?)))
    ///     .collect::<Result<_, _>>()?;
    /// for created in pending {
    ///     println!("{}", created.wait()?.id);
    /// }
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn submit<T, F>(&self, write: F) -> Result<Pending<T>, BatchError>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        self.group_commit().submit(write)
    }

    /// The group commit with options: a closure that is refused instead of waiting for room, or whose size counts.
    pub fn group_commit(&self) -> GroupCommit<'_> {
        GroupCommit::new(&self.threads.batcher)
    }
}
