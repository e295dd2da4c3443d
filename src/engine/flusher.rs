//! Whether somebody gives redb what was acknowledged, in the background.

use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::engine::background::Background;

/// The thread that does it, and whether it is about to.
#[derive(Default)]
pub(crate) struct Flusher {
    pub(crate) thread: Background,
    /// The rows that are pending are wanted in redb, not only what a round has ended with.
    pub(super) wants_rows: AtomicBool,
    /// It has redb's transaction, or what it committed is not noted yet.
    active: Mutex<bool>,
    idle: Condvar,
}

impl Flusher {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what it commits at the moment is noted.
    pub(crate) fn wait(&self) {
        drop(self.idle.wait_while(self.lock(), |active| *active));
    }

    pub(super) fn begin(&self) -> Active<'_> {
        *self.lock() = true;
        Active(self)
    }
}

/// While the thread is about to commit, however that ends.
pub(super) struct Active<'f>(&'f Flusher);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
        self.0.idle.notify_all();
    }
}
