//! The consumers of a store: one of each name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::control::{ConsumerStats, Control};
use crate::engine::doorbell::Doorbell;
use crate::model::error::{StorageError, WatchError};

/// The consumers of a store that are running, by name.
pub(crate) struct Registry {
    running: Mutex<Running>,
    /// How long a stop waits for a handler to return.
    pub(crate) stop_limit: Duration,
}

#[derive(Default)]
struct Running {
    /// A name that is taken, and its consumer once there is one.
    names: HashMap<String, Option<Arc<Control>>>,
    closed: bool,
}

impl Registry {
    pub(crate) fn new(stop_limit: Duration) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), stop_limit })
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name.
    pub(super) fn claim(self: Arc<Self>, name: &str) -> Result<Claim, WatchError> {
        let mut running = self.lock();
        if running.closed {
            return Err(StorageError::Closed.into());
        }
        if running.names.contains_key(name) {
            return Err(WatchError::AlreadyRunning { name: name.to_owned() });
        }
        running.names.insert(name.to_owned(), None);
        drop(running);
        Ok(Claim { registry: self, name: name.to_owned() })
    }

    /// The statistics of those that run, by name.
    pub(crate) fn stats(&self, head: u64) -> HashMap<String, ConsumerStats> {
        let controls: Vec<_> = {
            let running = self.lock();
            running.names.iter().filter_map(|(name, c)| Some((name.clone(), c.clone()?))).collect()
        };
        controls.into_iter().map(|(name, control)| (name, control.stats(head))).collect()
    }

    /// Stops every consumer, and lets no other start. Gives the names of those that run still.
    pub(crate) fn stop_all(&self, doorbell: &Doorbell, deadline: Option<Instant>) -> Vec<String> {
        let mut running = self.lock();
        running.closed = true;
        let controls: Vec<_> = running
            .names
            .iter()
            .filter_map(|(name, control)| Some((name.clone(), control.clone()?)))
            .collect();
        drop(running);
        // All of them are told before any is waited for.
        for (_, control) in &controls {
            control.stop(doorbell, None);
        }
        let runs =
            |(name, control): (String, Arc<Control>)| (!control.stop(doorbell, deadline)).then_some(name);
        controls.into_iter().filter_map(runs).collect()
    }
}

/// A name that is taken for as long as its consumer's thread is there.
pub(super) struct Claim {
    registry: Arc<Registry>,
    name: String,
}

impl Claim {
    /// From now on the store stops this consumer when it is closed, unless that has happened.
    pub(super) fn runs(&self, control: &Arc<Control>) -> Result<(), StorageError> {
        let mut running = self.registry.lock();
        if running.closed {
            return Err(StorageError::Closed);
        }
        running.names.insert(self.name.clone(), Some(control.clone()));
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.registry.lock().names.remove(&self.name);
    }
}
