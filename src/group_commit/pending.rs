//! Where the result of a request waits for its caller.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::model::error::{BatchError, Error, Reentrant};
use crate::storage::waits::Posts;

/// The result of a [submitted](crate::Store::submit) closure, once its commit is durable.
///
/// Wait for it on this thread, or `await` it under any async runtime. Dropping it does not take the
/// closure back.
#[must_use = "the writes are durable only once this returns `Ok`"]
pub struct Pending<T>(Arc<Slot<T>>);

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("is_ready", &self.is_ready()).finish()
    }
}

impl<T> Pending<T> {
    pub(super) fn new(slot: Arc<Slot<T>>) -> Self {
        Self(slot)
    }

    /// Waits until the commit is durable, or has failed.
    ///
    /// [`Reentrant`](crate::error::Reentrant) on a thread that the commit waits for: one that holds a
    /// [`WriteTxn`](crate::WriteTxn), or within a closure that writes. The closure stays in the queue and is committed later.
    pub fn wait(self) -> Result<T, Error> {
        if self.is_ready() {
            return self.0.wait();
        }
        let _waiting = super::waiting(&self.0.posts)?;
        self.0.wait()
    }

    /// `true` once the result is there: then [`wait`](Self::wait) does not wait.
    pub fn is_ready(&self) -> bool {
        !matches!(*self.0.lock(), State::Waiting(_))
    }
}

/// Gives the result once. Polled again after that, it is ready at once, with [`BatchError::Taken`], and so is
/// [`wait`](Pending::wait). A poll that was not ready takes nothing: then `wait` waits for the result. Polled within a closure that writes to the same store, where
/// it could never be ready, it is refused as [`wait`](Pending::wait) is.
impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The caller's own code, to be cloned before anything is taken, and dropped without the lock.
        let waker = (!self.0.posts.inside.is_mine()).then(|| cx.waker().clone());
        let mut state = self.0.lock();
        let before = match std::mem::replace(&mut *state, State::Taken) {
            State::Done(result) => return Poll::Ready(result),
            // The only result there is was given away; who waited for another would wait for ever.
            State::Taken => return Poll::Ready(Err(BatchError::Taken.into())),
            State::Waiting(before) => before,
        };
        let may_wait = waker.is_some();
        *state = State::Waiting(waker);
        drop(state);
        drop(before);
        if may_wait { Poll::Pending } else { Poll::Ready(Err(Reentrant.into())) }
    }
}

enum State<T> {
    Waiting(Option<Waker>),
    Done(Result<T, Error>),
    Taken,
}

/// One result, on its way from the thread that commits to the one that waits.
pub(super) struct Slot<T> {
    state: Mutex<State<T>>,
    done: Condvar,
    posts: Arc<Posts>,
}

impl<T> Slot<T> {
    pub(super) fn new(posts: Arc<Posts>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::Waiting(None)), done: Condvar::new(), posts })
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first answer stands.
    pub(super) fn answer(&self, result: Result<T, Error>) {
        let mut state = self.lock();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Done(result);
            drop(state);
            self.done.notify_one();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    pub(super) fn wait(&self) -> Result<T, Error> {
        let mut state = self.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Done(result) => return result,
                // Taken: by a poll of the same future, which gave the only result there is away.
                State::Taken => return Err(BatchError::Taken.into()),
                waiting @ State::Waiting(_) => {
                    *state = waiting;
                    state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
