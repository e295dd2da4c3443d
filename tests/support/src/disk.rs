//! A storage that remembers what was asked of it, and the images that a crash can leave of it.
//!
//! Between two syncs any subset of the writes and length changes may persist, torn at 512 bytes. The length is one that was
//! asked for.

use std::io;
use std::sync::{Arc, Mutex};

use execstore::redb::StorageBackend;

use crate::memory::Memory;

pub const SECTOR: usize = 512;

#[derive(Clone, Debug)]
pub enum Act {
    Write(usize, Arc<[u8]>),
    SetLen(usize),
    Sync,
}

pub type Log = Vec<Act>;

/// A file under recording.
#[derive(Clone, Default)]
pub struct Recorded {
    file: Memory,
    log: Arc<Mutex<Log>>,
}

/// The storage of it.
#[derive(Debug)]
pub struct Disk {
    memory: Memory,
    log: Arc<Mutex<Log>>,
}

impl Recorded {
    pub fn new(image: Vec<u8>) -> Self {
        Self { file: Memory::new(image), log: Arc::default() }
    }

    pub fn disk(&self) -> Disk {
        Disk { memory: self.file.clone(), log: self.log.clone() }
    }

    pub fn image(&self) -> Vec<u8> {
        self.file.image()
    }

    /// How many acts there were until now.
    pub fn acts(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    pub fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }
}

impl Disk {
    fn note(&self, act: Act) {
        self.log.lock().unwrap().push(act);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.note(Act::SetLen(usize::try_from(len).unwrap()));
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.note(Act::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.note(Act::Write(usize::try_from(offset).unwrap(), data.into()));
        self.memory.write(offset, data)
    }
}

/// What is certain after the first acts of a log, and what is not.
pub struct Crash {
    log: Log,
    at: usize,
    durable: Vec<u8>,
    pending: Vec<usize>,
}

impl Crash {
    /// At the beginning of a log that began with this file.
    pub fn new(log: Log, file: Vec<u8>) -> Self {
        Self { log, at: 0, durable: file, pending: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Goes on to where this many acts have been done.
    pub fn advance(&mut self, at: usize) {
        assert!(at >= self.at);
        for place in self.at..at {
            if matches!(self.log[place], Act::Sync) {
                for done in std::mem::take(&mut self.pending) {
                    apply(&mut self.durable, &self.log[done], |_| true);
                }
            } else {
                self.pending.push(place);
            }
        }
        self.at = at;
    }

    /// How many acts are uncertain.
    pub fn uncertain(&self) -> usize {
        self.pending.len()
    }

    /// The next act makes some of them certain.
    pub fn syncs_next(&self) -> bool {
        matches!(self.log.get(self.at), Some(Act::Sync) | None)
    }

    /// Where the nth of the uncertain acts begins; `None` for a change of the length.
    pub fn offset(&self, nth: usize) -> Option<usize> {
        match &self.log[self.pending[nth]] {
            Act::Write(offset, _) => Some(*offset),
            _ => None,
        }
    }

    /// An image. `keep` is asked for each uncertain act (its place among them) and sector of it.
    pub fn image(&self, mut keep: impl FnMut(usize, usize) -> bool) -> Vec<u8> {
        let mut image = self.durable.clone();
        for (nth, place) in self.pending.iter().enumerate() {
            apply(&mut image, &self.log[*place], |sector| keep(nth, sector));
        }
        image
    }
}

/// Does an act, or those sectors of it that `keep` wants. What lies behind the end is not seen.
fn apply(bytes: &mut Vec<u8>, act: &Act, mut keep: impl FnMut(usize) -> bool) {
    match act {
        Act::SetLen(len) => {
            if keep(0) {
                bytes.resize(*len, 0);
            }
        }
        Act::Write(offset, data) => {
            let mut from = 0;
            while from < data.len() {
                let sector = (offset + from) / SECTOR;
                let to = data.len().min((sector + 1) * SECTOR - offset);
                if keep(sector) && offset + to <= bytes.len() {
                    bytes[offset + from..offset + to].copy_from_slice(&data[from..to]);
                }
                from = to;
            }
        }
        Act::Sync => {}
    }
}
