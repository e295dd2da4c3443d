//! Work that a store does on a thread of its own while there is some, and that ends with the store.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One kind of work. At most one thread does it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    state: Mutex<State>,
    /// The thread has nothing to do, or has got on.
    rests: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// There may be work that the thread has not seen.
    asked: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
    running: bool,
}

impl Background {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the work done, on a thread that starts if there is none. `work` goes on as long as [`goes_on`](Self::goes_on)
    /// says so. If the system gives no thread, nothing happens: the next one who asks may be luckier.
    pub(crate) fn ask(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        let mut state = self.state();
        state.asked = true;
        if state.stopped || state.running {
            return;
        }
        // The one before has ended, or is about to.
        drop(state.thread.take());
        if let Ok(thread) = thread::Builder::new().name(name.into()).spawn(work) {
            (state.thread, state.running) = (Some(thread), true);
        }
    }

    /// For the thread, when it has nothing to do: `true` if somebody has asked since it was here last.
    pub(crate) fn goes_on(&self) -> bool {
        let mut state = self.state();
        state.running = std::mem::take(&mut state.asked) && !state.stopped;
        if !state.running {
            self.rests.notify_all();
        }
        state.running
    }

    /// Waits as long as the thread has something to do, and the caller something to wait for.
    pub(crate) fn wait_while(&self, waits: impl Fn() -> bool) {
        drop(self.rests.wait_while(self.state(), |state| state.running && waits()));
    }

    /// Has those who wait look again.
    pub(crate) fn nudge(&self) {
        drop(self.state());
        self.rests.notify_all();
    }

    /// Held by the thread: if it panics, nobody waits for it afterwards.
    pub(crate) fn works(&self) -> Works<'_> {
        Works(self)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// No more work; waits until the thread has ended, at most until the deadline. `false` if it runs still.
    pub(crate) fn stop(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state();
        state.stopped = true;
        let Some(thread) = state.thread.take() else { return true };
        drop(state);
        let Some(deadline) = deadline.filter(|_| thread.thread().id() != thread::current().id()) else {
            return thread.is_finished();
        };
        // A step takes milliseconds, unless it waits for somebody's write.
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let _ = thread.join();
        true
    }
}

/// The thread is at work.
pub(crate) struct Works<'b>(&'b Background);

impl Drop for Works<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().running = false;
            self.0.rests.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn whoever_asks_is_heard_and_nobody_after_the_end() {
        let (background, done) = (Arc::new(Background::default()), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (inner, done) = (background.clone(), done.clone());
            background.ask("test", move || {
                while inner.goes_on() {
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        };
        for turn in 1..200 {
            let before = done.load(Ordering::SeqCst);
            ask();
            while done.load(Ordering::SeqCst) == before {
                thread::yield_now();
            }
            assert!(done.load(Ordering::SeqCst) <= turn);
        }
        let soon = Instant::now().checked_add(Duration::from_secs(60));
        assert!(background.stop(soon));
        let before = done.load(Ordering::SeqCst);
        ask();
        assert!(background.stop(soon));
        assert_eq!(done.load(Ordering::SeqCst), before);
    }
}
