//! The consumers of a store: one of each name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::control::Control;
use crate::doorbell::Doorbell;
use crate::error::{Error, StorageError, WatchError};

/// The consumers of a store that are running, by name.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Running>);

#[derive(Default)]
struct Running {
    /// A name that is taken, and its consumer once there is one.
    names: HashMap<String, Option<Arc<Control>>>,
    closed: bool,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a name.
    pub(super) fn claim(self: Arc<Self>, name: &str) -> Result<Claim, Error> {
        let mut running = self.lock();
        if running.closed {
            return Err(StorageError::Closed.into());
        }
        if running.names.contains_key(name) {
            return Err(WatchError::AlreadyRunning { name: name.to_owned() }.into());
        }
        running.names.insert(name.to_owned(), None);
        drop(running);
        Ok(Claim { registry: self, name: name.to_owned() })
    }

    /// Stops every consumer, and lets no other start.
    pub(crate) fn stop_all(&self, doorbell: &Doorbell, wait: bool) {
        let mut running = self.lock();
        running.closed = true;
        let controls: Vec<_> = running.names.values().flatten().cloned().collect();
        drop(running);
        controls.iter().for_each(|control| control.stop(doorbell, wait));
    }
}

/// A name that is taken for as long as its consumer's thread is there.
pub(super) struct Claim {
    registry: Arc<Registry>,
    name: String,
}

impl Claim {
    /// From now on the store stops this consumer when it is closed, unless that has happened.
    pub(super) fn runs(&self, control: &Arc<Control>) -> Result<(), Error> {
        let mut running = self.registry.lock();
        if running.closed {
            return Err(StorageError::Closed.into());
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
