//! Following the change log: a watcher keeps a position, waits at the doorbell, and reads the log again.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::core::Engine;
use crate::engine::doorbell::End;
use crate::format::schema::Tag;
use crate::format::{Glimpse, Glimpsed};
use crate::model::bookmark::{Bookmark, trimmed, within};
use crate::model::change::Change;
use crate::model::error::{ReadError, Reentrant, StorageError, WatchError};
use crate::model::filter::Filter;
use crate::model::id::ChangeSeq;
use crate::read::View;
use crate::read::sequence::Gapless;
use crate::readable::Readable;
use crate::storage::Noticed;
use crate::txn::ReadTxn;

/// How many entries one read transaction looks at, so that it ends soon.
const SCAN: u64 = 4_096;
/// The same for one poll of a future, which others of its thread wait for: a millisecond or two.
const SCAN_IN_PLACE: u64 = 512;
/// How many entries the iterator and the future read ahead.
const AHEAD: usize = 64;

/// Where to begin in the change log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchFrom {
    /// At the oldest entry that the log still has when it is first read.
    Oldest,
    /// After what is there now: only what is still to come.
    #[doc(alias = "now")]
    Latest,
    /// At this entry, which is the first to be seen. One beyond the head means the next entry; anything further is
    /// [`PositionError::BeyondHead`](crate::error::PositionError::BeyondHead).
    At(ChangeSeq),
    /// After this entry, which must not be beyond the head; it may have been trimmed.
    After(ChangeSeq),
    /// After the position that was kept outside the store. One of another store, or of before a
    /// [restore](crate::Builder::declare_restored), is [`PositionError::OtherIncarnation`](crate::error::PositionError::OtherIncarnation).
    Bookmark(Bookmark),
    /// After the position that is saved under this name.
    Checkpoint(String),
}

/// Follows the change log from a position; made by [`Store::watch`](crate::Store::watch).
///
/// Sees each change that its filter lets through once, in order, without gaps. Nothing is queued for it: it
/// reads the log when it is asked, holds no transaction while it waits, and never makes a writer wait. One that falls
/// behind a trim gets [`PositionError::Trimmed`](crate::error::PositionError::Trimmed); [`seek`](Watcher::seek) continues from another position.
///
/// ```
/// # use std::time::Duration;
/// # use execstore::watch::WatchFrom;
/// # use execstore::{Filter, NewExecution, Store, Update};
/// # let store = Store::in_memory()?;
/// let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().entered("Running"))?;
/// store.create(NewExecution::new("job-1").id("e"))?;
/// store.update("e", Update::to("BidAccepted"))?;
/// store.update("e", Update::to("Running"))?;
/// let changes = watcher.next_batch(100, Duration::from_secs(1))?;
/// assert_eq!(changes.len(), 1);
/// assert_eq!(watcher.position().get(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watcher {
    engine: Arc<Engine>,
    filter: Filter,
    /// The last entry that was looked at.
    position: u64,
    /// Nothing was read yet and the oldest entry was asked for, whichever that is by then.
    floating: bool,
    /// Read, but not given out yet.
    ahead: VecDeque<Change>,
    /// The last entry that was given out while there is something ahead.
    given: u64,
    /// Nothing more is given one by one: the store was closed, or there was an error. A seek begins again.
    ended: bool,
    ticket: u64,
    /// What it waits for.
    keys: Arc<[u64]>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, .. } = self;
        f.debug_struct("Watcher").field("position", &self.position()).field("filter", filter).finish()
    }
}

impl Watcher {
    pub(crate) fn new(engine: Arc<Engine>, start: &WatchFrom, filter: Filter) -> Result<Self, WatchError> {
        filter.check_names(&engine.settings.lifecycle)?;
        let (kinds, keys) = filter.keys();
        engine.listening.add(kinds);
        let mut watcher = Self {
            engine,
            filter,
            position: 0,
            floating: false,
            ahead: VecDeque::new(),
            given: 0,
            ended: false,
            ticket: 0,
            keys: keys.into(),
        };
        watcher.seek(start)?;
        Ok(watcher)
    }

    /// Has it woken by a nudge under this key, too.
    pub(crate) fn also(mut self, nudge: u64) -> Self {
        self.keys = self.keys.iter().copied().chain([nudge]).collect();
        self
    }

    /// Continues from another position. One that does not exist is an error and leaves the watcher where it was.
    pub fn seek(&mut self, start: &WatchFrom) -> Result<(), WatchError> {
        let position = position_of(&self.begin_read()?, start)?;
        self.engine.doorbell.forget(&mut self.ticket);
        self.position = position;
        self.floating = *start == WatchFrom::Oldest;
        self.ahead.clear();
        self.ended = false;
        Ok(())
    }

    /// The last change that was returned, or that the filter left out after it: where to continue
    /// after a restart, with [`WatchFrom::After`].
    pub fn position(&self) -> ChangeSeq {
        ChangeSeq(if self.ahead.is_empty() { self.position } else { self.given })
    }

    /// The [position](Watcher::position), to be kept outside the store: where to continue after a restart, with
    /// [`WatchFrom::Bookmark`], and nowhere else.
    pub fn bookmark(&self) -> Bookmark {
        Bookmark::new(self.engine.settings.incarnation, self.position())
    }

    /// Returns the next changes, at most `limit` of them. If there are none, it waits for some, at most for `timeout`; after that
    /// the list is empty. A `limit` of 0 counts as 1.
    ///
    /// After an error the position is where it was.
    pub fn next_batch(&mut self, limit: usize, timeout: Duration) -> Result<Vec<Change>, WatchError> {
        self.next_batch_unless(limit, timeout, || false)
    }

    /// The same, but `stopped` ends the wait, once the doorbell is nudged.
    pub(crate) fn next_batch_unless(
        &mut self,
        limit: usize,
        timeout: Duration,
        stopped: impl Fn() -> bool,
    ) -> Result<Vec<Change>, WatchError> {
        let limit = limit.max(1);
        if !self.ahead.is_empty() {
            let many = limit.min(self.ahead.len());
            let changes: Vec<_> = self.ahead.drain(..many).collect();
            self.given = changes.last().map_or(self.given, |change| change.seq.0);
            return Ok(changes);
        }
        self.engine.check_outside()?;
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let (found, head) = self.scan(limit)?;
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if !found.is_empty() || left.is_zero() || stopped() {
                return Ok(found);
            }
            if self.position < head {
                continue;
            }
            if self.engine.write_lock.posts.is_needed_here() {
                return Err(Reentrant.into());
            }
            let heard = self.engine.doorbell.wait(self.position, &self.keys, left, &stopped);
            self.pass(heard.clean);
            self.check_end(heard.end)?;
        }
    }

    /// Waits for the next change and returns it. Can be awaited under any async runtime. The log is read in place, at most 512
    /// entries a poll: a millisecond or two, where the filter drops them all.
    ///
    /// It is cancel-safe: dropped before it is ready, as in a `select!` or a timeout, it loses nothing, and the position is where it
    /// was. Awaited again after an error it reads on from the same position.
    ///
    /// With the feature `stream` the watcher is a `Stream` of the same changes, which ends as [`iter`](Watcher::iter) does.
    pub fn recv(&mut self) -> Recv<'_> {
        Recv(self)
    }

    /// The changes one by one, waiting for each. Ends when the store is closed, and after an error, which a store that stopped
    /// writing gives once: [`StorageError::Poisoned`].
    pub fn iter(&mut self) -> Changes<'_> {
        self.ended = false;
        Changes { watcher: self }
    }

    fn begin_read(&self) -> Result<ReadTxn, WatchError> {
        Ok(ReadTxn::new(self.engine.clone())?)
    }

    /// What it need not look at: nothing up to there concerns it.
    fn pass(&mut self, clean: u64) {
        if clean > self.position {
            (self.position, self.floating) = (clean, false);
        }
    }

    /// No change will come any more; what has come was given out.
    fn check_end(&self, end: Option<End>) -> Result<(), WatchError> {
        match end {
            None => Ok(()),
            Some(End::Closed) => Err(StorageError::Closed.into()),
            Some(End::Poisoned(reason)) if self.position >= self.engine.doorbell.head() => {
                Err(reason.stopped().into())
            }
            Some(End::Poisoned(_)) => Ok(()),
        }
    }

    /// Looks at the entries after the position. Gives what the filter lets through, and the head.
    fn scan(&mut self, limit: usize) -> Result<(Vec<Change>, u64), WatchError> {
        self.scan_some(limit, SCAN)
    }

    fn scan_some(&mut self, limit: usize, entries: u64) -> Result<(Vec<Change>, u64), WatchError> {
        if let Some(End::Closed) = self.engine.doorbell.ended() {
            return Err(StorageError::Closed.into());
        }
        // What it waited for until now, if it did.
        if let Some(clean) = self.engine.doorbell.forget(&mut self.ticket) {
            self.pass(clean);
        }
        let reader = self.begin_read()?;
        let totals = reader.totals()?;
        if self.floating {
            self.position = self.position.max(totals.trimmed);
        }
        if self.position < totals.trimmed {
            return Err(trimmed(self.position + 1, totals.trimmed).into());
        }
        let mut found = Vec::new();
        if self.position >= totals.head {
            return Ok((found, totals.head));
        }
        let lifecycle = &reader.settings().lifecycle;
        let filter = &self.filter;
        let keep = |glimpse: &Glimpse| match &glimpse.about {
            Glimpsed::Execution { id, job, state } => {
                filter.may_match(glimpse.kind, id, job, lifecycle.by_code(*state))
            }
            Glimpsed::Bucket(path) => filter.matches_bucket(glimpse.kind, path),
        };
        let (first, end) = (self.position + 1, self.position.saturating_add(entries).min(totals.head));
        let rows = reader
            .tables()
            .change_rows_if(first..=end, lifecycle, filter.can_leave_early().then_some(&keep))
            .map_err(ReadError::from)?;
        for noticed in Gapless::new(rows, Tag::Changes, Some(first - 1), end.checked_add(1)) {
            let Noticed { seq, change } = match noticed {
                Ok(noticed) => noticed,
                // What came before it is given out first.
                Err(_) if !found.is_empty() => break,
                Err(error) => return Err(error.into()),
            };
            if let Some(change) = change.filter(|change| filter.matches(change)) {
                if found.len() == limit {
                    break;
                }
                found.push(change);
            }
            (self.position, self.floating) = (seq, false);
        }
        Ok((found, totals.head))
    }

    fn take_ahead(&mut self) -> Option<Change> {
        let change = self.ahead.pop_front()?;
        self.given = change.seq.0;
        Some(change)
    }
}

/// The entry that a start is after.
pub(crate) fn position_of(view: &impl View, start: &WatchFrom) -> Result<u64, WatchError> {
    let (totals, incarnation) = (view.totals()?, view.settings().incarnation);
    let within = |seq: u64| Ok(within(seq, incarnation, totals.head)?);
    match start {
        WatchFrom::Oldest => Ok(totals.trimmed),
        WatchFrom::Latest => Ok(totals.head),
        WatchFrom::At(seq) => within(seq.0.saturating_sub(1)),
        WatchFrom::After(seq) => within(seq.0),
        WatchFrom::Bookmark(bookmark) => Ok(bookmark.resolve(incarnation, totals.head)?),
        WatchFrom::Checkpoint(name) => match view.log().checkpoint(name)? {
            Some(seq) => within(seq.0),
            None => Err(WatchError::NoCheckpoint { name: name.clone() }),
        },
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A child of a fork has no place at the doorbell, and its copy may be locked for ever.
        if !self.engine.grounds.process.is_another() {
            self.engine.doorbell.forget(&mut self.ticket);
        }
    }
}

/// A future for the next change: see [`Watcher::recv`]. Dropping it loses nothing.
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Recv<'w>(&'w mut Watcher);

impl Future for Recv<'_> {
    type Output = Result<Change, WatchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_recv(cx)
    }
}

impl Watcher {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Change, WatchError>> {
        loop {
            if let Some(change) = self.take_ahead() {
                return Poll::Ready(Ok(change));
            }
            self.engine.check_outside()?;
            let (found, head) = self.scan_some(AHEAD, SCAN_IN_PLACE)?;
            self.ahead.extend(found);
            if !self.ahead.is_empty() {
                continue;
            }
            if self.position < head {
                // One scan is enough for one poll: others get their turn in between.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Watcher { engine, position, ticket, keys, .. } = self;
            match engine.doorbell.poll(*position, keys, ticket, cx.waker()) {
                Poll::Ready(heard) => self.check_end(heard.end)?,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The same for a stream, which ends.
    #[cfg(feature = "stream")]
    pub(super) fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Change, WatchError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = self.poll_recv(cx);
        self.ended = matches!(polled, Poll::Ready(Err(_)));
        polled.map(|result| match result {
            Err(WatchError::Storage(StorageError::Closed)) => None,
            other => Some(other),
        })
    }
}

/// The changes of a watcher one by one: see [`Watcher::iter`].
#[derive(Debug)]
pub struct Changes<'w> {
    watcher: &'w mut Watcher,
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, WatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.watcher.ended {
            if let Some(change) = self.watcher.take_ahead() {
                return Some(Ok(change));
            }
            match self.watcher.next_batch(AHEAD, Duration::from_secs(3_600)) {
                Ok(found) => self.watcher.ahead.extend(found),
                Err(WatchError::Storage(StorageError::Closed)) => self.watcher.ended = true,
                Err(error) => {
                    self.watcher.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{NewExecution, Store};

    #[test]
    fn what_was_committed_last_comes_before_the_reason_why_nothing_else_will() {
        const LONG: Duration = Duration::from_secs(3_600);
        let store = Store::in_memory().unwrap();
        let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
        let (engine, first) = (watcher.engine.clone(), Cell::new(true));
        // Asked after it has looked and before it waits.
        let meanwhile = || {
            if first.take() {
                store.create(NewExecution::new("j")).unwrap();
                engine.poison(&StorageError::Busy);
            }
            false
        };
        assert_eq!(watcher.next_batch_unless(9, LONG, meanwhile).unwrap().len(), 1);
        let told = watcher.next_batch(9, LONG);
        assert!(matches!(told, Err(WatchError::Storage(StorageError::Poisoned { .. }))), "{told:?}");
    }
}
