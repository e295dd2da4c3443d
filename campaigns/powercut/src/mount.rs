//! Mounts that end with their guards. Everything is done by the system's own commands, in processes of their own.
//!
//! This process serves the disks, so it must never itself wait for a file system that lies on one: killed while it does, it could
//! not end, and neither could the file system. So nothing here is needed to clean up: the mounts lie in a mount namespace, loop devices go
//! with their last mount, and another process, that waits for nothing but the end of this one, is the last in the namespace.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::work::Outcome;

/// The process that keeps the mounts until this one has let go of the disks, however it ends.
pub struct Anchor(Child);

impl Anchor {
    fn drop_in() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        // In a group of its own: an interrupt from the terminal is not for it.
        command
            .arg("anchor")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        Ok(Self(command.spawn()?))
    }

    /// What it does.
    pub fn hold() {
        // The pipe ends with the process at its other end.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Gives this process and its children mounts of their own, and an empty folder in memory.
pub fn scratch() -> Outcome<(PathBuf, Anchor)> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let anchor = Anchor::drop_in()?;
    let folder = Path::new("/mnt");
    mount(Some("powercut"), folder, Some("tmpfs"), MsFlags::empty(), Some("mode=0700"))?;
    for name in ["disks", "live", "cut", "over", "again", "lower", "images"] {
        std::fs::create_dir(folder.join(name))?;
    }
    Ok((folder.to_owned(), anchor))
}

/// A mounted file system.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Lays a loop device over a disk and mounts it.
    pub fn disk(kind: &str, options: &str, disk: &Path, at: &Path) -> Outcome<Self> {
        let options = format!("loop,noatime{options}");
        run(Command::new("mount").args(["-i", "-t", kind, "-o", &options]).arg(disk).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// An overlay with its upper layer on a mounted disk.
    pub fn overlay(lower: &Path, disk: &Path, options: &str, at: &Path) -> Outcome<Self> {
        let (lower, disk) = (lower.display(), disk.display());
        let layers = format!("lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work{options}");
        run(Command::new("mount").args(["-i", "-t", "overlay", "-o", &layers, "powercut"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    pub fn at(&self) -> &Path {
        &self.at
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for _ in 0..100 {
            match run(Command::new("umount").arg(&self.at)) {
                Ok(()) => return,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        if let Err(error) = run(Command::new("umount").arg("-l").arg(&self.at)) {
            eprintln!("{} stays mounted: {error}", self.at.display());
        }
    }
}

/// Runs a command of the system; what it says is the error.
pub fn run(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
