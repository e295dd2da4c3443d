//! The operations on side data, each as a transaction of its own; and following it.

use std::io::{Read, Seek};

use super::Store;
use super::operations::operation;
use crate::feed::buckets::BucketWatcher;
use crate::feed::outputs::OutputFollower;
use crate::feed::visits::VisitTracker;
use crate::model::attachments::{Attachment, NewAttachment};
use crate::model::error::{Error, WatchError, WriteError};
use crate::model::expect::Expect;
use crate::model::outputs::{Output, OutputCap};
use crate::model::report::Reported;
use crate::model::tasks::{Task, TaskUpdate};
use crate::write::Appended;

/// How much of a source is held in memory before the transaction begins.
const IN_MEMORY: usize = 1024 * 1024;

/// # Beside the records
impl Store {
    /// [`Writer::put_attachment`](crate::Writer::put_attachment) in a transaction of its own. Large values are better
    /// streamed in, with [`Writer::put_attachment_from`](crate::Writer::put_attachment_from).
    pub fn put_attachment(&self, id: impl AsRef<str>, new: NewAttachment) -> Result<Attachment, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.put_attachment(id, new), lend id, hand new)
    }

    /// Puts bytes that are read from somewhere, to their end: [`Writer::put_attachment_from`](crate::Writer::put_attachment_from) for a
    /// source that may be slow.
    ///
    /// The source is read before the transaction begins, into memory up to 1 MiB and from there on into a file without a name
    /// in the system's [folder for temporary files](std::env::temp_dir); so other writers wait for a copy on this machine, and not for the
    /// source. An error of the source, or of that file, is [`WriteError::Source`], and leaves nothing behind.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// let mut download = std::io::repeat(7); // a connection, say
    /// let put = store.put_attachment_from("e", "model", "application/octet-stream", &mut std::io::Read::take(&mut download, 3_000_000))?;
    /// assert_eq!(put.size, 3_000_000);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn put_attachment_from(
        &self,
        id: impl AsRef<str>,
        key: impl AsRef<str>,
        content_type: impl AsRef<str>,
        from: &mut dyn Read,
    ) -> Result<Attachment, Error> {
        let mut staged = tempfile::SpooledTempFile::new(IN_MEMORY);
        let copied = std::io::copy(from, &mut staged).and_then(|_| staged.rewind());
        copied.map_err(WriteError::Source)?;
        self.write(|w| Ok(w.put_attachment_from(id, key, content_type, &mut staged)?))
    }

    /// [`put_attachment`](Self::put_attachment), if the execution is as expected.
    ///
    /// ```
    /// # use execstore::attachments::{AttachmentIs, NewAttachment};
    /// # use execstore::error::WriteError;
    /// # use execstore::{Error, Expect, NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// let first = Expect::new().attachment("result", AttachmentIs::Absent);
    /// store.put_attachment_if("e", &first, NewAttachment::bytes("result", "one"))?;
    /// let second = store.put_attachment_if("e", &first, NewAttachment::bytes("result", "two"));
    /// assert!(matches!(second, Err(Error::Write(WriteError::Conflict { .. }))));
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn put_attachment_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        new: NewAttachment,
    ) -> Result<Attachment, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.expect(id, expect).and_then(|_| w.put_attachment(id, new)), lend id expect, hand new)
    }

    /// [`Writer::delete_attachment`](crate::Writer::delete_attachment) in a transaction of its own.
    pub fn delete_attachment(&self, id: impl AsRef<str>, key: impl AsRef<str>) -> Result<bool, Error> {
        let (id, key) = (id.as_ref(), key.as_ref());
        operation!(self, |w| w.delete_attachment(id, key), lend id key)
    }

    /// [`delete_attachment`](Self::delete_attachment), if the execution is as expected.
    pub fn delete_attachment_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        key: impl AsRef<str>,
    ) -> Result<bool, Error> {
        let (id, key) = (id.as_ref(), key.as_ref());
        operation!(self, |w| w.expect(id, expect).and_then(|_| w.delete_attachment(id, key)), lend id expect key)
    }

    /// [`Writer::delete_bucket`](crate::Writer::delete_bucket) in a transaction of its own.
    pub fn delete_bucket(&self, name: impl AsRef<str>) -> Result<bool, Error> {
        let name = name.as_ref();
        operation!(self, |w| w.delete_bucket(name), lend name)
    }

    /// [`Writer::append_output`](crate::Writer::append_output) in a transaction of its own.
    pub fn append_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Output, Error> {
        let (id, name, bytes) = (id.as_ref(), name.as_ref(), bytes.as_ref());
        operation!(self, |w| w.append_output(id, name, bytes), lend id name bytes)
    }

    /// [`append_output`](Self::append_output), if the execution is as expected.
    pub fn append_output_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        name: impl AsRef<str>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Output, Error> {
        let (id, name, bytes) = (id.as_ref(), name.as_ref(), bytes.as_ref());
        operation!(
            self,
            |w| w.expect(id, expect).and_then(|_| w.append_output(id, name, bytes)),
            lend id expect name bytes
        )
    }

    /// [`Writer::append_output_at`](crate::Writer::append_output_at) in a transaction of its own.
    pub fn append_output_at(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        offset: u64,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Appended, Error> {
        let (id, name, bytes) = (id.as_ref(), name.as_ref(), bytes.as_ref());
        operation!(self, |w| w.append_output_at(id, name, offset, bytes), lend id name bytes)
    }

    /// [`Writer::cap_output`](crate::Writer::cap_output) in a transaction of its own.
    pub fn cap_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        cap: OutputCap,
    ) -> Result<Output, Error> {
        let (id, name) = (id.as_ref(), name.as_ref());
        operation!(self, |w| w.cap_output(id, name, cap), lend id name)
    }

    /// [`cap_output`](Self::cap_output), if the execution is as expected.
    pub fn cap_output_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        name: impl AsRef<str>,
        cap: OutputCap,
    ) -> Result<Output, Error> {
        let (id, name) = (id.as_ref(), name.as_ref());
        operation!(self, |w| w.expect(id, expect).and_then(|_| w.cap_output(id, name, cap)), lend id expect name)
    }

    /// [`Writer::delete_output`](crate::Writer::delete_output) in a transaction of its own.
    pub fn delete_output(&self, id: impl AsRef<str>, name: impl AsRef<str>) -> Result<bool, Error> {
        let (id, name) = (id.as_ref(), name.as_ref());
        operation!(self, |w| w.delete_output(id, name), lend id name)
    }

    /// [`delete_output`](Self::delete_output), if the execution is as expected.
    pub fn delete_output_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        name: impl AsRef<str>,
    ) -> Result<bool, Error> {
        let (id, name) = (id.as_ref(), name.as_ref());
        operation!(self, |w| w.expect(id, expect).and_then(|_| w.delete_output(id, name)), lend id expect name)
    }

    /// [`Writer::put_task`](crate::Writer::put_task) in a transaction of its own.
    pub fn put_task(&self, id: impl AsRef<str>, update: TaskUpdate) -> Result<Reported<Task>, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.put_task(id, update), lend id, hand update)
    }

    /// [`put_task`](Self::put_task), if the execution is as expected.
    pub fn put_task_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        update: TaskUpdate,
    ) -> Result<Reported<Task>, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.expect(id, expect).and_then(|_| w.put_task(id, update)), lend id expect, hand update)
    }

    /// Counts who is visited, without a write for each visit. See [`VisitTracker`].
    pub fn track_visits(&self) -> VisitTracker {
        VisitTracker::new(self.engine.clone(), self.threads.batcher.clone())
    }

    /// Waits for commits that touch a bucket that lies in no other. See [`BucketWatcher`].
    pub fn watch_bucket(&self, name: impl AsRef<str>) -> Result<BucketWatcher, WatchError> {
        self.watch_bucket_at([name])
    }

    /// The same for a bucket anywhere: the names on the way to it, the outermost first.
    ///
    /// ```
    /// # use execstore::Store;
    /// # let store = Store::in_memory()?;
    /// let timers = store.watch_bucket_at(["tenants", "acme", "timers"])?;
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn watch_bucket_at(
        &self,
        path: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<BucketWatcher, WatchError> {
        let path = path.into_iter().map(|name| name.as_ref().to_owned()).collect();
        BucketWatcher::new(self.engine.clone(), path)
    }

    /// Follows an output stream from an offset on while it grows. See [`OutputFollower`].
    pub fn follow_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        from: u64,
    ) -> Result<OutputFollower, WatchError> {
        OutputFollower::new(self.engine.clone(), id.as_ref(), name.as_ref(), from)
    }
}
