//! Following an output stream while it grows.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::engine::core::Engine;
use crate::engine::doorbell::End;
use crate::model::error::{Reentrant, StorageError, WatchError};
use crate::model::limits::check_name;
use crate::model::outputs::OutputPart;
use crate::model::row_id::{BlobId, RowId};
use crate::model::touch::{Kind, key};
use crate::read::View;
use crate::read::side_data::{Chunk, read_output};
use crate::txn::ReadTxn;

/// Keeps reading an output stream while it grows; made by [`Store::follow_output`](crate::Store::follow_output).
///
/// Returns every kept byte once, in order; if a cap has dropped some before they were read, the next part says how
/// many. Holds no transaction while it waits, and never makes a writer wait. Only what is appended to its stream, and a change of its
/// execution's state, wakes it.
///
/// ```
/// # use std::time::Duration;
/// # use execstore::{NewExecution, Store, Update};
/// # let store = Store::in_memory()?;
/// # store.create(NewExecution::new("j").id("e").state("Running"))?;
/// let mut stdout = store.follow_output("e", "stdout", 0)?;
/// store.append_output("e", "stdout", "hello ")?; // usually from other threads
/// store.append_output("e", "stdout", "world")?;
/// store.update("e", Update::to("Failed"))?;
///
/// let mut seen = Vec::new();
/// while !stdout.has_ended() {
///     seen.extend(stdout.next_part(4096, Duration::from_secs(1))?.bytes);
/// }
/// assert_eq!(seen, b"hello world");
/// # Ok::<(), execstore::Error>(())
/// ```
pub struct OutputFollower {
    engine: Arc<Engine>,
    id: String,
    name: String,
    position: u64,
    /// The execution's number and the stream's blob, once they were seen: others of the same names are not them.
    number: Option<RowId>,
    blob: Option<BlobId>,
    /// The chunk that was read last.
    chunk: Chunk,
    ended: bool,
    /// As a stream it met an error, which it gives once.
    #[cfg(feature = "stream")]
    failed: bool,
    ticket: u64,
    keys: Arc<[u64]>,
}

/// Nothing more will be appended.
fn check_end(end: Option<End>) -> Result<(), StorageError> {
    match end {
        None => Ok(()),
        Some(End::Closed) => Err(StorageError::Closed),
        Some(End::Poisoned(reason)) => Err(reason.stopped()),
    }
}

impl fmt::Debug for OutputFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, position, ended, .. } = self;
        f.debug_struct("OutputFollower")
            .field("id", id)
            .field("name", name)
            .field("position", position)
            .field("ended", ended)
            .finish()
    }
}

impl OutputFollower {
    pub(crate) fn new(engine: Arc<Engine>, id: &str, name: &str, from: u64) -> Result<Self, WatchError> {
        check_name("output name", name)?;
        engine.check_open()?;
        let keys = Arc::from([key(Kind::Output, id, name), key(Kind::Life, id, "")]);
        engine.listening.add(Kind::Output as u16 | Kind::Life as u16);
        let (id, name) = (id.to_owned(), name.to_owned());
        Ok(Self {
            engine,
            id,
            name,
            position: from,
            number: None,
            blob: None,
            chunk: Chunk::default(),
            ended: false,
            #[cfg(feature = "stream")]
            failed: false,
            ticket: 0,
            keys,
        })
    }

    /// The offset of the next byte: where to continue after a restart.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// `true` once nothing more will come: the execution has ended or was deleted, or its stream was, and everything was read.
    /// What is appended to an execution after its end is not waited for.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns the next bytes, at most `most`. If there are none, it waits until there are some or the execution ends, at most
    /// for `timeout`; after that the part is empty. It also waits for an execution or a stream that does not exist yet. A `most`
    /// of 0 counts as 1. On a thread that has a write of the same store in hand, a wait is [`WatchError::Reentrant`].
    pub fn next_part(&mut self, most: usize, timeout: Duration) -> Result<OutputPart, WatchError> {
        self.engine.check_outside()?;
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let known = self.engine.commits.head();
            let end = self.engine.commits.ended();
            let part = self.look(most.max(1))?;
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let over = left.is_some_and(|left| left.is_zero());
            if !part.bytes.is_empty() || self.ended || over {
                self.position = part.next();
                return Ok(part);
            }
            if self.engine.write_lock.posts.is_needed_here() {
                return Err(Reentrant.into());
            }
            check_end(end)?;
            let left = left.unwrap_or(Duration::from_secs(3_600));
            // What it ended with is looked at after what there is.
            self.engine.commits.wait(known, &self.keys, left, || false);
        }
    }

    /// The same for a future, under any async runtime: waits for the next bytes, or until nothing more will come; then the part is
    /// empty. It is cancel-safe: dropped before it is ready it loses nothing.
    ///
    /// With the feature `stream` the follower is a `Stream` of the same parts, each of at most 64 KiB. It ends once nothing more will
    /// come, and after an error.
    pub fn recv(&mut self, most: usize) -> RecvPart<'_> {
        RecvPart { follower: self, most: most.max(1) }
    }

    /// What there is now.
    fn look(&mut self, most: usize) -> Result<OutputPart, WatchError> {
        let nothing = OutputPart { offset: self.position, ..OutputPart::default() };
        let reader = ReadTxn::new(self.engine.clone())?;
        let found = reader.tables().number(&self.id)?;
        let Some(number) = found.filter(|found| self.number.is_none_or(|known| known == *found)) else {
            self.ended = self.number.is_some();
            return Ok(nothing);
        };
        self.number = Some(number);
        let row = reader.tables().output(number, &self.name)?;
        let part = match &row {
            Some(row) if self.blob.is_none_or(|known| known == row.blob) => {
                self.blob = Some(row.blob);
                // One that begins beyond the end waits there.
                match self.position > row.output.length {
                    true => nothing,
                    false => read_output(&reader, row, self.position, most, &mut self.chunk)?,
                }
            }
            _ if self.blob.is_some() => {
                self.ended = true;
                return Ok(nothing);
            }
            _ => nothing,
        };
        if part.bytes.is_empty() {
            let record = reader.tables().execution(number, &reader.settings().lifecycle)?;
            self.ended = record.is_none_or(|record| record.header.state.is_terminal());
        }
        Ok(part)
    }
}

impl Drop for OutputFollower {
    fn drop(&mut self) {
        if !self.engine.grounds.process.is_another() {
            self.engine.commits.forget(&mut self.ticket);
        }
    }
}

/// A future for the next bytes of an output stream: see [`OutputFollower::recv`].
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub struct RecvPart<'f> {
    follower: &'f mut OutputFollower,
    most: usize,
}

impl Future for RecvPart<'_> {
    type Output = Result<OutputPart, WatchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { follower, most } = &mut *self;
        follower.poll_recv(*most, cx)
    }
}

impl OutputFollower {
    fn poll_recv(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<Result<OutputPart, WatchError>> {
        self.engine.check_outside()?;
        loop {
            let (known, end) = (self.engine.commits.head(), self.engine.commits.ended());
            let part = self.look(most)?;
            if !part.bytes.is_empty() || self.ended {
                self.position = part.next();
                return Poll::Ready(Ok(part));
            }
            check_end(end)?;
            let Self { engine, keys, ticket, .. } = self;
            match engine.commits.poll(known, keys, ticket, cx.waker()) {
                Poll::Ready(_) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The same for a stream, which ends.
    #[cfg(feature = "stream")]
    pub(super) fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<OutputPart, WatchError>>> {
        const MOST: usize = 64 * 1024;
        if self.failed || self.ended {
            return Poll::Ready(None);
        }
        let polled = self.poll_recv(MOST, cx);
        self.failed = matches!(polled, Poll::Ready(Err(_)));
        polled.map(|result| match result {
            Ok(part) if part.bytes.is_empty() && part.dropped == 0 => None,
            Err(WatchError::Storage(StorageError::Closed)) => None,
            other => Some(other),
        })
    }
}
