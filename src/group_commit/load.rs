//! How much memory is held by what waits for its commit, as far as the callers said.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The bytes that wait.
#[derive(Debug, Default)]
pub(super) struct Load {
    bytes: Mutex<usize>,
    lighter: Condvar,
}

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Weight(Arc<Load>, usize);

impl Load {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a part, if there is room; what is larger than all of it goes alone. Else gives how much waits.
    pub(super) fn take(self: &Arc<Self>, bytes: usize, maximum: usize) -> Result<Weight, usize> {
        let mut all = self.lock();
        if *all > 0 && all.saturating_add(bytes) > maximum {
            return Err(*all);
        }
        *all = all.saturating_add(bytes);
        Ok(Weight(self.clone(), bytes))
    }

    /// Until something was given back, or for a moment.
    pub(super) fn wait(&self) {
        let all = self.lock();
        let _ = self.lighter.wait_timeout(all, Duration::from_millis(50));
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        let mut all = self.0.lock();
        *all = all.saturating_sub(self.1);
        drop(all);
        self.0.lighter.notify_all();
    }
}
