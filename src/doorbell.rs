//! Who waits for a change is woken here. The doorbell carries no data: the change log is the truth.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::id::ChangeSeq;

#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    head: Mutex<u64>,
    rung: Condvar,
}

impl Doorbell {
    pub(crate) fn new(head: u64) -> Self {
        Self { head: Mutex::new(head), rung: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log has reached `head`. Commits may ring out of order; the head never goes back.
    pub(crate) fn ring(&self, head: u64) {
        let mut known = self.lock();
        if head > *known {
            *known = head;
            self.rung.notify_all();
        }
    }

    /// Waits until the log is beyond `after`, or for `timeout`, and gives the head that is known then.
    pub(crate) fn wait(&self, after: ChangeSeq, timeout: Duration) -> ChangeSeq {
        let deadline = Instant::now().checked_add(timeout);
        let mut head = self.lock();
        while *head <= after.0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let left = left.unwrap_or(Duration::from_secs(3_600));
            head = self.rung.wait_timeout(head, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        ChangeSeq(*head)
    }
}
