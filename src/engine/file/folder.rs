//! Where a store's file lies: its folder, whose entry for the file has to be on the disk before anything in it is
//! acknowledged; and who holds the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The folders that a file's name depends on, held open: what becomes of their names, or of the process's own folder, does
/// not matter.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The innermost one first.
    folders: Vec<(PathBuf, File)>,
}

impl Folder {
    /// The folder of a file, links in its path followed, and those around it as far as they can be opened.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut folders = Vec::new();
        if cfg!(unix) {
            let real = path.canonicalize()?;
            for folder in real.ancestors().skip(1) {
                match File::open(folder) {
                    Ok(file) => folders.push((folder.to_owned(), file)),
                    Err(error) if folders.is_empty() => return Err(error),
                    // Others' folders: whoever cannot read them has not moved ours there.
                    Err(_) => break,
                }
            }
        }
        Ok(Self { folders })
    }

    /// Makes the names durable. Without it a file that was moved to its place, restored there, or copied up by an overlay loses its
    /// name in the next power cut, and with it what was acknowledged since.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut innermost = true;
        for (_, folder) in &self.folders {
            match folder.sync_all() {
                Err(error) if innermost && !is_no_sync(&error) => return Err(error),
                _ => innermost = false,
            }
        }
        Ok(())
    }
}

/// File systems that are only read, or that know no syncs of folders.
fn is_no_sync(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// The process that has a file locked, as far as the system tells.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(path).ok()?;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| holder_in(line, found.ino()))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// The process that a line of `/proc/locks` names, if the line is about this inode. Locks of an open file have no process there,
/// and the number of the device is that of the file system below where file systems are stacked.
#[cfg(target_os = "linux")]
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    let kind = words.next()?;
    let (pid, file) = match (kind, words.nth(2)?, words.next()?) {
        ("FLOCK", pid, file) => (pid, file),
        _ => return None,
    };
    let found: u64 = file.rsplit(':').next()?.parse().ok()?;
    (found == inode).then_some(pid.parse().ok()?)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_read_from_the_systems_list_of_locks() {
        let line = "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF";
        assert_eq!(holder_in(line, 5678), Some(1234));
        assert_eq!(holder_in(line, 567), None);
        assert_eq!(holder_in("2: OFDLCK ADVISORY  WRITE -1 fe:00:5678 0 0", 5678), None);
        assert_eq!(holder_in("2: -> FLOCK ADVISORY  WRITE 99 fe:00:5678 0 EOF", 5678), None);
        assert_eq!(holder_in("", 1), None);
    }

    #[test]
    fn a_file_without_a_lock_has_no_holder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(holder(file.path()), None);
        file.as_file().try_lock().unwrap();
        assert_eq!(holder(file.path()), Some(std::process::id()));
    }
}
