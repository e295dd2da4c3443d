//! What is behind an error that is given to several callers.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// What is behind an error that can be given to several callers: of a system call, of redb, of an earlier failure.
///
/// It is no error itself, so `source` gives the very one that it holds, to be had by `downcast_ref`.
pub struct Cause<T: ?Sized = dyn Error + Send + Sync>(Arc<T>);

impl<T: ?Sized> Clone for Cause<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Deref for Cause<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for Cause<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display + ?Sized> fmt::Display for Cause<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> From<T> for Cause<T> {
    fn from(error: T) -> Self {
        Self(Arc::new(error))
    }
}

impl Cause {
    /// Of an error of any type.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}
