//! Which thread commits for others, and so must not wait for them.

use crate::storage::waits::Post;

/// Says that this thread commits for a group commit, until it is dropped.
pub(super) struct ReentrancyGuard<'a>(&'a Post);

impl<'a> ReentrancyGuard<'a> {
    pub(super) fn begin(post: &'a Post) -> Self {
        post.take();
        Self(post)
    }
}

impl Drop for ReentrancyGuard<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
