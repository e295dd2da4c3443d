//! redb's part of a store's file, as the storage that redb sees: what lies before it is not there for redb.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{BackendError, StorageBackend};

use super::{Medium, Room};

/// redb's image on a medium, as far as there is room for it.
#[derive(Debug)]
pub(crate) struct Image {
    room: Arc<Room>,
    /// Locks that others may have too are enough.
    shared: bool,
    /// Closing lets go of nothing.
    kept: bool,
}

impl Image {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self { room, shared: false, kept: false }
    }

    /// The same for somebody who will not write, beside others who do not either.
    pub(crate) fn shared(medium: Arc<Medium>, offset: u64) -> Self {
        Self { shared: true, ..Self::new(Room::new(medium, offset, None, 0)) }
    }

    /// The same for somebody who comes before another on this medium: the locks stay.
    pub(crate) fn kept(medium: Arc<Medium>, offset: u64) -> Self {
        Self { kept: true, ..Self::new(Room::new(medium, offset, None, 0)) }
    }
}

type Edge = Bound<u64>;

/// Locks are about the file, not about what is in it: redb's lie far beyond its end, and are passed on as they are.
impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        self.room.noted(self.room.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.room.noted(self.room.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room.noted(self.room.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.room.noted(self.room.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room.noted(self.room.write(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        if self.kept { Ok(()) } else { self.room.medium().close() }
    }

    fn try_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.room.medium().try_lock((start, end), self.shared)
    }

    fn try_lock_shared_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.room.medium().try_lock((start, end), true)
    }

    fn lock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.room.medium().lock((start, end), self.shared)
    }

    fn lock_shared_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.room.medium().lock((start, end), true)
    }

    fn unlock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        if self.kept { Ok(()) } else { self.room.medium().unlock((start, end)) }
    }

    fn query_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.room.medium().query_lock((start, end))
    }
}
