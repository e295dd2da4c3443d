//! The threads that a store has started: they end when its last handle goes, or when it is closed.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::batch::{Batcher, GroupCommit};
use crate::consumer::Registry;
use crate::maintain::maintain;
use crate::shared::Shared;
use crate::sweep;

/// Held by the handles of a store alone, so that the last one to go ends them.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) registry: Arc<Registry>,
    maintenance: Mutex<Option<Maintainer>>,
}

impl Threads {
    pub(crate) fn new(shared: Arc<Shared>, group_commit: GroupCommit, maintenance: Option<Duration>) -> Self {
        sweep::ask_if_waiting(&shared);
        Self {
            batcher: Batcher::new(shared.clone(), group_commit),
            registry: Arc::default(),
            maintenance: Mutex::new(maintenance.and_then(|every| Maintainer::start(shared.clone(), every))),
            shared,
        }
    }

    /// Consumers first, which save their positions; then what was accepted is committed; then those who wait
    /// for changes are told. `false`: this thread is in the way of all that, so it was begun and not waited for.
    pub(crate) fn stop(&self) -> bool {
        let wait = !self.is_in_the_way();
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(maintenance) = maintenance {
            maintenance.stop(wait);
        }
        self.shared.sweeping.stop(wait);
        self.registry.stop_all(&self.shared.doorbell, wait);
        self.batcher.close(wait);
        self.shared.doorbell.close();
        self.shared.commits.close();
        wait
    }

    /// This thread commits for the others, or holds the write transaction that they wait for. A transaction
    /// that the caller began on the database itself may be on any thread, so on this one too.
    fn is_in_the_way(&self) -> bool {
        self.batcher.is_at_work_here()
            || self.shared.turnstile.is_held_here()
            || !self.shared.can_write_soon()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Trims the log every now and then.
struct Maintainer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Maintainer {
    /// `None` if the system gives no thread: `maintain` can still be called.
    fn start(shared: Arc<Shared>, every: Duration) -> Option<Self> {
        let stop: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let heard = stop.clone();
        let work = move || {
            let (stop, bell) = &*heard;
            let mut stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
            while !*stopped {
                drop(stopped);
                // An error poisons the store or will come again: the writers hear of it.
                let _ = maintain(&shared, || *heard.0.lock().unwrap_or_else(PoisonError::into_inner));
                stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
                if !*stopped {
                    stopped = bell.wait_timeout(stopped, every).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        };
        let thread = thread::Builder::new().name("execstore-maintain".into()).spawn(work).ok()?;
        Some(Self { stop, thread })
    }
}

impl Maintainer {
    fn stop(self, wait: bool) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if wait && self.thread.thread().id() != thread::current().id() {
            let _ = self.thread.join();
        }
    }
}
