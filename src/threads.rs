//! The threads that a store has started: they end when its last handle goes, or when it is closed.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::batch::{Batcher, GroupCommit};
use crate::consumer::Registry;
use crate::maintain::maintain;
use crate::shared::Shared;

/// Held by the handles of a store alone, so that the last one to go ends them.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) registry: Arc<Registry>,
    maintenance: Mutex<Option<Maintainer>>,
}

impl Threads {
    pub(crate) fn new(shared: Arc<Shared>, group_commit: GroupCommit, maintenance: Option<Duration>) -> Self {
        Self {
            batcher: Batcher::new(shared.clone(), group_commit),
            registry: Arc::default(),
            maintenance: Mutex::new(maintenance.and_then(|every| Maintainer::start(shared.clone(), every))),
            shared,
        }
    }

    /// Consumers first, which save their positions; then what was accepted is committed; then those who wait
    /// for changes are told. A thread that holds a write transaction does not wait for those that wait for it:
    /// they end once it has ended.
    pub(crate) fn stop(&self) {
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(maintenance) = maintenance {
            maintenance.stop(!self.shared.turnstile.is_held_here());
        }
        self.registry.stop_all(&self.shared.doorbell, &self.shared.turnstile);
        self.batcher.close();
        self.shared.doorbell.close();
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
                let _ = maintain(&shared);
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
