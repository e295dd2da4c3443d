//! What the worker says that it has begun and what was acknowledged, in memory that both processes see.
//!
//! A file on a tmpfs: what is written there is read at once by the other process, and no power cut of the campaign touches it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// One for each thread of the worker, and one for the store as a whole.
pub const COUNTERS: usize = 16;

pub struct Acks(File);

impl Acks {
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(2 * 8 * COUNTERS as u64)?;
        Ok(Self(file))
    }

    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open(path)?))
    }

    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// So many operations of this thread have been begun: none beyond them can be found.
    pub fn begin(&self, thread: usize, operations: u64) -> io::Result<()> {
        self.put(COUNTERS + thread, operations)
    }

    /// So many operations of this thread were acknowledged as durable: all of them must be found.
    pub fn acknowledge(&self, thread: usize, operations: u64) -> io::Result<()> {
        self.put(thread, operations)
    }

    pub fn acknowledged(&self) -> io::Result<Vec<u64>> {
        self.get(0)
    }

    pub fn begun(&self) -> io::Result<Vec<u64>> {
        self.get(COUNTERS)
    }

    fn put(&self, place: usize, value: u64) -> io::Result<()> {
        self.0.write_all_at(&value.to_le_bytes(), 8 * place as u64)
    }

    fn get(&self, from: usize) -> io::Result<Vec<u64>> {
        let mut bytes = [0; 8 * COUNTERS];
        self.0.read_exact_at(&mut bytes, 8 * from as u64)?;
        Ok(bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }
}
