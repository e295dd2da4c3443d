//! Consumers: a handler on its own thread that receives the changes of a watcher, at least once and in
//! order, with its position saved in the store.

mod control;
mod registration;
mod registry;
mod retry;
mod worker;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::core::Engine;
use crate::feed::watch::{WatchFrom, Watcher, position_of};
use crate::group_commit::Committer;
use crate::model::bookmark::{self, Bookmark};
use crate::model::change::Change;
use crate::model::error::{Error, WatchError, no_thread};
use crate::model::filter::Filter;
use crate::model::id::ChangeSeq;
use crate::model::limits::check_name;
use crate::model::touch::{Kind, key};
use crate::read::View;
use crate::txn::ReadTxn;
use crate::write::Writer;

use control::{Control, Ending};
use registration::register;
use worker::{Handler, Worker};

pub use control::{ConsumerState, ConsumerStats};
pub use retry::{OnFailure, Retry};
pub use worker::HandlerError;

pub(crate) use registry::Registry;

/// A consumer to be started; made by [`Store::consumer`](crate::Store::consumer).
#[must_use = "it does nothing until it is run"]
pub struct ConsumerBuilder {
    engine: Arc<Engine>,
    batcher: Arc<Committer>,
    registry: Arc<Registry>,
    name: String,
    filter: Filter,
    start: WatchFrom,
    batch: usize,
    retry: Retry,
    on_failure: OnFailure,
    ephemeral: bool,
}

impl std::fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, filter, start, batch, retry, on_failure, ephemeral, .. } = self;
        f.debug_struct("ConsumerBuilder")
            .field("name", name)
            .field("filter", filter)
            .field("start", start)
            .field("batch", batch)
            .field("retry", retry)
            .field("on_failure", on_failure)
            .field("ephemeral", ephemeral)
            .finish_non_exhaustive()
    }
}

impl ConsumerBuilder {
    pub(crate) fn new(
        engine: Arc<Engine>,
        batcher: Arc<Committer>,
        registry: Arc<Registry>,
        name: String,
    ) -> Self {
        Self {
            engine,
            batcher,
            registry,
            name,
            filter: Filter::new(),
            start: WatchFrom::Oldest,
            batch: 100,
            retry: Retry::new(),
            on_failure: OnFailure::Block,
            ephemeral: false,
        }
    }

    /// The changes to receive; all by default.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Where to begin the first time, [`WatchFrom::Oldest`] by default. Later the checkpoint decides.
    pub fn start_at(mut self, start: WatchFrom) -> Self {
        self.start = start;
        self
    }

    /// The most changes of one call of the handler, at least 1; 100 by default.
    pub fn batch(mut self, changes: usize) -> Self {
        self.batch = changes.max(1);
        self
    }

    /// How to try again when the handler fails.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What to do once all attempts have failed; [`OnFailure::Block`] by default.
    pub fn on_failure(mut self, what: OnFailure) -> Self {
        self.on_failure = what;
        self
    }

    /// Saves no checkpoint, and keeps nothing from being trimmed.
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// Starts a thread that gives the changes to a handler with effects elsewhere.
    ///
    /// The checkpoint is saved once the handler has returned `Ok`, so after a crash in between the same
    /// changes come again: *at least once*. A panic of the handler counts as an error. From here on the log is
    /// kept for this consumer, until its checkpoint is [deleted](crate::Writer::delete_checkpoint).
    ///
    /// Fails with [`WatchError::AlreadyRunning`] if a consumer of this name runs on this store.
    pub fn run(
        self,
        handler: impl FnMut(&[Change]) -> Result<(), HandlerError> + Send + 'static,
    ) -> Result<Consumer, Error> {
        self.start(Handler::Plain(Box::new(handler)))
    }

    /// Starts a thread that gives the changes to a handler with effects in this store.
    ///
    /// What the handler writes and the checkpoint are committed together, so that its effects happen *exactly
    /// once*. The handler holds the write transaction: keep it short.
    pub fn run_in_transaction(
        self,
        handler: impl FnMut(&[Change], &mut Writer<'_>) -> Result<(), HandlerError> + Send + 'static,
    ) -> Result<Consumer, Error> {
        self.start(Handler::InTransaction(Box::new(handler)))
    }

    fn start(self, handler: Handler) -> Result<Consumer, Error> {
        check_name("consumer name", &self.name)?;
        self.filter.check_names(&self.engine.settings.lifecycle)?;
        let stop_limit = self.registry.stop_limit;
        let claim = self.registry.claim(&self.name)?;
        let (start, registered) = match self.ephemeral {
            true => (self.start, None),
            false => {
                let registered = register(&self.engine, &self.name, &self.start)?;
                (WatchFrom::After(registered.position()), Some(registered))
            }
        };
        let nudge = key(Kind::Nudge, "", &self.name);
        let watcher = Watcher::new(self.engine.clone(), &start, self.filter)?.also(nudge);
        // The consumer's own position may have been trimmed: then it is told so, whatever the head is.
        let control = Control::new(watcher.position(), self.ephemeral, nudge);
        claim.runs(&control)?;
        let ending = Ending(control.clone());
        let worker = Worker {
            name: self.name.clone(),
            ephemeral: self.ephemeral,
            batch: self.batch,
            retry: self.retry,
            on_failure: self.on_failure,
            handler,
            watcher,
            control: control.clone(),
            engine: self.engine.clone(),
            batcher: self.batcher,
            _claim: claim,
        };
        // The system's names end at the first NUL.
        let name = format!("execstore-{}", self.name.replace('\0', ""));
        let thread = thread::Builder::new().name(name).spawn(move || {
            ending.0.runs_here();
            worker.run();
            drop(ending);
        });
        control.started(thread.map_err(no_thread("for the consumer"))?);
        if let Some(registered) = registered {
            registered.keep();
        }
        Ok(Consumer { name: self.name, control, engine: self.engine, stop_limit })
    }
}

/// A running consumer. Dropping it stops it, as [`stop`](Consumer::stop) does.
///
/// A handler that keeps a [`Store`](crate::Store) handle keeps the store open until the consumer is stopped.
///
/// ```
/// # use std::sync::mpsc;
/// # use execstore::{Change, Filter, NewExecution, Store};
/// # let store = Store::in_memory()?;
/// let (seen, changes) = mpsc::channel();
/// let consumer = store
///     .consumer("billing")
///     .filter(Filter::new().namespace("tenant-a"))
///     .run(move |changes| {
///         let ids = changes.iter().filter_map(Change::execution_id);
///         Ok(ids.cloned().try_for_each(|id| seen.send(id))?)
///     })?;
/// store.create(NewExecution::new("job-1").id("e-1").namespace("tenant-a"))?;
/// assert_eq!(changes.recv()?, "e-1");
/// consumer.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Consumer {
    name: String,
    control: Arc<Control>,
    engine: Arc<Engine>,
    stop_limit: Duration,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name).field("stats", &self.stats()).finish()
    }
}

impl Consumer {
    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its statistics.
    pub fn stats(&self) -> ConsumerStats {
        self.control.stats(self.engine.doorbell.head())
    }

    /// Continues from another position, once the handler's current call has returned. What it failed on is left
    /// behind. A start that does not exist (a checkpoint of no such name, a position beyond the head, behind what was trimmed, or of
    /// another incarnation) is an error, and changes nothing. [`WatchFrom::Oldest`] is the way out for one that was left behind.
    pub fn seek(&self, start: WatchFrom) -> Result<(), WatchError> {
        self.engine.check_outside()?;
        let reader = ReadTxn::new(self.engine.clone())?;
        let (position, trimmed) = (position_of(&reader, &start)?, reader.totals()?.trimmed);
        if position < trimmed {
            return Err(bookmark::trimmed(position + 1, trimmed).into());
        }
        drop(reader);
        self.control.wish(&self.engine.doorbell, |inner| inner.seek = Some(start));
        Ok(())
    }

    /// Stops it, and waits until the handler's present call has returned, at most for the
    /// [stop limit](crate::Builder::set_stop_limit); not within the handler itself, and not where the handler would wait for this
    /// thread, which has a write of the store in hand. Its checkpoint stays. Gives the last statistics: the state is
    /// [`Stopped`](ConsumerState::Stopped) unless the handler is still at work. Then it is not called again.
    pub fn stop(self) -> ConsumerStats {
        self.end();
        self.stats()
    }

    fn end(&self) {
        if self.engine.grounds.process.is_another() {
            // Its thread is in the process that opened the store.
            return;
        }
        // One who holds the write transaction that the consumer waits for does not wait for the consumer.
        let wait = !self.engine.write_lock.posts.is_needed_here();
        let deadline = Instant::now().checked_add(self.stop_limit).filter(|_| wait);
        self.control.stop(&self.engine.doorbell, deadline);
    }

    /// The last change that it is done with.
    pub fn position(&self) -> ChangeSeq {
        self.control.lock().stats.position
    }

    /// The same, to be kept outside the store.
    pub fn bookmark(&self) -> Bookmark {
        Bookmark::new(self.engine.settings.incarnation, self.position())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.end();
    }
}
