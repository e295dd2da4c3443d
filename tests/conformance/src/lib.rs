//! What every engine has to do, in values, queries, pages and the log alone: no file, no path, no database of the caller's.
//!
//! An engine implements [`Engine`] and calls [`suite!`], which makes one test of each behaviour.
#![allow(missing_docs)]
// The files have the names that they had as tests.
#![allow(clippy::module_inception)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod buckets;
pub mod executions;
pub mod feed;
pub mod history;
pub mod log;
pub mod side_data;
pub mod transactions;

mod suite;

use std::ops::Deref;

use execstore::error::OpenError;
use execstore::{Builder, Store};
use support::{ticking_clock, verified_twice};

/// Where stores come from.
pub trait Engine: Sync {
    /// An empty place for one store.
    fn place(&self) -> Box<dyn Place>;
}

/// What keeps a store when nobody has it open.
pub trait Place: Send + Sync {
    /// Opens the store, or makes it if there is none. Nobody else has it open.
    fn open(&self, settings: &Builder) -> Result<Store, OpenError>;

    /// What somebody else would find there if this process ended now, as a place of its own. Somebody may have the store open.
    fn crash(&self) -> Box<dyn Place>;

    /// Keeps what is there for whoever wants to know what went wrong, and says where.
    fn keep(self: Box<Self>) -> String;
}

impl dyn Engine + '_ {
    /// A store with the default settings.
    pub fn store(&self) -> TestStore {
        self.store_with(&Store::builder())
    }

    /// With the settings of a builder.
    pub fn store_with(&self, settings: &Builder) -> TestStore {
        let place = self.place();
        let store = place.open(settings).unwrap();
        TestStore { store: Some(store), place: Some(place), settings: settings.clone() }
    }

    /// With a clock that gives 1, 2, 3 ... nanoseconds.
    pub fn ticking(&self) -> TestStore {
        self.store_with(Store::builder().set_clock(ticking_clock()))
    }
}

/// A store in a place of its own. When it is dropped all of it is verified, as it is and once more after it was closed
/// and opened again; if something is wrong, it is kept and named.
pub struct TestStore {
    store: Option<Store>,
    place: Option<Box<dyn Place>>,
    settings: Builder,
}

impl TestStore {
    /// Closes the store and opens it again. Every other handle must be gone.
    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.open());
    }

    /// The same with other settings.
    pub fn reopen_with(&mut self, settings: &Builder) {
        self.settings = settings.clone();
        self.reopen();
    }

    /// What a crash of the process would leave at this moment, opened.
    pub fn crash_copy(&self) -> TestStore {
        let place = self.place.as_ref().unwrap().crash();
        let store = place.open(&self.settings).unwrap();
        TestStore { store: Some(store), place: Some(place), settings: self.settings.clone() }
    }

    /// Gives up the store without verifying it.
    pub fn into_place(mut self) -> Box<dyn Place> {
        self.store = None;
        self.place.take().unwrap()
    }

    fn open(&self) -> Store {
        self.place.as_ref().unwrap().open(&self.settings).unwrap()
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        if self.place.is_none() || std::thread::panicking() {
            return;
        }
        if let Err(wrong) = verified_twice(self.store.take(), || self.open()) {
            panic!("the store in {} is not clean, {wrong}", self.place.take().unwrap().keep());
        }
    }
}
