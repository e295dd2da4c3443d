//! Storages that fail at a chosen call, and a disk that forgets what a failed sync did not write.

use std::io;
use std::sync::{Arc, Mutex};

use execstore::redb::StorageBackend;

use crate::memory::Memory;

/// When to fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The call, counted from 0.
    pub nth: usize,
    /// From then on, or that call only.
    pub sticky: bool,
    /// The disk is full: only writes and growth fail.
    pub full: bool,
}

#[derive(Debug, Default)]
struct Plan {
    calls: usize,
    fault: Option<Fault>,
    hit: bool,
}

/// A file under a plan.
#[derive(Clone)]
pub struct Faulty {
    plan: Arc<Mutex<Plan>>,
    file: Arc<File>,
}

#[derive(Debug)]
struct File {
    /// What reads see.
    cache: Memory,
    /// What a power failure leaves.
    durable: Memory,
    pending: Mutex<Vec<(u64, Option<Vec<u8>>)>>,
}

#[derive(Debug)]
pub struct FaultyDisk {
    plan: Arc<Mutex<Plan>>,
    file: Arc<File>,
}

impl Faulty {
    pub fn new(image: Vec<u8>, fault: Option<Fault>) -> Self {
        let file = File {
            cache: Memory::new(image.clone()),
            durable: Memory::new(image),
            pending: Mutex::default(),
        };
        Self { plan: Arc::new(Mutex::new(Plan { fault, ..Plan::default() })), file: Arc::new(file) }
    }

    pub fn disk(&self) -> FaultyDisk {
        FaultyDisk { plan: self.plan.clone(), file: self.file.clone() }
    }

    /// Every call from now on fails.
    pub fn break_now(&self) {
        let mut plan = self.plan.lock().unwrap();
        plan.fault = Some(Fault { nth: plan.calls, sticky: true, full: false });
    }

    pub fn calls(&self) -> usize {
        self.plan.lock().unwrap().calls
    }

    /// Whether the fault has happened.
    pub fn hit(&self) -> bool {
        self.plan.lock().unwrap().hit
    }

    pub fn cached(&self) -> Vec<u8> {
        self.file.cache.image()
    }

    pub fn durable(&self) -> Vec<u8> {
        self.file.durable.image()
    }
}

impl FaultyDisk {
    fn call(&self, grows: bool) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap();
        let now = plan.calls;
        plan.calls += 1;
        let Some(fault) = plan.fault else { return Ok(()) };
        if now < fault.nth || (plan.hit && !fault.sticky) || (fault.full && !grows) {
            return Ok(());
        }
        plan.hit = true;
        Err(if fault.full { io::ErrorKind::StorageFull.into() } else { io::Error::from_raw_os_error(5) })
    }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        self.call(false)?;
        self.file.cache.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(false)?;
        self.file.cache.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(true)?;
        self.file.pending.lock().unwrap().push((len, None));
        self.file.cache.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let called = self.call(false);
        let pending = std::mem::take(&mut *self.file.pending.lock().unwrap());
        // After a failed sync the pages count as clean and are never written.
        called?;
        for (offset, data) in pending {
            match data {
                Some(data) => self.file.durable.write(offset, &data)?,
                None => self.file.durable.set_len(offset)?,
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let called = self.call(true);
        // A write that fails may have got half-way.
        let part = if called.is_ok() { data } else { &data[..data.len() / 2 / 512 * 512] };
        self.file.pending.lock().unwrap().push((offset, Some(part.to_vec())));
        self.file.cache.write(offset, part)?;
        called
    }
}
