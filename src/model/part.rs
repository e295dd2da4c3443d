//! Parts of texts and bytes that are there by construction. Pure.

use std::ops::Index;

/// The part of a text or of bytes that lies in a range, which its caller knows to be within them.
///
/// A range that is not is a fault of this crate. Then the operation ends here, and its transaction with it: an empty part in
/// its place would be stored.
pub(crate) fn part<S: Index<R> + ?Sized, R>(whole: &S, range: R) -> &S::Output {
    &whole[range]
}
