//! A storage that keeps what is written to it in memory, over one that stays as it is: for stores that are opened to be
//! read. What redb writes when it opens a file that was not closed, and what a pending journal adds, goes here.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{BackendError, StorageBackend};

/// Writes are kept by blocks of this size.
pub(super) const BLOCK: u64 = 4096;

/// Changes in memory over a storage that is only read.
#[derive(Debug)]
pub(crate) struct Overlay<B> {
    below: B,
    /// The storage below does not change, nor does its length.
    below_len: u64,
    changed: RwLock<Changed>,
    shut: Shut,
}

/// Ends the writes to an overlay: from then on one would be lost with the process, and whoever makes one must not take it for done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shut(Arc<AtomicBool>);

impl Shut {
    pub(crate) fn shut(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn is_shut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn check(&self) -> io::Result<()> {
        match self.is_shut() {
            true => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the store was opened read-only")),
            false => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct Changed {
    len: Option<u64>,
    /// How much of the storage below is still to be seen, if less than all of it: what was cut off does not come back.
    seen: Option<u64>,
    blocks: BTreeMap<u64, Box<[u8]>>,
}

impl<B: StorageBackend> Overlay<B> {
    pub(crate) fn new(below: B) -> io::Result<Self> {
        Ok(Self { below_len: below.len()?, below, changed: RwLock::default(), shut: Shut::default() })
    }

    pub(crate) fn to_shut(&self) -> Shut {
        self.shut.clone()
    }

    fn seen(&self, changed: &Changed) -> u64 {
        changed.seen.map_or(self.below_len, |seen| seen.min(self.below_len))
    }

    /// A block as it is now.
    fn block(&self, changed: &Changed, number: u64, out: &mut [u8]) -> io::Result<()> {
        match changed.blocks.get(&number) {
            Some(block) => out.copy_from_slice(block),
            None => {
                let start = number * BLOCK;
                let there = self.seen(changed).saturating_sub(start).min(BLOCK);
                out.fill(0);
                if let Some(there) = out.get_mut(..there as usize)
                    && !there.is_empty()
                {
                    self.below.read(start, there)?;
                }
            }
        }
        Ok(())
    }

    fn len_of(&self, changed: &Changed) -> u64 {
        changed.len.unwrap_or(self.below_len)
    }
}

/// The parts of a range of bytes that lie in one block each: the block, the place in it, the place in the range.
pub(super) fn parts(
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done >= len {
            return None;
        }
        let at = offset + done as u64;
        let inside = (at % BLOCK) as usize;
        let many = (BLOCK as usize - inside).min(len - done);
        let part = (at / BLOCK, inside..inside + many, done..done + many);
        done += many;
        Some(part)
    })
}

impl<B: StorageBackend> StorageBackend for Overlay<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len_of(&self.changed.read().unwrap_or_else(PoisonError::into_inner)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        let end = offset.saturating_add(out.len() as u64);
        if end > self.len_of(&changed) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let same = changed.blocks.range(offset / BLOCK..end.div_ceil(BLOCK)).next().is_none();
        if same && end <= self.seen(&changed) {
            return self.below.read(offset, out);
        }
        let mut block = [0; BLOCK as usize];
        for (number, inside, place) in parts(offset, out.len()) {
            self.block(&changed, number, &mut block)?;
            if let (Some(to), Some(from)) = (out.get_mut(place), block.get(inside)) {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.shut.check()?;
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.len_of(&changed);
        if len < before {
            drop(changed.blocks.split_off(&len.div_ceil(BLOCK)));
            let inside = (len % BLOCK) as usize;
            if let Some(rest) =
                changed.blocks.get_mut(&(len / BLOCK)).and_then(|block| block.get_mut(inside..))
            {
                rest.fill(0);
            }
            changed.seen = Some(changed.seen.unwrap_or(u64::MAX).min(len));
        }
        changed.len = Some(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.shut.check()?;
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        let mut whole = [0; BLOCK as usize];
        for (number, inside, place) in parts(offset, data.len()) {
            if !changed.blocks.contains_key(&number) {
                self.block(&changed, number, &mut whole)?;
                changed.blocks.insert(number, whole.into());
            }
            let block = changed.blocks.get_mut(&number).and_then(|block| block.get_mut(inside));
            if let (Some(to), Some(from)) = (block, data.get(place)) {
                to.copy_from_slice(from);
            }
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    /// Any sequence of writes, cuts and growths reads as it would on a storage of its own, and below nothing changes.
    #[test]
    fn it_reads_as_if_it_had_been_written_to() {
        let original: Vec<u8> = (0..20_000u32).map(|n| (n % 251) as u8 + 1).collect();
        let mut lot = 88_172_645_463_325_252_u64;
        let mut roll = |most: u64| {
            lot ^= lot << 13;
            lot ^= lot >> 7;
            lot ^= lot << 17;
            lot % most
        };
        for _ in 0..50 {
            let below = InMemoryBackend::new();
            below.set_len(20_000).unwrap();
            below.write(0, &original).unwrap();
            let (overlay, mut model) = (Overlay::new(below).unwrap(), original.clone());
            for _ in 0..40 {
                let len = model.len() as u64;
                if roll(4) == 0 {
                    let new = roll(30_000);
                    overlay.set_len(new).unwrap();
                    model.resize(new as usize, 0);
                } else if len > 0 {
                    let at = roll(len);
                    let data = vec![roll(256) as u8; roll((len - at).min(9_000)) as usize];
                    overlay.write(at, &data).unwrap();
                    model[at as usize..at as usize + data.len()].copy_from_slice(&data);
                }
                assert_eq!(overlay.len().unwrap(), model.len() as u64);
                let mut read = vec![0; model.len()];
                overlay.read(0, &mut read).unwrap();
                assert!(read == model);
                assert!(overlay.read(model.len() as u64, &mut [0]).is_err());
            }
            let mut read = vec![0; 20_000];
            overlay.below.read(0, &mut read).unwrap();
            assert!(read == original);
        }
    }
}
