//! Waits on conditions.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use execstore::Store;
use execstore::error::OpenError;

/// Far longer than anything takes that is waited for.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < WATCHDOG, "it did not come to that: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Until so many wait for changes or outputs of a store.
pub fn until_waiting(store: &Store, many: usize) {
    until("somebody waits", || store.status().unwrap().waiting >= many);
}

/// How often somebody who waited was woken.
pub fn woken(store: &Store) -> u64 {
    store.status().unwrap().woken
}

/// Opens a store once nobody has it open any more.
pub fn open_when_free(path: impl AsRef<Path>) -> Store {
    let mut opened = None;
    until("the file is free", || {
        opened = match Store::open(&path) {
            Err(OpenError::AlreadyOpen { .. }) => None,
            other => Some(other),
        };
        opened.is_some()
    });
    opened.unwrap().unwrap()
}

/// A piece of work that is not done at once. What is tested is that others wait for its end, however long it takes.
pub fn work() {
    thread::sleep(Duration::from_millis(50));
}
