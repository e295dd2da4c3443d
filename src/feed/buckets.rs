//! Waiting for a bucket: what its rows are is read by whoever waited.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::engine::core::Engine;
use crate::engine::doorbell::End;
use crate::model::error::{InputError, Reentrant, StorageError, WatchError};
use crate::model::limits::check_name;
use crate::model::touch::{Kind, bucket_keys};

/// Waits for commits that touch a bucket; made by [`Store::watch_bucket`](crate::Store::watch_bucket) and
/// [`Store::watch_bucket_at`](crate::Store::watch_bucket_at).
///
/// A bucket is touched by whatever writes or removes a row of it or draws a number from it, by being made and deleted, also with
/// one that it lies in, and by a bucket in it that is made or deleted. It need not be there yet.
///
/// The watcher carries no rows: who was told looks. What is committed once the watcher is made, or once it has told, is told the next
/// time. So whoever looks *after* that misses nothing, and may look once for nothing. Commits that touch other buckets or
/// executions alone wake nobody here. A clone is a watcher of its own, which was told as much.
///
/// ```
/// # use std::time::Duration;
/// # use execstore::{Error, Store};
/// # let store = Store::in_memory()?;
/// # store.write(|w| Ok(w.open_bucket("queue")?.put("1", "work")?))?;
/// let mut queue = store.watch_bucket("queue")?; // before the first look
/// let take = |store: &Store| store.write(|w| Ok(w.open_bucket("queue")?.pop_first()?));
/// assert!(take(&store)?.is_some());
/// assert!(take(&store)?.is_none());
/// assert!(queue.changed(Duration::MAX)?); // what this very thread has taken is told too
/// assert!(!queue.changed(Duration::ZERO)?);
/// store.write(|w| Ok(w.open_bucket("queue")?.put("2", "more")?))?; // usually from other threads
/// assert!(queue.changed(Duration::MAX)?);
/// # Ok::<(), Error>(())
/// ```
pub struct BucketWatcher {
    engine: Arc<Engine>,
    path: Arc<[String]>,
    ticket: u64,
}

impl BucketWatcher {
    pub(crate) fn new(engine: Arc<Engine>, path: Vec<String>) -> Result<Self, WatchError> {
        if path.is_empty() {
            return Err(InputError::Invalid { what: "bucket name", reason: "there is none".into() }.into());
        }
        path.iter().try_for_each(|name| check_name("bucket name", name))?;
        engine.check_open()?;
        engine.grounds.process.check()?;
        let keys = bucket_keys(path.iter().map(String::as_str));
        // Before it is entered: who began to write before, without a word of buckets, wakes everybody.
        engine.listening.add(Kind::Bucket as u16);
        let ticket = engine.commits.enroll(&keys.into());
        Ok(Self { engine, path: path.into(), ticket })
    }

    /// Waits until a commit has touched the bucket, since this last said so or the watcher was made; `false` if none has within
    /// `timeout`. Its rows can be read by then.
    ///
    /// [`Duration::ZERO`] asks without waiting. On a thread that has a write of the same store in hand, a wait is
    /// [`WatchError::Reentrant`].
    pub fn changed(&mut self, timeout: Duration) -> Result<bool, WatchError> {
        self.check()?;
        let mut touched = self.engine.commits.touched(self.ticket, None);
        if touched.is_pending() && !timeout.is_zero() {
            if self.engine.write_lock.posts.is_needed_here() {
                return Err(Reentrant.into());
            }
            touched = self.engine.commits.wait_touched(self.ticket, timeout);
        }
        match touched {
            Poll::Ready(touched) => told(touched).map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// The same for a future, under any async runtime, for as long as it takes. It is cancel-safe: dropped before it is ready, as in a
    /// `select!` or a timeout, it loses nothing.
    pub fn recv(&mut self) -> RecvChanged<'_> {
        RecvChanged(self)
    }

    fn check(&self) -> Result<(), WatchError> {
        self.engine.check_outside()?;
        self.engine.check_open()?;
        Ok(self.engine.grounds.process.check()?)
    }
}

fn told(touched: Result<(), End>) -> Result<(), WatchError> {
    touched.map_err(|end| match end {
        End::Closed => StorageError::Closed.into(),
        End::Poisoned(reason) => reason.stopped().into(),
    })
}

impl Clone for BucketWatcher {
    fn clone(&self) -> Self {
        let Self { engine, path, ticket } = self;
        // A child of a fork has no place at the doorbell, and its copy may be locked for ever.
        let is_ours = !engine.grounds.process.is_another();
        let ticket = if is_ours { engine.commits.enroll_like(*ticket) } else { 0 };
        Self { engine: engine.clone(), path: path.clone(), ticket }
    }
}

impl Drop for BucketWatcher {
    fn drop(&mut self) {
        if !self.engine.grounds.process.is_another() {
            self.engine.commits.forget(&mut self.ticket);
        }
    }
}

impl fmt::Debug for BucketWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketWatcher").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A future for the next commit that touches a bucket: see [`BucketWatcher::recv`]. Dropping it loses nothing.
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub struct RecvChanged<'w>(&'w mut BucketWatcher);

impl Future for RecvChanged<'_> {
    type Output = Result<(), WatchError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self(watcher) = &*self;
        watcher.check()?;
        watcher.engine.commits.touched(watcher.ticket, Some(cx.waker())).map(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[test]
    fn what_was_committed_last_is_told_before_the_reason_why_nothing_else_will_be() {
        let store = Store::in_memory().unwrap();
        let mut watcher = store.watch_bucket("b").unwrap();
        let mut other = store.watch_bucket("other").unwrap();
        store.write(|w| Ok(w.open_bucket("b")?.put("k", "v")?)).unwrap();
        let mut behind = watcher.clone();
        watcher.engine.poison(&StorageError::Busy);
        let is_poisoned = |told: Result<bool, WatchError>| {
            assert!(matches!(told, Err(WatchError::Storage(StorageError::Poisoned { .. }))), "{told:?}");
        };
        for watcher in [&mut watcher, &mut behind] {
            assert!(watcher.changed(Duration::MAX).unwrap());
            (0..2).for_each(|_| is_poisoned(watcher.changed(Duration::MAX)));
        }
        (0..2).for_each(|_| is_poisoned(other.changed(Duration::ZERO)));
        is_poisoned(store.watch_bucket("b").unwrap().changed(Duration::MAX));
        let _ = store.close();
        let told = watcher.changed(Duration::MAX);
        assert!(matches!(told, Err(WatchError::Storage(StorageError::Closed))), "{told:?}");
    }
}
