//! Following the change log, and trimming it.

use super::Store;
use crate::feed::consumer::ConsumerBuilder;
use crate::feed::retention::{MaintenanceReport, maintain};
use crate::feed::watch::{WatchFrom, Watcher};
use crate::model::error::{Error, WatchError};
use crate::model::filter::Filter;

/// # The change feed
impl Store {
    /// Follows the change log from a start, as far as the filter lets through. See [`Watcher`].
    pub fn watch(&self, start: WatchFrom, filter: Filter) -> Result<Watcher, WatchError> {
        Watcher::new(self.engine.clone(), &start, filter)
    }

    /// A consumer: a handler that a thread of the store gives the changes to, from where it was
    /// the last time. See [`Consumer`](crate::consumer::Consumer). The name is that of its checkpoint, 1 to 256 bytes.
    pub fn consumer(&self, name: impl AsRef<str>) -> ConsumerBuilder {
        let (batcher, registry) = (self.threads.batcher.clone(), self.threads.registry.clone());
        ConsumerBuilder::new(self.engine.clone(), batcher, registry, name.as_ref().to_owned())
    }

    /// Trims the change log to its [retention](crate::options::LogRetention), and removes the rows that large deletions and trimmings have
    /// left, until there is nothing more to do: in transactions of a few milliseconds, between which others write.
    ///
    /// Rows that are left are removed in the background without this call; it returns when they are gone. In an attached
    /// database, and once [`share_database`](Store::share_database) was called, nobody does it in the background, because the caller may hold the
    /// write transaction: there each later write removes some, and this call all.
    ///
    /// A thread of the store can call it: see [`Builder::set_maintenance`](crate::Builder::set_maintenance).
    pub fn maintain(&self) -> Result<MaintenanceReport, Error> {
        maintain(&self.engine, || false)
    }
}
