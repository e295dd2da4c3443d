//! Waits on conditions.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
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

/// Does something while another thread holds a write transaction of the store.
pub fn while_another_writes<T>(store: &Store, act: impl FnOnce() -> T) -> T {
    let ((held, is_held), (end, ended)) = (channel(), channel::<()>());
    thread::scope(|scope| {
        scope.spawn(move || {
            let txn = store.begin_write().unwrap();
            held.send(()).unwrap();
            let _ = ended.recv();
            drop(txn);
        });
        is_held.recv().unwrap();
        // It ends in a panic, too.
        let _end = end;
        act()
    })
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

/// A thread of which others see whether it waits.
#[derive(Clone, Debug)]
pub struct Watched(#[cfg_attr(not(target_os = "linux"), allow(dead_code))] PathBuf);

impl Watched {
    /// This thread.
    pub fn here() -> Self {
        Self(Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap_or_default()))
    }

    /// Until it waits for something, and nothing wakes it, or it has ended. A thread that waits for its turn on a busy machine is
    /// not taken for one that does.
    #[cfg(target_os = "linux")]
    pub fn until_it_waits(&self) {
        let seen = || -> Option<(bool, String)> {
            let status = std::fs::read_to_string(self.0.join("status")).ok()?;
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
            let switches = field("voluntary_ctxt_switches:")?.to_owned();
            Some((field("State:")?.trim_start().starts_with('S'), switches))
        };
        let (mut last, mut since) = (String::new(), 0);
        until("the thread waits", || {
            let Some((sleeps, switches)) = seen() else { return true };
            since = if sleeps && switches == last { since + 1 } else { 0 };
            last = switches;
            since >= 20
        });
    }

    /// Nothing tells whether a thread waits: it has had the time to.
    #[cfg(not(target_os = "linux"))]
    pub fn until_it_waits(&self) {
        work();
    }
}

/// A piece of work that is not done at once. What is tested is that others wait for its end, however long it takes.
pub fn work() {
    thread::sleep(Duration::from_millis(50));
}
