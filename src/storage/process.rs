//! Which process something was opened in.

use crate::model::error::StorageError;

/// The process that something was opened in. A child that a `fork` made has the same memory and the same open file, but no
/// say in what the parent does with them: anything that it wrote would destroy the file.
///
/// To ask the system for the process's id takes as long as a look-up in the store, so that is done once for each write transaction.
/// All else looks at a number in memory, which each child of a `fork` counts up before it does anything.
#[derive(Clone, Debug)]
pub struct Process {
    id: u32,
    /// `None` if the system does not call us in a child; then it is asked each time.
    #[cfg(unix)]
    forks: Option<forkguard::Guard>,
}

impl Process {
    pub(crate) fn this() -> Self {
        Self {
            id: std::process::id(),
            #[cfg(unix)]
            forks: forkguard::Guard::try_new().ok(),
        }
    }

    /// `true` in a child that a `fork` made since this was noted.
    #[inline]
    pub(crate) fn is_another(&self) -> bool {
        #[cfg(unix)]
        return match &self.forks {
            // Asked on a copy, since one that was asked says it no more.
            Some(forks) => forks.clone().detected_fork(),
            None => self.has_another_id(),
        };
        #[cfg(not(unix))]
        return false;
    }

    #[inline]
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        if self.is_another() { Err(self.refusal()) } else { Ok(()) }
    }

    /// Asks the system. Finds also a child that was made past the C library, by a bare `clone`.
    pub(crate) fn check_id(&self) -> Result<(), StorageError> {
        if self.has_another_id() { Err(self.refusal()) } else { Ok(()) }
    }

    fn has_another_id(&self) -> bool {
        self.id != std::process::id()
    }

    #[cold]
    fn refusal(&self) -> StorageError {
        StorageError::OtherProcess { opened_by: self.id, used_by: std::process::id() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_id_is_found_although_no_fork_was_heard_of() {
        let here = Process::this();
        assert!(!here.is_another() && here.check_id().is_ok());
        let elsewhere = Process { id: here.id ^ 1, ..here };
        assert!(!elsewhere.is_another());
        assert!(matches!(elsewhere.check_id(), Err(StorageError::OtherProcess { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn where_no_fork_is_heard_of_the_id_is_asked_for() {
        let deaf = Process { forks: None, ..Process::this() };
        assert!(deaf.check().is_ok());
        assert!(Process { id: deaf.id ^ 1, ..deaf }.check().is_err());
    }
}
