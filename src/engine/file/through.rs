//! Writing and syncing a range of a file in one call, where the system has one (Linux: `pwritev2` with `RWF_DSYNC`).
//!
//! A sync of the whole file writes whatever else of it is in memory, too: here redb's pages, which nobody waits for and
//! which later commits write again.

use std::fs::File;
use std::io;

#[derive(Debug)]
pub(super) struct Through {
    #[cfg(target_os = "linux")]
    file: std::sync::RwLock<Option<File>>,
}

#[cfg(target_os = "linux")]
impl Through {
    pub(super) fn new(file: &File) -> Self {
        Self { file: file.try_clone().ok().into() }
    }

    pub(super) fn none() -> Self {
        Self { file: None.into() }
    }

    /// `None`: the system cannot do it here, and nothing was written.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> Option<io::Result<()>> {
        use rustix::io::{Errno, ReadWriteFlags, pwritev2};

        let guard = self.file.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = guard.as_ref()?;
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            match pwritev2(file, &[io::IoSlice::new(rest)], offset + done as u64, ReadWriteFlags::DSYNC) {
                Ok(0) => return Some(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                // Kernels before 4.7, and file systems that do not take the flag.
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) if done == 0 => {
                    drop(guard);
                    self.close();
                    return None;
                }
                Err(error) => return Some(Err(error.into())),
            }
        }
        Some(Ok(()))
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        *self.file.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    }
}

#[cfg(not(target_os = "linux"))]
impl Through {
    pub(super) fn new(_: &File) -> Self {
        Self {}
    }

    pub(super) fn none() -> Self {
        Self {}
    }

    pub(super) fn write(&self, _: u64, _: &[u8]) -> Option<io::Result<()>> {
        None
    }

    pub(super) fn close(&self) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_through_is_in_the_file_and_nowhere_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4_096).unwrap();
        let through = Through::new(file.as_file());
        // Old kernels cannot: then nothing may have been written.
        let written = through.write(1_000, &[7; 1_000]);
        let expected = if written.is_some() { 7 } else { 0 };
        assert!(written.is_none_or(|written| written.is_ok()));
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!(bytes.len(), 4_096);
        let inside = |at: usize| (1_000..2_000).contains(&at);
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == if inside(at) { expected } else { 0 }));
        through.close();
        assert!(through.write(0, &[1]).is_none(), "it has let go of the file");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let through = Through::new(&File::open(file.path()).unwrap());
        assert!(through.write(0, &[1]).is_some_and(|written| written.is_err()));
    }
}
