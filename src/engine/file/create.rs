//! A new file appears under its name whole, or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// What a new file is to be: its mode and owner, where the system has such things.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Target {
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<(Option<u32>, Option<u32>)>,
}

impl Target {
    fn apply(&self, file: &File) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{PermissionsExt, fchown};
            if let Some((user, group)) = self.owner {
                fchown(file, user, group)?;
            }
            // After the owner: a change of that may take bits away.
            if let Some(mode) = self.mode {
                file.set_permissions(Permissions::from_mode(mode))?;
            }
        }
        #[cfg(not(unix))]
        let _ = (file, Permissions::readonly);
        Ok(())
    }

    /// As little as possible until `apply` says more.
    #[cfg(unix)]
    fn at_first(&self) -> u32 {
        self.mode.map_or(0o666, |mode| mode & 0o600)
    }
}

/// Makes a file: `fill` writes it, and then it gets its name. [`io::ErrorKind::AlreadyExists`]: there is one of that name.
pub(crate) fn create<E: From<io::Error>>(
    path: &Path,
    target: Target,
    fill: impl FnOnce(File) -> Result<(), E>,
) -> Result<(), E> {
    let (file, name) = match nameless(path, target)? {
        Some(file) => (file, Name::None),
        None => named(path, target)?,
    };
    target.apply(&file)?;
    fill(file.try_clone()?)?;
    file.sync_all()?;
    Ok(name.give(&file, path)?)
}

/// What a file in the making is called.
enum Name {
    /// Nothing: the system deletes it if nobody names it.
    None,
    /// A short one beside the file to be, which goes when this is dropped.
    Temporary(PathBuf),
}

impl Name {
    fn give(&self, file: &File, path: &Path) -> io::Result<()> {
        let temporary = match self {
            Name::None => return link_nameless(file, path),
            Name::Temporary(temporary) => temporary,
        };
        match fs::hard_link(temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
            // No hard links here. Renaming replaces, so look again; two creators in the same instant are left.
            Err(_) if fs::symlink_metadata(path).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(temporary, path),
            Ok(()) => Ok(()),
        }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Name::Temporary(temporary) = self {
            let _ = fs::remove_file(temporary);
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file without a name in the folder, where the system has such files.
#[cfg(target_os = "linux")]
fn nameless(path: &Path, target: Target) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(folder_of(path), flags, Mode::from_raw_mode(target.at_first())) {
        Ok(file) => Ok(Some(file.into())),
        // Not on every file system, and not without the folder of the process's files.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
    .map(|file| file.filter(|_| Path::new("/proc/self/fd").exists()))
}

#[cfg(target_os = "linux")]
fn link_nameless(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    use std::os::fd::AsRawFd;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path, _: Target) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
fn link_nameless(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file of a short name of its own in the folder: short, so that any name that the folder takes can be made.
fn named(path: &Path, target: Target) -> io::Result<(File, Name)> {
    let name = format!(".{:016x}.new", uuid::Uuid::new_v4().as_u64_pair().0);
    let temporary = folder_of(path).join(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, target.at_first());
    #[cfg(not(unix))]
    let _ = target;
    let file = options.open(&temporary)?;
    Ok((file, Name::Temporary(temporary)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn make(path: &Path, text: &str) -> io::Result<()> {
        create(path, Target::default(), |mut file| file.write_all(text.as_bytes()))
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let failed = create(&path, Target::default(), |mut file| {
            file.write_all(b"half")?;
            assert!(!path.exists());
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        make(&path, "whole").unwrap();
        assert_eq!(make(&path, "again").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_with_a_name_of_its_own_does_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        for expected in [Ok(()), Err(io::ErrorKind::AlreadyExists)] {
            let (mut file, name) = named(&path, Target::default()).unwrap();
            file.write_all(b"whole").unwrap();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + usize::from(expected.is_err()));
            assert_eq!(name.give(&file, &path).map_err(|error| error.kind()), expected);
            drop(name);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn the_longest_names_and_any_mode_can_be_made() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("n".repeat(255)), "x").unwrap();
        for mode in [0o600, 0o640, 0o444] {
            let path = folder.path().join(format!("{mode:o}"));
            let target = Target { mode: Some(mode), owner: None };
            create(&path, target, |mut file| file.write_all(b"x")).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }
}
