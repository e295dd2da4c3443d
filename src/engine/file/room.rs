//! Room on the disk. redb takes any error of its storage for the end of it, so it is not told that the disk is full: what finds
//! no room is kept in memory, the transaction that needed it is rolled back, and only then it is an error, of that transaction alone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::Medium;
use super::overlay::{BLOCK, parts};
use crate::model::error::{StorageError, is_full};
use crate::storage::settings::Space;

/// The system is asked for its free space at most this often.
const ASKED: Duration = Duration::from_millis(10);

/// With less than this a checkpoint may find that there is no room when it is too late to say so.
const CHECKPOINT: u64 = 8 * 1024 * 1024;

/// redb's image on a medium, and the room that there is for it.
#[derive(Debug)]
pub(crate) struct Room {
    medium: Arc<Medium>,
    offset: u64,
    /// Asked for the free space, where there is a file system.
    probe: Option<File>,
    /// What is kept free for what makes room.
    reserve: u64,
    short: AtomicBool,
    /// redb was given an error.
    failed: AtomicBool,
    spilled: RwLock<Spilled>,
    asked: Mutex<Option<(Instant, u64)>>,
}

/// What found no room.
#[derive(Debug, Default)]
struct Spilled {
    /// The length that redb takes its storage to have.
    len: Option<u64>,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl Room {
    pub(crate) fn new(medium: Arc<Medium>, offset: u64, probe: Option<File>, reserve: u64) -> Arc<Self> {
        let (short, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        let (spilled, asked) = (RwLock::default(), Mutex::default());
        Arc::new(Self { medium, offset, probe, reserve, short, failed, spilled, asked })
    }

    /// Remembers that redb was given an error, after which it does nothing more.
    pub(super) fn noted<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.failed.store(true, Ordering::Release))
    }

    pub(super) fn medium(&self) -> &Medium {
        &self.medium
    }

    fn spilled(&self) -> RwLockWriteGuard<'_, Spilled> {
        self.spilled.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    fn real_len(&self) -> io::Result<u64> {
        Ok(self.medium.len()?.saturating_sub(self.offset))
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        if self.is_short()
            && let Some(len) = self.spilled.read().unwrap_or_else(PoisonError::into_inner).len
        {
            return Ok(len);
        }
        self.real_len()
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.is_short() {
            return self.medium.read(self.offset + offset, out);
        }
        let spilled = self.spilled.read().unwrap_or_else(PoisonError::into_inner);
        let real = self.real_len()?;
        if offset + out.len() as u64 > spilled.len.unwrap_or(real) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, inside, place) in parts(offset, out.len()) {
            let at = offset + place.start as u64;
            let Some(part) = out.get_mut(place) else { continue };
            match spilled.blocks.get(&number).and_then(|block| block.get(inside)) {
                Some(block) => part.copy_from_slice(block),
                None => self.read_real(real, at, part)?,
            }
        }
        Ok(())
    }

    /// Reads what is there, and zeros behind the end.
    fn read_real(&self, real: u64, at: u64, part: &mut [u8]) -> io::Result<()> {
        part.fill(0);
        let there = real.saturating_sub(at).min(part.len() as u64) as usize;
        match part.get_mut(..there) {
            Some(there) if !there.is_empty() => self.medium.read(self.offset + at, there),
            _ => Ok(()),
        }
    }

    pub(super) fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.is_short() {
            // The header makes a commit durable: not while a part of what it names is in memory.
            if offset == 0 && !self.place()? {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let mut spilled = self.spilled();
            let end = (offset + data.len() as u64).div_ceil(BLOCK);
            let kept = spilled.blocks.range(offset / BLOCK..end).next().is_some();
            if kept || offset + data.len() as u64 > self.real_len()? {
                return self.keep(&mut spilled, offset, data);
            }
        }
        match self.medium.write(self.offset + offset, data) {
            Err(error) if is_full(&error) && offset != 0 => {
                let mut spilled = self.spilled();
                self.short.store(true, Ordering::Release);
                self.keep(&mut spilled, offset, data)
            }
            written => written,
        }
    }

    fn keep(&self, spilled: &mut Spilled, offset: u64, data: &[u8]) -> io::Result<()> {
        let real = self.real_len()?;
        for (number, inside, place) in parts(offset, data.len()) {
            let block = match spilled.blocks.entry(number) {
                Entry::Occupied(kept) => kept.into_mut(),
                Entry::Vacant(slot) => {
                    let mut whole = vec![0; BLOCK as usize].into_boxed_slice();
                    self.read_real(real, number * BLOCK, &mut whole)?;
                    slot.insert(whole)
                }
            };
            if let (Some(to), Some(from)) = (block.get_mut(inside), data.get(place)) {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        let real = self.real_len()?;
        if self.is_short() {
            let mut spilled = self.spilled();
            if len > real {
                spilled.len = Some(len);
                return Ok(());
            }
            drop(spilled.blocks.split_off(&len.div_ceil(BLOCK)));
            spilled.len = None;
        }
        match self.medium.set_len(self.offset + len) {
            Err(error) if is_full(&error) && len > real => {
                let mut spilled = self.spilled();
                self.short.store(true, Ordering::Release);
                spilled.len = Some(len);
                Ok(())
            }
            set => set,
        }
    }

    /// Fails as long as a part of what was written is in memory: redb may have written its header before that part. A length alone that
    /// could not be had is nothing to wait for.
    pub(super) fn sync_data(&self) -> io::Result<()> {
        if !self.place()? && !self.spilled().blocks.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.medium.sync_data()
    }

    /// Puts what is in memory where it belongs; `false` if there is still no room.
    fn place(&self) -> io::Result<bool> {
        if !self.is_short() {
            return Ok(true);
        }
        let mut spilled = self.spilled();
        let placed = (|| {
            let len = spilled.len.unwrap_or(self.real_len()?);
            if len > self.real_len()? {
                self.medium.set_len(self.offset + len)?;
            }
            for (number, block) in &spilled.blocks {
                let at = number * BLOCK;
                let many = len.saturating_sub(at).min(BLOCK) as usize;
                if let Some(part) = block.get(..many) {
                    self.medium.write(self.offset + at, part)?;
                }
            }
            Ok(())
        })();
        match placed {
            Ok(()) => {
                *spilled = Spilled::default();
                self.short.store(false, Ordering::Release);
                Ok(true)
            }
            Err(error) if is_full(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How much of the file has no place on the disk yet. redb lengthens its file before it writes there, and where files have holes the
    /// room is first asked for by the writes of a commit, when it is too late to say that there is none.
    fn holes(&self) -> u64 {
        self.probe.as_ref().and_then(holes_in).unwrap_or(0)
    }

    /// Whether the disk has what a commit of redb's takes at most, by all that is known before it.
    fn has_free(&self, bytes: u64) -> Result<(), StorageError> {
        let needed = bytes.min(self.holes());
        let full = |free| StorageError::OutOfSpace { free: Some(free), reserve: self.reserve };
        match self.probe.as_ref().filter(|_| needed > 0).and_then(free_on) {
            Some(free) if free < needed => Err(full(free)),
            _ => Ok(()),
        }
    }

    /// The bytes that the file system has for this user, as of a moment ago.
    fn free(&self) -> Option<u64> {
        let probe = self.probe.as_ref()?;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, free)) = *asked
            && when.elapsed() < ASKED
        {
            return Some(free);
        }
        let free = free_on(probe)?;
        *asked = Some((Instant::now(), free));
        Some(free)
    }
}

impl Space for Room {
    fn for_more(&self, written: u64) -> Result<(), StorageError> {
        if self.reserve > 0
            && let Some(free) = self.free()
            // What is written takes up to twice its size until the pages that it replaced are free.
            && free < self.reserve.saturating_add(written.saturating_mul(2))
        {
            return Err(StorageError::OutOfSpace { free: Some(free), reserve: self.reserve });
        }
        self.to_commit()
    }

    fn to_flush(&self, bytes: u64) -> Result<(), StorageError> {
        self.to_commit()?;
        self.has_free(bytes)
    }

    fn to_checkpoint(&self, bytes: u64) -> Result<(), StorageError> {
        self.to_flush(CHECKPOINT.saturating_add(bytes))?;
        match self.free() {
            Some(free) if free < (self.reserve / 4).min(CHECKPOINT) => {
                Err(StorageError::OutOfSpace { free: Some(free), reserve: self.reserve })
            }
            _ => Ok(()),
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn is_unknown(&self) -> bool {
        self.probe.is_none()
    }

    fn file_len(&self) -> Option<u64> {
        self.medium.len().ok().filter(|_| self.offset > 0)
    }

    fn to_commit(&self) -> Result<(), StorageError> {
        match self.place() {
            Ok(true) => Ok(()),
            Ok(false) => {
                // Where there seems to be enough, something else is at its end: a quota, or the size of a file.
                let free = self.free().filter(|free| *free < self.reserve);
                Err(StorageError::OutOfSpace { free, reserve: self.reserve })
            }
            Err(error) => Err(redb::Error::Io(error).into()),
        }
    }
}

#[cfg(unix)]
fn free_on(probe: &File) -> Option<u64> {
    let stat = rustix::fs::fstatvfs(probe).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(not(unix))]
fn free_on(_: &File) -> Option<u64> {
    None
}

#[cfg(unix)]
fn holes_in(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let found = file.metadata().ok()?;
    Some(found.len().saturating_sub(found.blocks().saturating_mul(512)))
}

#[cfg(not(unix))]
fn holes_in(_: &File) -> Option<u64> {
    None
}
