//! A storage whose syncs are counted, and wait at a gate while it is shut.

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use execstore::redb::StorageBackend;

use crate::memory::Memory;

/// The gate of a storage in memory.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<(Mutex<State>, Condvar)>,
    memory: Memory,
}

#[derive(Debug, Default)]
struct State {
    shut: bool,
    /// It is shut for the thread of this name alone.
    only: Option<&'static str>,
    passing: usize,
    waiting: usize,
    syncs: usize,
    fails: bool,
}

impl Gate {
    /// What a crash would leave at this moment, written as it is.
    pub fn image(&self) -> Memory {
        Memory::new(self.memory.image())
    }

    pub fn shut(&self) {
        self.state.0.lock().unwrap().shut = true;
    }

    /// Shut for the threads of a name alone.
    pub fn shut_for(&self, thread: &'static str) {
        self.state.0.lock().unwrap().only = Some(thread);
        self.shut();
    }

    /// Lets one sync through that waits, or the next one.
    pub fn let_one_pass(&self) {
        self.state.0.lock().unwrap().passing += 1;
        self.state.1.notify_all();
    }

    pub fn open(&self) {
        self.state.0.lock().unwrap().shut = false;
        self.state.1.notify_all();
    }

    /// Every sync that has not ended fails, and so does every later one.
    pub fn fail(&self) {
        self.state.0.lock().unwrap().fails = true;
        self.open();
    }

    /// How many syncs were begun.
    pub fn syncs(&self) -> usize {
        self.state.0.lock().unwrap().syncs
    }

    /// One that was let through has not come yet.
    pub fn lets_pass(&self) -> bool {
        self.state.0.lock().unwrap().passing > 0
    }

    /// A sync waits at the gate.
    pub fn is_waited_at(&self) -> bool {
        self.state.0.lock().unwrap().waiting > 0
    }

    /// Waits until a sync waits at the gate.
    pub fn wait_for_sync(&self) {
        let state = self.state.0.lock().unwrap();
        drop(self.state.1.wait_while(state, |state| state.waiting == 0).unwrap());
    }
}

impl StorageBackend for Gate {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state.0.lock().unwrap();
        state.syncs += 1;
        if state.only.is_some_and(|name| std::thread::current().name() != Some(name)) {
            return Ok(());
        }
        state.waiting += 1;
        self.state.1.notify_all();
        let mut state = self.state.1.wait_while(state, |state| state.shut && state.passing == 0).unwrap();
        state.passing = state.passing.saturating_sub(1);
        state.waiting -= 1;
        if state.fails { Err(io::Error::other("the sync failed")) } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}
