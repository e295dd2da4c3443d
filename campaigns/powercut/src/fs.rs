//! The file systems under test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::Image;
use crate::mount::{Mounted, run};
use crate::work::Outcome;

const MIB: u64 = 1024 * 1024;

/// A file system and how it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub name: &'static str,
    /// As `mount` and `mkfs` call it.
    pub driver: &'static str,
    options: &'static str,
    size: u64,
}

pub const KINDS: [Kind; 5] = [
    Kind { name: "ext4", driver: "ext4", options: "", size: 192 * MIB },
    Kind { name: "ext4/journal", driver: "ext4", options: ",data=journal", size: 192 * MIB },
    Kind { name: "ext4/writeback", driver: "ext4", options: ",data=writeback", size: 192 * MIB },
    // The same file system is mounted twice, before and after the cut.
    Kind { name: "xfs", driver: "xfs", options: ",nouuid", size: 320 * MIB },
    Kind { name: "btrfs", driver: "btrfs", options: "", size: 256 * MIB },
];

impl Kind {
    /// The program that makes one, if the system has it.
    pub fn mkfs(self) -> Option<PathBuf> {
        let name = format!("mkfs.{}", self.driver);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(usual).map(|folder| folder.join(&name)).find(|file| file.is_file())
    }

    /// The Debian package that it comes in.
    pub fn package(self) -> &'static str {
        match self.driver {
            "xfs" => "xfsprogs",
            "btrfs" => "btrfs-progs",
            _ => "e2fsprogs",
        }
    }

    pub fn mount(self, disk: &Path, at: &Path) -> Outcome<Mounted> {
        Mounted::disk(self.driver, self.options, disk, at)
    }

    /// Mounts what a cut has left; ext4 after a repair, if it needs one, as a system makes when it starts: its superblock lies
    /// in two sectors, and a cut may tear it. Says whether it did.
    pub fn mount_after_cut(self, disk: &Path, at: &Path) -> Outcome<(Mounted, bool)> {
        match self.mount(disk, at) {
            Err(error) if self.driver == "ext4" => {
                match Command::new("e2fsck").args(["-f", "-y"]).arg(disk).output() {
                    // So it ends after a repair.
                    Ok(output) if output.status.code() == Some(1) => Ok((self.mount(disk, at)?, true)),
                    _ => Err(error),
                }
            }
            mounted => Ok((mounted?, false)),
        }
    }

    /// A new one, with the two folders that an overlay needs.
    pub fn make(self, scratch: &Path) -> Outcome<Image> {
        let mkfs = self.mkfs().ok_or("no mkfs")?;
        let file = scratch.join("images").join(self.driver);
        File::create(&file)?.set_len(self.size)?;
        let quiet: &[&str] = match self.driver {
            "ext4" => &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            _ => &["-q"],
        };
        run(Command::new(mkfs).args(quiet).arg(&file))?;
        let mounted = self.mount(&file, &scratch.join("live"))?;
        run(Command::new("mkdir").arg(mounted.at().join("upper")).arg(mounted.at().join("work")))?;
        drop(mounted);
        let image = Image::load(&file)?;
        std::fs::remove_file(&file)?;
        Ok(image)
    }
}
