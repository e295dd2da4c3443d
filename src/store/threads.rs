//! The threads that a store has started: they end when its last handle goes, or when it is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::engine::core::Engine;
use crate::engine::doorbell::End;
use crate::feed::consumer::Registry;
use crate::feed::retention::maintain;
use crate::group_commit::{Committer, GroupCommitOptions};
use crate::storage::waits::{Awaited, Post, Waiting};
use crate::txn::removal;

/// Held by the handles of a store alone, so that the last one to go ends them.
pub(crate) struct Threads {
    engine: Arc<Engine>,
    pub(crate) batcher: Arc<Committer>,
    pub(crate) registry: Arc<Registry>,
    maintenance: Mutex<Option<Maintainer>>,
    /// Why the maintenance did not start.
    no_maintenance: Option<std::io::Error>,
    stopped: AtomicBool,
}

/// What a stop came to.
pub(crate) struct Stopped {
    /// This thread was in the way, so it was begun and not waited for.
    pub(crate) in_the_way: bool,
    /// What runs still, in words.
    pub(crate) running: Vec<String>,
}

impl Threads {
    pub(crate) fn new(
        engine: Arc<Engine>,
        group_commit: GroupCommitOptions,
        maintenance: Option<Duration>,
        stop_limit: Duration,
    ) -> Self {
        removal::ask_if_waiting(&engine);
        let (maintenance, no_maintenance) =
            match maintenance.map(|every| Maintainer::start(engine.clone(), every)) {
                None => (None, None),
                Some(Ok(maintenance)) => (Some(maintenance), None),
                Some(Err(error)) => (None, Some(error)),
            };
        Self {
            batcher: Committer::new(engine.clone(), group_commit),
            registry: Registry::new(stop_limit),
            maintenance: Mutex::new(maintenance),
            no_maintenance,
            stopped: AtomicBool::new(false),
            engine,
        }
    }

    /// Consumers first, which save their positions; then what was accepted is committed; then those who wait
    /// for changes are told. Waits for each of them for so long at most while nothing gets on.
    pub(crate) fn stop(&self, limit: Duration) -> Stopped {
        if self.engine.grounds.process.is_another() {
            // The threads are the parent's, and so is what they may hold.
            return Stopped { in_the_way: true, running: Vec::new() };
        }
        self.stopped.store(true, Ordering::Release);
        let in_the_way = self.is_in_the_way();
        let limit = (!in_the_way).then_some(limit);
        // A limit beyond the clock's end is as good as none.
        let deadline = || limit.map(|limit| Instant::now().checked_add(limit).unwrap_or_else(far));
        let mut running = Vec::new();
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).take();
        if maintenance.is_some_and(|maintenance| !maintenance.stop(deadline())) {
            running.push("the maintenance".to_owned());
        }
        if !self.engine.sweeping.stop(deadline()) {
            running.push("the removal of what was deleted".to_owned());
        }
        let consumers = self.registry.stop_all(&self.engine.doorbell, deadline());
        running.extend(consumers.into_iter().map(|name| format!("the handler of the consumer {name:?}")));
        if !self.batcher.close(limit) {
            running.push("the group commit".to_owned());
        }
        if !self.engine.flusher.thread.stop(deadline()) {
            running.push("the writing to the image".to_owned());
        }
        self.engine.doorbell.end(End::Closed);
        self.engine.commits.end(End::Closed);
        Stopped { in_the_way, running }
    }

    /// What is wrong with the maintenance.
    pub(crate) fn maintenance_error(&self) -> Option<String> {
        if let Some(error) = &self.no_maintenance {
            return Some(format!("no thread could be started: {error}"));
        }
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = maintenance.as_ref()?.engine.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }

    /// This thread commits for the others, or holds the write transaction that they wait for. A transaction
    /// that the caller began on the database itself may be on any thread, so on this one too.
    fn is_in_the_way(&self) -> bool {
        self.engine.write_lock.posts.is_needed_here() || !self.engine.can_write_soon()
    }
}

/// Further than anybody waits.
fn far() -> Instant {
    let now = Instant::now();
    now.checked_add(Duration::from_secs(100 * 365 * 86_400)).unwrap_or(now)
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A close has done it, and what it left running is left.
        if !self.stopped.load(Ordering::Acquire) {
            self.stop(self.registry.stop_limit);
        }
    }
}

/// Trims the log every now and then.
struct Maintainer {
    engine: Arc<Wish>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Wish {
    stop: Mutex<(bool, bool)>,
    bell: Condvar,
    runs: Arc<Post>,
    /// How the last maintenance failed, if it did.
    failed: Mutex<Option<String>>,
}

impl Wish {
    fn is_stopped(&self) -> bool {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Says that the thread has ended, however that came about.
struct Ending(Arc<Wish>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.runs.leave();
        self.0.stop.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.0.bell.notify_all();
    }
}

impl Maintainer {
    /// If the system gives no thread, `maintain` can still be called.
    fn start(engine: Arc<Engine>, every: Duration) -> std::io::Result<Self> {
        let wish: Arc<Wish> = Arc::default();
        let heard = wish.clone();
        let work = move || {
            heard.runs.take();
            let _ending = Ending(heard.clone());
            while !heard.is_stopped() {
                // An error poisons the store or will come again.
                let failed = maintain(&engine, || heard.is_stopped()).err().map(|error| error.to_string());
                *heard.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
                let stop = heard.stop.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = heard.bell.wait_timeout_while(stop, every, |(stop, _)| !*stop);
            }
            drop(engine);
        };
        let thread = thread::Builder::new().name("execstore-maintain".into()).spawn(work)?;
        Ok(Self { engine: wish, thread })
    }

    /// `false` if it runs still.
    fn stop(self, deadline: Option<Instant>) -> bool {
        let Self { engine, thread } = self;
        engine.stop.lock().unwrap_or_else(PoisonError::into_inner).0 = true;
        engine.bell.notify_all();
        let Some(deadline) = deadline else { return false };
        let Ok(_waiting) = Waiting::begin(|| Awaited::End(engine.runs.clone())) else { return false };
        let stop = engine.stop.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = engine.bell.wait_timeout_while(stop, left, |(_, ended)| !*ended);
        let ended = waited.unwrap_or_else(PoisonError::into_inner).0.1;
        if ended {
            let _ = thread.join();
        }
        ended
    }
}
