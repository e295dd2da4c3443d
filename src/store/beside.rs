//! What lies beside the records, through the group commit; and following it.

use super::Store;
use crate::attachment::{Attachment, NewAttachment};
use crate::error::Error;
use crate::follow::OutputFollower;
use crate::output::{Output, OutputCap};
use crate::progress::{Node, NodeUpdate};
use crate::report::Reported;
use crate::tracker::VisitTracker;

/// # Beside the records
impl Store {
    /// [`Writer::put_attachment`](crate::Writer::put_attachment) through the group commit. Large values are better
    /// streamed in, with [`Writer::put_attachment_from`](crate::Writer::put_attachment_from).
    pub fn put_attachment(&self, id: impl AsRef<str>, new: NewAttachment) -> Result<Attachment, Error> {
        let id = id.as_ref().to_owned();
        self.batch(move |writer| writer.put_attachment(&id, new.clone()))
    }

    /// [`Writer::append_output`](crate::Writer::append_output) through the group commit.
    pub fn append_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<Output, Error> {
        let (id, name, bytes) = (id.as_ref().to_owned(), name.as_ref().to_owned(), bytes.into());
        self.batch(move |writer| writer.append_output(&id, &name, &bytes))
    }

    /// [`Writer::cap_output`](crate::Writer::cap_output) through the group commit.
    pub fn cap_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        cap: OutputCap,
    ) -> Result<Output, Error> {
        let (id, name) = (id.as_ref().to_owned(), name.as_ref().to_owned());
        self.batch(move |writer| writer.cap_output(&id, &name, cap))
    }

    /// [`Writer::put_node`](crate::Writer::put_node) through the group commit.
    pub fn put_node(&self, id: impl AsRef<str>, update: NodeUpdate) -> Result<Reported<Node>, Error> {
        let id = id.as_ref().to_owned();
        self.batch(move |writer| writer.put_node(&id, update.clone()))
    }

    /// Counts who is visited, without a write for each visit. See [`VisitTracker`].
    pub fn track_visits(&self) -> VisitTracker {
        VisitTracker::new(self.shared.clone(), self.threads.batcher.clone())
    }

    /// Follows an output stream from an offset on while it grows. See [`OutputFollower`].
    pub fn follow_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        from: u64,
    ) -> Result<OutputFollower, Error> {
        OutputFollower::new(self.shared.clone(), id.as_ref(), name.as_ref(), from)
    }
}
