//! Two storages that remember what was asked of them, and the images that a crash can leave of them.
//!
//! Between two syncs of a file any subset of its writes and length changes may persist, torn at 512 bytes.
//! A sync of one file says nothing about the other. The length is one that was asked for.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

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

/// The main file is 0, the journal 1.
pub const MAIN: usize = 0;
pub const JOURNAL: usize = 1;

pub type Log = Vec<(usize, Act)>;

/// A main file and a journal under recording.
#[derive(Clone, Default)]
pub struct Pair {
    files: [Memory; 2],
    log: Arc<Mutex<Log>>,
}

/// One of the two.
#[derive(Debug)]
pub struct Disk {
    file: usize,
    memory: Memory,
    log: Arc<Mutex<Log>>,
}

impl Pair {
    pub fn new(images: [Vec<u8>; 2]) -> Self {
        Self { files: images.map(Memory::new), log: Arc::default() }
    }

    pub fn disk(&self, file: usize) -> Disk {
        Disk { file, memory: self.files[file].clone(), log: self.log.clone() }
    }

    pub fn images(&self) -> [Vec<u8>; 2] {
        [self.files[0].image(), self.files[1].image()]
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
        self.log.lock().unwrap().push((self.file, act));
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
    durable: [Vec<u8>; 2],
    pending: [Vec<usize>; 2],
}

impl Crash {
    /// At the beginning of a log that began with these files.
    pub fn new(log: Log, files: [Vec<u8>; 2]) -> Self {
        Self { log, at: 0, durable: files, pending: Default::default() }
    }

    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Goes on to where this many acts have been done.
    pub fn advance(&mut self, at: usize) {
        assert!(at >= self.at);
        for place in self.at..at {
            let (file, act) = &self.log[place];
            if matches!(act, Act::Sync) {
                for done in std::mem::take(&mut self.pending[*file]) {
                    apply(&mut self.durable[*file], &self.log[done].1, |_| true);
                }
            } else {
                self.pending[*file].push(place);
            }
        }
        self.at = at;
    }

    /// How many acts are uncertain.
    pub fn uncertain(&self) -> usize {
        self.pending[MAIN].len() + self.pending[JOURNAL].len()
    }

    /// The next act makes some of them certain.
    pub fn syncs_next(&self) -> bool {
        matches!(self.log.get(self.at), Some((_, Act::Sync)) | None)
    }

    /// An image. `keep` is asked for each uncertain act (file and place among them) and sector of it.
    pub fn image(&self, mut keep: impl FnMut(usize, usize, usize) -> bool) -> [Vec<u8>; 2] {
        let mut images = self.durable.clone();
        let mut nth = 0;
        for file in [MAIN, JOURNAL] {
            for place in &self.pending[file] {
                apply(&mut images[file], &self.log[*place].1, |sector| keep(file, nth, sector));
                nth += 1;
            }
        }
        images
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
