//! The parts of a store's file: its head, its journal, and redb's image, opened as a database.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use execstore::redb::{Builder, Database, StorageBackend};

pub const SECTOR: usize = 512;
/// Where the journal's region begins, and where the records in it do.
pub const REGION: usize = 8192;
pub const RECORDS: usize = REGION + 8 * SECTOR;

/// Where the image begins, as the head says.
pub fn image_offset(bytes: &[u8]) -> usize {
    assert_eq!(&bytes[..12], b"execstore\x1a\r\n");
    u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize
}

/// How many sectors of records were written since the file was made.
pub fn written(bytes: &[u8]) -> usize {
    let area = &bytes[RECORDS..image_offset(bytes)];
    area.chunks(SECTOR).take_while(|sector| sector.iter().any(|byte| *byte != 0)).count()
}

#[derive(Debug)]
struct Behind(File, u64);

impl StorageBackend for Behind {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len() - self.1)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, self.1 + offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(self.1 + len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, self.1 + offset)
    }
}

/// The database in the file of a store.
pub fn database(path: &Path) -> Database {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let offset = image_offset(&std::fs::read(path).unwrap()) as u64;
    Builder::new().create_with_backend(Behind(file, offset)).unwrap()
}
