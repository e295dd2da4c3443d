//! The group commit: many callers' closures in one transaction, with one durable commit.
//!
//! Callers queue up; a thread of the store runs all that are there in one transaction, commits, and answers
//! them. Who comes during a commit is in the next one. A caller who finds nobody there commits alone, on its
//! own thread, without the hand-over.
//!
//! Invariants:
//! - A member is answered after the commit of the transaction that it ran in, not before.
//! - Members run, and are committed, in the order in which they queued up.
//! - A member that fails after it wrote something is not committed, nor is anybody after it in the same
//!   transaction: those before it run again and are committed without it. redb cannot take back a part of a
//!   transaction, and this way each failure costs one commit more and nobody runs twice for nothing.

mod member;
mod pending;
mod settings;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::error::{BatchError, CommitError, Error, StorageError, WriteError};
use crate::shared::Shared;
use crate::txn::WriteTxn;
use crate::writer::Writer;

use member::{AtWork, Closure, Member, guarded};
use pending::Slot;

pub use pending::Pending;
pub use settings::GroupCommit;

/// What to do when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    Wait,
    Refuse,
}

type Members = VecDeque<Box<dyn Member>>;

/// The queue of a store's group commit, and its thread.
pub(crate) struct Batcher {
    shared: Arc<Shared>,
    settings: GroupCommit,
    queue: Mutex<Queue>,
    /// Something came, or a commit ended.
    moved: Condvar,
    /// There is room in the queue.
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    members: Members,
    /// A commit is under way, on the thread of the store or of a caller.
    busy: bool,
    /// The thread waits for further members.
    gathering: bool,
    closed: bool,
    thread: Option<JoinHandle<()>>,
}

impl Batcher {
    pub(crate) fn new(shared: Arc<Shared>, settings: GroupCommit) -> Arc<Self> {
        Arc::new(Self {
            shared,
            settings,
            queue: Mutex::default(),
            moved: Condvar::new(),
            room: Condvar::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a closure in a commit that it may share with others, and waits for it.
    pub(crate) fn batch<T, E, F>(self: &Arc<Self>, mut run: F, full: WhenFull) -> Result<T, Error>
    where
        F: FnMut(&mut Writer<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        Error: From<E>,
    {
        match self.alone()? {
            Some(turn) => {
                let result = self.solo(&mut run);
                drop(turn);
                result
            }
            None => {
                let slot = Slot::new();
                self.enqueue(Box::new(Closure::new(run, slot.clone())), full)?;
                slot.wait()
            }
        }
    }

    /// Queues a closure without waiting for its commit.
    pub(crate) fn submit<T, E, F>(self: &Arc<Self>, run: F, full: WhenFull) -> Result<Pending<T>, Error>
    where
        F: FnMut(&mut Writer<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        Error: From<E>,
    {
        let slot = Slot::new();
        self.enqueue(Box::new(Closure::new(run, slot.clone())), full)?;
        Ok(Pending::new(slot))
    }

    /// This thread commits for this group commit, or runs one of its closures: it must not wait for it.
    pub(crate) fn is_at_work_here(&self) -> bool {
        AtWork::is(self.id())
    }

    /// Which group commit this is, among those of all stores.
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Nobody is there: the caller may commit by itself.
    fn alone(&self) -> Result<Option<Solo<'_>>, Error> {
        if self.is_at_work_here() {
            return Err(BatchError::Reentrant.into());
        }
        let mut queue = self.queue();
        if queue.closed {
            return Err(StorageError::Closed.into());
        }
        if queue.busy || !queue.members.is_empty() {
            return Ok(None);
        }
        queue.busy = true;
        Ok(Some(Solo { batcher: self, _at_work: AtWork::begin(self.id()) }))
    }

    fn solo<T, E>(&self, run: impl FnOnce(&mut Writer<'_>) -> Result<T, E>) -> Result<T, Error>
    where
        Error: From<E>,
    {
        let txn = WriteTxn::new(self.shared.clone())?;
        let value = {
            let mut writer = txn.writer()?.may_run_again();
            guarded(|| run(&mut writer))?
        };
        txn.commit()?;
        Ok(value)
    }

    fn enqueue(self: &Arc<Self>, member: Box<dyn Member>, full: WhenFull) -> Result<(), Error> {
        if self.is_at_work_here() {
            return Err(BatchError::Reentrant.into());
        }
        let mut queue = self.queue();
        while !queue.closed && queue.members.len() >= self.settings.max_queue {
            if full == WhenFull::Refuse {
                return Err(BatchError::QueueFull { maximum: self.settings.max_queue }.into());
            }
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed {
            return Err(StorageError::Closed.into());
        }
        if queue.thread.is_none() {
            let batcher = self.clone();
            let thread = thread::Builder::new().name("execstore-commit".into());
            let spawned = thread.spawn(move || batcher.work());
            queue.thread = Some(spawned.map_err(|error| BatchError::Thread(error.into()))?);
        }
        queue.members.push_back(member);
        if !queue.busy || queue.gathering {
            self.moved.notify_all();
        }
        Ok(())
    }

    /// The store's own thread: commits what queues up, until the queue is closed and empty.
    fn work(&self) {
        let _at_work = AtWork::begin(self.id());
        while let Some(mut members) = self.next_members() {
            if catch_unwind(AssertUnwindSafe(|| self.run(&mut members))).is_err() {
                // It is not known what became of these: they are told, and do not run again.
                members.drain(..).for_each(discard);
            }
            let mut queue = self.queue();
            // What did not fit goes first in the next one.
            while let Some(member) = members.pop_back() {
                queue.members.push_front(member);
            }
            queue.busy = false;
            drop(queue);
            self.moved.notify_all();
        }
    }

    /// Waits for members, then for the delay, and takes them.
    fn next_members(&self) -> Option<Members> {
        let mut queue = self.queue();
        while queue.busy || queue.members.is_empty() {
            if queue.closed && !queue.busy {
                return None;
            }
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        (queue.busy, queue.gathering) = (true, true);
        let deadline = Instant::now().checked_add(self.settings.max_delay);
        while !queue.closed && queue.members.len() < self.settings.max_members {
            let left =
                deadline.map_or(self.settings.max_delay, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            queue = self.moved.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.gathering = false;
        let many = queue.members.len().min(self.settings.max_members);
        let members = queue.members.drain(..many).collect();
        self.room.notify_all();
        Some(members)
    }

    /// Runs members in one transaction, from the front, and settles those that it held. The rest stays.
    fn run(&self, members: &mut Members) {
        let mut failed = Vec::new();
        let mut limit = members.len();
        let (ran, committed) = loop {
            match self.attempt(members, limit) {
                Attempt::Ended { ran, committed } => break (ran, committed),
                // It will be told after the commit of those before it, on which its failure may rest.
                Attempt::Spoilt { by } => {
                    failed.extend(members.remove(by));
                    limit = by;
                }
            }
        };
        let settled = members.drain(..ran).chain(failed);
        for member in settled {
            // What a caller's closure, result or waker does must not keep the others from their answers.
            let committed = committed.clone();
            let _ = catch_unwind(AssertUnwindSafe(|| member.settle(committed)));
        }
    }

    fn attempt(&self, members: &mut Members, limit: usize) -> Attempt {
        if limit == 0 {
            return Attempt::Ended { ran: 0, committed: Ok(()) };
        }
        let refused = |error| Attempt::Ended { ran: limit, committed: Err(CommitError::RolledBack(error)) };
        let txn = match WriteTxn::new(self.shared.clone()) {
            Ok(txn) => txn,
            Err(error) => return refused(error),
        };
        let (mut ran, mut spoilt) = (0, false);
        {
            let mut writer = match txn.writer() {
                Ok(writer) => writer.may_run_again(),
                Err(error) => return refused(storage(error)),
            };
            for member in members.iter_mut().take(limit) {
                let before = writer.written();
                if !member.run(&mut writer) && writer.written() != before {
                    spoilt = true;
                    break;
                }
                ran += 1;
                if writer.written() >= self.settings.max_bytes {
                    break;
                }
            }
        }
        if txn.has_failed() {
            return refused(StorageError::Poisoned);
        }
        if spoilt {
            return Attempt::Spoilt { by: ran };
        }
        Attempt::Ended { ran, committed: txn.commit() }
    }

    /// Takes nobody in any more, commits those who are there, and ends the thread. Returns when that is done
    /// if it is to `wait`.
    pub(crate) fn close(&self, wait: bool) {
        let mut queue = self.queue();
        queue.closed = true;
        let thread = queue.thread.take();
        self.moved.notify_all();
        self.room.notify_all();
        drop(queue);
        if !wait {
            return;
        }
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        // Another one may be closing it too, and have taken the thread; or a caller commits alone.
        let mut queue = self.queue();
        while queue.busy || !queue.members.is_empty() {
            queue = self.moved.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// How one transaction went.
enum Attempt {
    /// The first `ran` members were in it.
    Ended { ran: usize, committed: Result<(), CommitError> },
    /// This member failed after it wrote something, so nothing was committed.
    Spoilt { by: usize },
}

fn storage(error: WriteError) -> StorageError {
    match error {
        WriteError::Storage(error) => error,
        other => StorageError::Database(Arc::new(redb::Error::Corrupted(other.to_string()))),
    }
}

/// A caller that commits by itself. Lets the others go on when it is done, even if it panics.
struct Solo<'a> {
    batcher: &'a Batcher,
    _at_work: AtWork,
}

impl Drop for Solo<'_> {
    fn drop(&mut self) {
        self.batcher.queue().busy = false;
        self.batcher.moved.notify_all();
    }
}

fn discard(member: Box<dyn Member>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(member)));
}
