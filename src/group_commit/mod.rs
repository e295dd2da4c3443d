//! The group commit: many callers' closures in one transaction, with one durable commit.
//!
//! Callers queue up; a thread of the store runs all that are there in one transaction, and another one waits until it is
//! durable and answers them, while the next ones run. A caller who finds nobody there commits alone, on its own thread,
//! without the hand-over.
//!
//! Invariants:
//! - A member is answered after the commit of the transaction that it ran in, not before.
//! - Members run, and are committed, in the order in which they queued up.
//! - A member runs once. What one wrote that fails is taken back, row by row, and the others go on.

mod handle;
mod load;
mod options;
mod pending;
mod request;
mod settler;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::core::Engine;
use crate::model::error::{BatchError, CommitError, Error, Reentrant, StorageError, no_thread};
use crate::model::panics::{caught, dropped};
use crate::storage::waits::{Awaited, ForItself, Posts, Waiting};
use crate::txn::{InFlight, WriteTxn};
use crate::write::Writer;

use load::{Load, Weight};
use pending::Slot;
use request::{Closure, Failure, Request, guarded};
use settler::{Ran, Settler};

pub use handle::GroupCommit;
pub use options::GroupCommitOptions;
pub use pending::Pending;

/// How a closure is let into the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Refused while there is no room, instead of waiting.
    pub(crate) at_once: bool,
    /// How many bytes it holds, if that is to be counted.
    pub(crate) bytes: Option<usize>,
}

impl Admission {
    pub(crate) const WAITS: Self = Self { at_once: false, bytes: None };
    pub(crate) const AT_ONCE: Self = Self { at_once: true, bytes: None };
}

type Members = VecDeque<Box<dyn Request>>;

/// The queue of a store's group commit, and its thread.
pub(crate) struct Committer {
    engine: Arc<Engine>,
    settings: GroupCommitOptions,
    load: Arc<Load>,
    queue: Mutex<Queue>,
    /// Something came, or a commit ended.
    moved: Condvar,
    /// There is room in the queue.
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    members: Members,
    /// A transaction is under way, on the thread of the store or of a caller.
    busy: bool,
    /// Transactions that have ended, whose members were not answered yet.
    unsettled: usize,
    /// The thread waits for further members.
    gathering: bool,
    /// The first ones have waited for them once already.
    overdue: bool,
    closed: bool,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(crate) fn new(engine: Arc<Engine>, settings: GroupCommitOptions) -> Arc<Self> {
        Arc::new(Self {
            engine,
            settings,
            load: Arc::default(),
            queue: Mutex::default(),
            moved: Condvar::new(),
            room: Condvar::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a closure in a commit that it may share with others, and waits for it.
    pub(crate) fn batch<T, F>(self: &Arc<Self>, run: F, admission: Admission) -> Result<T, Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        match self.alone(admission)? {
            Some(direct) => direct.commit(run),
            None => self.queue_up(run, admission),
        }
    }

    /// Queues a closure and waits for it.
    pub(crate) fn queue_up<T, F>(self: &Arc<Self>, run: F, admission: Admission) -> Result<T, Error>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        // Before it is queued: what is queued is not taken back.
        let _waiting = self.waiting()?;
        self.enqueue(run, admission)?.wait()
    }

    /// Queues a closure without waiting for its commit.
    pub(crate) fn submit<T, F>(
        self: &Arc<Self>,
        run: F,
        admission: Admission,
    ) -> Result<Pending<T>, BatchError>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        Ok(Pending::new(self.enqueue(run, admission)?))
    }

    fn enqueue<T, F>(self: &Arc<Self>, run: F, admission: Admission) -> Result<Arc<Slot<T>>, BatchError>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let slot = Slot::new(self.posts().clone());
        match admission.bytes {
            None => self.push(Box::new(Closure::new(run, slot.clone())), admission)?,
            Some(bytes) => {
                let weight = self.weigh(bytes, admission)?;
                let weighed = move |writer: &mut Writer<'_>| {
                    let _ = &weight;
                    run(writer)
                };
                self.push(Box::new(Closure::new(weighed, slot.clone())), admission)?;
            }
        }
        Ok(slot)
    }

    /// Room for so many bytes among those that wait.
    fn weigh(&self, bytes: usize, admission: Admission) -> Result<Weight, BatchError> {
        if self.posts().commits_here() {
            return Err(Reentrant.into());
        }
        let maximum = self.settings.max_queue_bytes;
        loop {
            match self.load.take(bytes, maximum) {
                Ok(weight) => return Ok(weight),
                Err(waiting) if admission.at_once => {
                    return Err(BatchError::QueueTooLarge { waiting, bytes, maximum });
                }
                Err(_) => {
                    let _waiting = self.waiting()?;
                    if self.queue().closed {
                        return Err(StorageError::Closed.into());
                    }
                    self.load.wait();
                }
            }
        }
    }

    /// How many closures wait to be committed.
    pub(crate) fn queued(&self) -> usize {
        self.queue().members.len()
    }

    /// Refuses a wait for the group commit on a thread that it would wait for.
    pub(crate) fn check_can_wait(&self) -> Result<(), BatchError> {
        self.waiting().map(drop)
    }

    fn waiting(&self) -> Result<Waiting, BatchError> {
        waiting(self.posts())
    }

    fn check_room(&self, queue: &Queue) -> Result<(), BatchError> {
        match queue.members.len() < self.settings.max_queue {
            true => Ok(()),
            false => Err(BatchError::QueueFull { maximum: self.settings.max_queue }),
        }
    }

    fn posts(&self) -> &Arc<Posts> {
        &self.engine.write_lock.posts
    }

    /// Nobody is there: the caller may commit by itself, and runs what it writes once.
    pub(crate) fn alone(&self, admission: Admission) -> Result<Option<DirectCommit<'_>>, BatchError> {
        self.engine.grounds.process.check()?;
        if self.posts().commits_here() {
            return Err(Reentrant.into());
        }
        let mut queue = self.queue();
        if queue.closed {
            return Err(StorageError::Closed.into());
        }
        if admission.at_once {
            self.check_room(&queue)?;
        }
        if self.posts().writes_here() {
            return Err(Reentrant.into());
        }
        if queue.busy || queue.unsettled > 0 || !queue.members.is_empty() {
            return Ok(None);
        }
        queue.busy = true;
        self.posts().commit_directly.take();
        Ok(Some(DirectCommit { batcher: self }))
    }

    fn push(self: &Arc<Self>, member: Box<dyn Request>, admission: Admission) -> Result<(), BatchError> {
        self.engine.grounds.process.check()?;
        if self.posts().commits_here() {
            return Err(Reentrant.into());
        }
        let mut waiting = None;
        let mut queue = self.queue();
        while !queue.closed && queue.members.len() >= self.settings.max_queue {
            if admission.at_once {
                self.check_room(&queue)?;
            }
            if waiting.is_none() {
                waiting = Some(self.waiting()?);
            }
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        drop(waiting);
        if queue.closed {
            return Err(StorageError::Closed.into());
        }
        if queue.thread.is_none() {
            let batcher = self.clone();
            let thread = thread::Builder::new().name("execstore-commit".into());
            let spawned = thread.spawn(move || batcher.work());
            queue.thread = Some(spawned.map_err(no_thread("to commit on"))?);
        }
        queue.members.push_back(member);
        if !queue.busy || queue.gathering {
            self.moved.notify_all();
        }
        Ok(())
    }

    /// The store's own thread: commits what queues up, until the queue is closed and empty.
    fn work(self: &Arc<Self>) {
        let _at_work = self.posts().worker.hold();
        let settler = Settler::start(self);
        while let Some(mut members) = self.next_members() {
            if caught(|| self.run(&mut members, &settler)).is_err() {
                // It is not known what became of these: they are told, and do not run again.
                members.drain(..).for_each(dropped);
            }
            let mut queue = self.queue();
            // What did not fit goes first in the next one, which does not wait for more.
            queue.overdue = !members.is_empty();
            while let Some(member) = members.pop_back() {
                queue.members.push_front(member);
            }
            queue.busy = false;
            drop(queue);
            self.moved.notify_all();
        }
        settler.end();
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
        while !queue.closed && !queue.overdue && queue.members.len() < self.settings.max_members {
            let left =
                deadline.map_or(self.settings.max_delay, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            queue = self.moved.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (queue.gathering, queue.overdue) = (false, false);
        let many = queue.members.len().min(self.settings.max_members);
        let members = queue.members.drain(..many).collect();
        self.room.notify_all();
        Some(members)
    }

    /// Runs members in one transaction, from the front, and has those that it held settled. The rest stays.
    fn run(&self, members: &mut Members, settler: &Settler) {
        let (ran, outcome) = self.attempt(members);
        settler.settle(self, Ran { members: members.drain(..ran).collect(), outcome });
    }

    /// Gives how many of the members are done with, and their transaction.
    fn attempt(&self, members: &mut Members) -> (usize, Result<InFlight, Failure>) {
        let all = members.len();
        let txn = match WriteTxn::new(self.engine.clone(), "the group commit") {
            Ok(txn) => txn,
            Err(error) => return (all, Err(Failure::Begin(error))),
        };
        let mut writer = match txn.writer() {
            Ok(writer) => writer,
            Err(error) => return (all, Err(Failure::Writer(error))),
        };
        let mut ran = 0;
        for member in members.iter_mut() {
            let mark = writer.mark();
            let succeeded = txn.inside(|| member.run(&mut writer));
            ran += 1;
            if !succeeded {
                writer.cut(mark);
            }
            if writer.written() >= self.settings.max_bytes {
                break;
            }
        }
        drop(writer);
        if let Some(reason) = txn.failure() {
            return (all, Err(Failure::Commit(CommitError::RolledBack(reason.stopped()))));
        }
        (ran, txn.apply().map_err(Failure::Commit))
    }

    /// Takes nobody in any more, commits those who are there, and ends the thread. Waits until that is done, as long as
    /// something is committed every so often. `false` if it is not done.
    pub(crate) fn close(&self, limit: Option<Duration>) -> bool {
        let mut queue = self.queue();
        queue.closed = true;
        self.moved.notify_all();
        self.room.notify_all();
        drop(queue);
        let Some(limit) = limit else { return false };
        let Ok(_waiting) = self.waiting() else { return false };
        let mut queue = self.queue();
        let left_of = |queue: &Queue| (queue.members.len(), queue.unsettled);
        let (mut left, mut since) = (left_of(&queue), Instant::now());
        while queue.busy || queue.unsettled > 0 || !queue.members.is_empty() {
            let Some(more) = limit.checked_sub(since.elapsed()).filter(|more| !more.is_zero()) else {
                return false;
            };
            queue = self.moved.wait_timeout(queue, more).unwrap_or_else(PoisonError::into_inner).0;
            if left_of(&queue) != left {
                (left, since) = (left_of(&queue), Instant::now());
            }
        }
        // Another one may be closing it too, and have taken the thread.
        let thread = queue.thread.take();
        drop(queue);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        true
    }
}

fn waiting(posts: &Arc<Posts>) -> Result<Waiting, BatchError> {
    Waiting::begin(|| Awaited::Commit(posts.clone())).map_err(|ForItself| Reentrant.into())
}

/// A caller that commits by itself. Lets the others go on when it is done, even if it panics.
pub(crate) struct DirectCommit<'a> {
    batcher: &'a Committer,
}

impl DirectCommit<'_> {
    pub(crate) fn commit<T>(self, run: impl FnOnce(&mut Writer<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let txn = WriteTxn::new(self.batcher.engine.clone(), "the group commit")?;
        let value = {
            let mut writer = txn.writer()?;
            txn.inside(|| guarded(|| run(&mut writer)))?
        };
        txn.commit()?;
        Ok(value)
    }
}

impl Drop for DirectCommit<'_> {
    fn drop(&mut self) {
        if self.batcher.engine.grounds.process.is_another() {
            return;
        }
        self.batcher.posts().commit_directly.leave();
        self.batcher.queue().busy = false;
        self.batcher.moved.notify_all();
    }
}
