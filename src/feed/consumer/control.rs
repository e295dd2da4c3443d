//! What a consumer's thread and its handle share: wishes one way, statistics the other.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::doorbell::Doorbell;
use crate::feed::watch::WatchFrom;
use crate::model::id::ChangeSeq;
use crate::model::time::Timestamp;
use crate::storage::waits::{Awaited, Post, Waiting};

/// What a consumer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerState {
    /// Waiting for changes.
    Waiting,
    /// Its handler is at work.
    Handling,
    /// Its handler failed, and it waits to try again.
    BackingOff,
    /// It cannot continue by itself: what it needs was trimmed or cannot be read. Seek, or stop it.
    Blocked,
    /// The store stopped writing, so that it can neither save its position nor be given anything more; `last_error` says why. Its
    /// thread has ended. Open the store again.
    Poisoned,
    /// It has ended.
    Stopped,
}

/// How a consumer is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// What it is doing.
    pub state: ConsumerState,
    /// The last change that it is done with, or that its filter dropped after it.
    pub position: ChangeSeq,
    /// Its saved position; `None` if it is ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<ChangeSeq>,
    /// How many changes the log has after its position, those that its filter will drop included.
    #[serde(with = "crate::model::json::count")]
    pub lag: u64,
    /// The time of the last change that it is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change_at: Option<Timestamp>,
    /// How many changes were handled.
    #[serde(with = "crate::model::json::count")]
    pub handled: u64,
    /// How many changes were left out after all attempts failed.
    #[serde(with = "crate::model::json::count")]
    pub skipped: u64,
    /// How often the handler failed.
    #[serde(with = "crate::model::json::count")]
    pub failures: u64,
    /// What is wrong, or went wrong with what it is at; `None` again once something was done since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

pub(super) struct Control {
    inner: Mutex<Inner>,
    bell: Condvar,
    /// Held by the consumer's thread.
    runs: Arc<Post>,
    /// Under which it is nudged.
    pub(super) nudge: u64,
}

pub(super) struct Inner {
    pub(super) stats: ConsumerStats,
    pub(super) stop: bool,
    pub(super) seek: Option<WatchFrom>,
    thread: Option<JoinHandle<()>>,
    ended: bool,
}

impl Control {
    pub(super) fn new(position: ChangeSeq, ephemeral: bool, nudge: u64) -> Arc<Self> {
        let stats = ConsumerStats {
            state: ConsumerState::Waiting,
            position,
            checkpoint: (!ephemeral).then_some(position),
            lag: 0,
            last_change_at: None,
            handled: 0,
            skipped: 0,
            failures: 0,
            last_error: None,
        };
        let inner = Inner { stats, stop: false, seek: None, thread: None, ended: false };
        Arc::new(Self { inner: Mutex::new(inner), bell: Condvar::new(), runs: Arc::default(), nudge })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stats(&self, head: u64) -> ConsumerStats {
        let mut stats = self.lock().stats.clone();
        stats.lag = head.saturating_sub(stats.position.0);
        stats
    }

    pub(super) fn started(&self, thread: JoinHandle<()>) {
        self.lock().thread = Some(thread);
    }

    pub(super) fn runs_here(&self) {
        self.runs.take();
    }

    fn end(&self) {
        if self.runs.is_mine() {
            self.runs.leave();
        }
        let mut inner = self.lock();
        inner.ended = true;
        if inner.stats.state != ConsumerState::Poisoned {
            inner.stats.state = ConsumerState::Stopped;
        }
        drop(inner);
        self.bell.notify_all();
    }

    /// Somebody wants the consumer to do something else.
    pub(super) fn is_wanted(&self) -> bool {
        let inner = self.lock();
        inner.stop || inner.seek.is_some()
    }

    pub(super) fn wish(&self, doorbell: &Doorbell, wish: impl FnOnce(&mut Inner)) {
        wish(&mut self.lock());
        self.bell.notify_all();
        doorbell.nudge(self.nudge);
    }

    /// Waits, unless it is wanted, or the store comes to its end.
    pub(super) fn rest(&self, doorbell: &Doorbell, time: Duration) {
        doorbell.wait(u64::MAX, &[self.nudge].into(), time, || self.is_wanted());
    }

    /// Stops the consumer, and waits until its thread is done with it, at most until the deadline; not if that is the present one,
    /// or one that waits for it. `false` if it runs still.
    pub(super) fn stop(&self, doorbell: &Doorbell, deadline: Option<Instant>) -> bool {
        self.wish(doorbell, |inner| inner.stop = true);
        let waiting = match deadline {
            Some(_) => Waiting::begin(|| Awaited::End(self.runs.clone())).ok(),
            None => None,
        };
        let mut inner = self.lock();
        while waiting.is_some() && !inner.ended {
            let left = deadline.map_or(Duration::ZERO, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            inner = self.bell.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if !inner.ended {
            return false;
        }
        let thread = inner.thread.take().filter(|_| !self.runs.is_mine());
        drop(inner);
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        true
    }
}

/// Says that a consumer has ended, however that came about.
pub(super) struct Ending(pub(super) Arc<Control>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}
