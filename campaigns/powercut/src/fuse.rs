//! The disks, as files of a FUSE file system that a loop device can be laid over.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fuser::consts::FOPEN_DIRECT_IO;
use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, KernelConfig, MountOption, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
};
use nix::libc::{EIO, ENOENT};

use crate::acks::Acks;
use crate::dice::Dice;
use crate::disk::{Disk, Image};

const FOLDER: u64 = 1;
const FOREVER: Duration = Duration::from_secs(86_400);

/// What a power cut left, and what had been acknowledged before it.
pub struct Cut {
    pub image: Image,
    pub acknowledged: Vec<u64>,
    /// How many writes were uncertain at that moment.
    pub unflushed: usize,
}

/// A cut to be made when so many more requests have come.
struct Alarm {
    requests: u64,
    dice: Dice,
    acks: Acks,
}

struct Drive {
    disk: Disk,
    alarm: Option<Alarm>,
    cut: Option<io::Result<Cut>>,
}

impl Drive {
    /// Before a request changes anything: the cut comes here if its time has come.
    fn tick(&mut self) -> bool {
        let Some(alarm) = &mut self.alarm else { return false };
        alarm.requests = alarm.requests.saturating_sub(1);
        if alarm.requests > 0 {
            return false;
        }
        self.cut_now();
        true
    }

    fn cut_now(&mut self) {
        if let Some(mut alarm) = self.alarm.take() {
            // First what was acknowledged, then what the disk has.
            let acknowledged = alarm.acks.acknowledged();
            self.cut = Some(acknowledged.map(|acknowledged| Cut {
                image: self.disk.cut(&mut alarm.dice),
                acknowledged,
                unflushed: self.disk.unflushed(),
            }));
        }
    }
}

#[derive(Default)]
struct Shared {
    drives: Mutex<BTreeMap<u64, Drive>>,
    cut: Condvar,
}

impl Shared {
    fn drives(&self) -> MutexGuard<'_, BTreeMap<u64, Drive>> {
        self.drives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mounted disks. Nothing but the kernel's loop devices is to touch them.
pub struct Disks {
    shared: Arc<Shared>,
    folder: PathBuf,
    _session: BackgroundSession,
}

impl Disks {
    pub fn mount(folder: &Path) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let options = [MountOption::FSName("powercut".into()), MountOption::Subtype("powercut".into())];
        let session = fuser::spawn_mount2(Served(shared.clone()), folder, &options)?;
        Ok(Self { shared, folder: folder.to_owned(), _session: session })
    }

    pub fn add(&self, image: Image) -> u64 {
        let mut drives = self.shared.drives();
        let number = drives.last_key_value().map_or(FOLDER, |(last, _)| *last) + 1;
        drives.insert(number, Drive { disk: Disk::new(image), alarm: None, cut: None });
        number
    }

    pub fn path(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    pub fn remove(&self, number: u64) {
        self.shared.drives().remove(&number);
    }

    /// Has the power cut when so many more requests to write or to flush have come.
    pub fn arm(&self, number: u64, requests: u64, dice: Dice, acks: Acks) {
        if let Some(drive) = self.shared.drives().get_mut(&number) {
            drive.cut = None;
            drive.alarm = Some(Alarm { requests, dice, acks });
        }
    }

    /// Waits for the cut, and makes it when nothing has come for so long.
    pub fn cut(&self, number: u64, most: Duration) -> io::Result<Cut> {
        let until = Instant::now() + most;
        let mut drives = self.shared.drives();
        loop {
            let Some(drive) = drives.get_mut(&number) else { return Err(io::ErrorKind::NotFound.into()) };
            if let Some(cut) = drive.cut.take() {
                return cut;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drive.cut_now();
            } else {
                let waited = self.shared.cut.wait_timeout(drives, left);
                drives = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

struct Served(Arc<Shared>);

impl Served {
    fn attributes(&self, ino: u64) -> Option<FileAttr> {
        let (kind, size) = match ino {
            FOLDER => (FileType::Directory, 0),
            _ => (FileType::RegularFile, self.0.drives().get(&ino)?.disk.len()),
        };
        Some(FileAttr {
            ino,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: if ino == FOLDER { 0o700 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// A request to a disk, before which the power may be cut.
    fn ask<T>(&self, ino: u64, ask: impl FnOnce(&mut Disk) -> T) -> Option<T> {
        let mut drives = self.0.drives();
        let drive = drives.get_mut(&ino)?;
        if drive.tick() {
            self.0.cut.notify_all();
        }
        Some(ask(&mut drive.disk))
    }
}

impl Filesystem for Served {
    fn init(&mut self, _: &Request<'_>, config: &mut KernelConfig) -> Result<(), i32> {
        // What it does not grant is what it grants at most.
        let _ = config.set_max_write(1024 * 1024);
        Ok(())
    }

    fn lookup(&mut self, _: &Request<'_>, _parent: u64, name: &OsStr, reply: ReplyEntry) {
        let number = name.to_str().and_then(|name| name.parse().ok()).filter(|number| *number != FOLDER);
        match number.and_then(|number| self.attributes(number)) {
            Some(attributes) => reply.entry(&FOREVER, &attributes, 0),
            None => reply.error(ENOENT),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, ino: u64, _fh: Option<u64>, reply: ReplyAttr) {
        match self.attributes(ino) {
            Some(attributes) => reply.attr(&FOREVER, &attributes),
            None => reply.error(ENOENT),
        }
    }

    fn open(&mut self, _: &Request<'_>, _ino: u64, _flags: i32, reply: ReplyOpen) {
        // Past the page cache: what the loop device writes comes here at once, in its order.
        reply.opened(0, FOPEN_DIRECT_IO);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _fh: u64,
        offset: i64,
        size: u32,
        _flags: i32,
        _lock_owner: Option<u64>,
        reply: ReplyData,
    ) {
        let drives = self.0.drives();
        match drives.get(&ino) {
            Some(drive) => reply.data(&drive.disk.read(offset as u64, size as usize)),
            None => reply.error(EIO),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _fh: u64,
        offset: i64,
        data: &[u8],
        _write_flags: u32,
        _flags: i32,
        _lock_owner: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.ask(ino, |disk| disk.write(offset as u64, data)) {
            Some(()) => reply.written(data.len() as u32),
            None => reply.error(EIO),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _ino: u64, _fh: u64, _lock_owner: u64, reply: ReplyEmpty) {
        // Of a file that is closed; nothing to do with the disk.
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, ino: u64, _fh: u64, _datasync: bool, reply: ReplyEmpty) {
        match self.ask(ino, Disk::flush) {
            Some(()) => reply.ok(),
            None => reply.error(EIO),
        }
    }
}
