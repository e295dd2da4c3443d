//! Who waits for a change is woken here. The doorbell carries no data: the change log is the truth.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The head of the log as far as it is known here.
    pub(crate) head: u64,
    /// The store was closed.
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub(crate) struct Doorbell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug)]
struct State {
    heard: Heard,
    next_ticket: u64,
    wakers: Vec<(u64, Waker)>,
}

impl Doorbell {
    pub(crate) fn new(head: u64) -> Self {
        let heard = Heard { head, closed: false };
        Self { state: Mutex::new(State { heard, next_ticket: 1, wakers: Vec::new() }), rung: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log has reached `head`. Commits may ring out of order; the head never goes back.
    pub(crate) fn ring(&self, head: u64) {
        let state = self.lock();
        if head > state.heard.head {
            self.wake(state, |heard| heard.head = head);
        }
    }

    /// Ends every wait, now and later.
    pub(crate) fn close(&self) {
        self.wake(self.lock(), |heard| heard.closed = true);
    }

    /// Has everybody look at their own reasons to stop waiting.
    pub(crate) fn nudge(&self) {
        self.wake(self.lock(), |_| {});
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, news: impl FnOnce(&mut Heard)) {
        news(&mut state.heard);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.rung.notify_all();
        for (_, waker) in wakers {
            // What a caller's waker does must not fail the commit that rings.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// The head of the log as far as it is known here.
    pub(crate) fn head(&self) -> u64 {
        self.lock().heard.head
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().heard.closed
    }

    /// Waits until the log is beyond `after`, the store is closed, `stopped` says so, or `timeout` is over.
    pub(crate) fn wait(&self, after: u64, timeout: Duration, stopped: impl Fn() -> bool) -> Heard {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while state.heard.head <= after && !state.heard.closed && !stopped() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let left = left.unwrap_or(Duration::from_secs(3_600));
            state = self.rung.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.heard
    }

    /// The same for a future: leaves the waker under a ticket until it rings.
    pub(crate) fn poll(&self, after: u64, ticket: &mut u64, waker: &Waker) -> Poll<Heard> {
        self.forget(std::mem::replace(ticket, 0));
        let waker = waker.clone();
        let mut state = self.lock();
        if state.heard.head > after || state.heard.closed {
            return Poll::Ready(state.heard);
        }
        *ticket = state.next_ticket;
        state.next_ticket += 1;
        state.wakers.push((*ticket, waker));
        Poll::Pending
    }

    /// Takes a waker back.
    pub(crate) fn forget(&self, ticket: u64) {
        if ticket == 0 {
            return;
        }
        let mut state = self.lock();
        let place = state.wakers.iter().position(|(other, _)| *other == ticket);
        let waker = place.map(|place| state.wakers.swap_remove(place));
        // A waker is the caller's, and may do anything when it is dropped: not under the lock.
        drop(state);
        drop(waker);
    }
}
