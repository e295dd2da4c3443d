//! Small file systems, mounted where the process may, and the error of a full one.

use std::path::{Path, PathBuf};
use std::process::Command;

use execstore::Error;
use execstore::error::{CommitError, StorageError};

/// A small file system of its own, for as long as this lives.
pub struct Mounted(PathBuf, #[allow(dead_code)] tempfile::TempDir);

impl Mounted {
    /// `None` where nothing can be mounted.
    pub fn new(kind: &str, bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("disk");
        std::fs::create_dir(&at).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
        };
        let mounted = match kind {
            "tmpfs" => run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "x", at.to_str()?]),
            _ => {
                let image = folder.path().join("image");
                std::fs::File::create(&image).unwrap().set_len(bytes).unwrap();
                run("mkfs.ext4", &["-q", "-m", "0", image.to_str()?])
                    && run("mount", &["-o", "loop", image.to_str()?, at.to_str()?])
            }
        };
        mounted.then_some(Self(at, folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The disk has no room for it, and nothing of it happened.
pub fn is_full(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::OutOfSpace { .. })
            | Error::Commit(CommitError::RolledBack(StorageError::OutOfSpace { .. }))
    )
}
