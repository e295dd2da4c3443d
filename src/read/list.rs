//! Lazy lists.

use crate::model::error::ReadError;

/// A lazy list of rows, from either end.
///
/// A damaged row is an error in its own place and does not end the list; a storage error ends it.
pub struct List<'r, T>(Box<dyn DoubleEndedIterator<Item = Result<T, ReadError>> + 'r>);

impl<'r, T: 'r> List<'r, T> {
    pub(crate) fn new(rows: impl DoubleEndedIterator<Item = Result<T, ReadError>> + 'r) -> Self {
        Self(Box::new(rows))
    }

    pub(crate) fn empty() -> Self {
        Self::new(std::iter::empty())
    }
}

impl<T> Iterator for List<'_, T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<T> DoubleEndedIterator for List<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl<T> std::fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}
