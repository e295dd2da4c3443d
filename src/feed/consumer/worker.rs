//! The thread of a consumer: next batch, handler, checkpoint, and what to do when one of them fails.

use std::sync::Arc;
use std::time::Duration;

use super::control::{ConsumerState, Control};
use super::registry::Claim;
use super::retry::{OnFailure, Retry};
use crate::engine::core::Engine;
use crate::feed::watch::{WatchFrom, Watcher};
use crate::group_commit::{Admission, Committer};
use crate::model::change::Change;
use crate::model::error::{BeginError, Error, StorageError, WatchError};
use crate::model::id::ChangeSeq;
use crate::model::panics::{caught, dropped};
use crate::txn::WriteTxn;
use crate::write::Writer;

/// Any error of a handler's, for `?`. It is kept as text: see [`ConsumerStats::last_error`](super::ConsumerStats::last_error).
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

type Plain = dyn FnMut(&[Change]) -> Result<(), HandlerError> + Send;
type InTransaction = dyn FnMut(&[Change], &mut Writer<'_>) -> Result<(), HandlerError> + Send;

/// What the caller does with changes.
pub(super) enum Handler {
    /// Effects elsewhere; the checkpoint is saved after them.
    Plain(Box<Plain>),
    /// Effects in this store, in one transaction with the checkpoint.
    InTransaction(Box<InTransaction>),
}

/// How long a consumer waits before it looks whether its position should be saved.
const IDLE: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) name: String,
    pub(super) ephemeral: bool,
    pub(super) batch: usize,
    pub(super) retry: Retry,
    pub(super) on_failure: OnFailure,
    pub(super) handler: Handler,
    pub(super) watcher: Watcher,
    pub(super) control: Arc<Control>,
    pub(super) engine: Arc<Engine>,
    pub(super) batcher: Arc<Committer>,
    pub(super) _claim: Claim,
}

/// What to do after a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

impl Worker {
    pub(super) fn run(mut self) {
        while self.step() == Next::GoOn {}
    }

    fn step(&mut self) -> Next {
        let (stop, seek) = {
            let mut inner = self.control.lock();
            (inner.stop, inner.seek.take())
        };
        // A seek before a stop is still done, so that the next run begins there.
        if let Some(start) = seek {
            return self.seek(&start);
        }
        if stop {
            return Next::End;
        }
        self.set_state(ConsumerState::Waiting);
        let control = self.control.clone();
        match self.watcher.next_batch_unless(self.batch, IDLE, || control.is_wanted()) {
            Ok(changes) if changes.is_empty() => self.pass(),
            Ok(changes) => self.deliver(&changes),
            Err(WatchError::Storage(StorageError::Closed)) => Next::End,
            Err(WatchError::Storage(StorageError::Poisoned { reason: Some(reason) })) => {
                self.poisoned(&reason)
            }
            Err(error) => self.blocked(&error),
        }
    }

    /// Nothing more can be done in this store.
    fn poisoned(&self, reason: &StorageError) -> Next {
        self.failed(ConsumerState::Poisoned, reason);
        Next::End
    }

    fn set_state(&self, state: ConsumerState) {
        self.control.lock().stats.state = state;
    }

    fn failed(&self, state: ConsumerState, error: &impl ToString) {
        // The caller's own code, which may ask for these very statistics, or fail.
        let text = caught(|| error.to_string())
            .unwrap_or_else(|said| format!("an error that cannot be shown: {said}"));
        let mut inner = self.control.lock();
        inner.stats.state = state;
        inner.stats.last_error = Some(text);
    }

    /// Only the caller can help.
    fn blocked(&self, error: &impl ToString) -> Next {
        if let Some(reason) = self.engine.poisoned_by() {
            return self.poisoned(&reason);
        }
        self.failed(ConsumerState::Blocked, error);
        self.control.rest(&self.engine.doorbell, IDLE);
        Next::GoOn
    }

    fn seek(&mut self, start: &WatchFrom) -> Next {
        match self.watcher.seek(start) {
            Ok(()) => self.pass(),
            Err(WatchError::Storage(StorageError::Closed)) => Next::End,
            Err(error) => self.blocked(&error),
        }
    }

    /// Saves the position, which moved over changes that the filter dropped: they need not be kept for this consumer.
    fn pass(&mut self) -> Next {
        let position = self.watcher.position();
        let saved = self.control.lock().stats.checkpoint;
        match saved.is_some_and(|saved| saved != position) {
            true => match self.save(position) {
                Outcome::Done => self.done(&[], position),
                // Whoever wants it elsewhere says where; a stop leaves the checkpoint before what was dropped.
                Outcome::Wanted | Outcome::Failed => {}
                Outcome::Ended => return Next::End,
            },
            false => self.done(&[], position),
        }
        Next::GoOn
    }

    /// Saves a position, for as long as it takes: what was handled is not handled again for that.
    fn save(&self, position: ChangeSeq) -> Outcome {
        if self.ephemeral {
            return Outcome::Done;
        }
        loop {
            let name = self.name.clone();
            let saved = self.batcher.batch(move |w| Ok(w.set_checkpoint(&name, position)?), Admission::WAITS);
            match saved {
                Ok(()) => return Outcome::Done,
                Err(Error::Storage(StorageError::Closed)) => return Outcome::Ended,
                Err(error) => {
                    if self.blocked(&error) == Next::End {
                        return Outcome::Ended;
                    }
                }
            }
            if self.control.is_wanted() {
                return Outcome::Wanted;
            }
        }
    }

    fn done(&self, changes: &[Change], position: ChangeSeq) {
        let mut inner = self.control.lock();
        let stats = &mut inner.stats;
        stats.position = position;
        stats.checkpoint = (!self.ephemeral).then_some(position);
        stats.handled += changes.len() as u64;
        stats.last_error = None;
        stats.last_change_at = changes.last().map(Change::time).or(stats.last_change_at);
    }

    /// Delivers changes until the handler takes them, or its attempts are used up.
    fn deliver(&mut self, changes: &[Change]) -> Next {
        // A batch that was filled may end before what the filter drops after it.
        let position = self.watcher.position();
        match self.attempts(changes, position) {
            Outcome::Done => self.done(changes, position),
            Outcome::Wanted => self.come_again(),
            Outcome::Failed => match self.on_failure {
                OnFailure::Skip if changes.len() > 1 => return self.one_by_one(changes, position),
                OnFailure::Skip => return self.skip(position),
                _ => return Next::End,
            },
            Outcome::Ended => return Next::End,
        }
        Next::GoOn
    }

    /// Not done with what was read last: it comes again, unless the wish is to be elsewhere.
    fn come_again(&mut self) {
        let before = self.control.lock().stats.position;
        let _ = self.watcher.seek(&WatchFrom::After(before));
    }

    fn one_by_one(&mut self, changes: &[Change], last: ChangeSeq) -> Next {
        for change in changes {
            let end = changes.last().is_some_and(|last| last.seq() == change.seq());
            let position = if end { last } else { change.seq() };
            match self.attempts(std::slice::from_ref(change), position) {
                Outcome::Done => self.done(std::slice::from_ref(change), position),
                Outcome::Failed => {
                    if self.skip(position) == Next::End {
                        return Next::End;
                    }
                    if self.control.lock().stats.position < position {
                        return Next::GoOn;
                    }
                }
                Outcome::Wanted => {
                    self.come_again();
                    return Next::GoOn;
                }
                Outcome::Ended => return Next::End,
            }
        }
        Next::GoOn
    }

    fn skip(&mut self, position: ChangeSeq) -> Next {
        match self.save(position) {
            Outcome::Done => {
                self.done(&[], position);
                self.control.lock().stats.skipped += 1;
            }
            Outcome::Ended => return Next::End,
            Outcome::Wanted | Outcome::Failed => self.come_again(),
        }
        Next::GoOn
    }

    /// Calls the handler until it takes the changes, or its attempts are used up.
    fn attempts(&mut self, changes: &[Change], position: ChangeSeq) -> Outcome {
        let mut failures = 0;
        loop {
            if self.control.is_wanted() {
                return Outcome::Wanted;
            }
            self.set_state(ConsumerState::Handling);
            let error = match self.handle(changes, position) {
                Ok(outcome) => return outcome,
                Err(Error::Storage(StorageError::Closed)) => return Outcome::Ended,
                // Not the handler's fault, and nothing that it could do better the next time.
                Err(
                    error @ (Error::Storage(_)
                    | Error::Commit(_)
                    | Error::Begin(BeginError::WriterHeld { .. })),
                ) => {
                    if self.blocked(&error) == Next::End {
                        return Outcome::Ended;
                    }
                    continue;
                }
                Err(error) => error,
            };
            failures += 1;
            self.control.lock().stats.failures += 1;
            self.failed(ConsumerState::BackingOff, &error);
            dropped(error);
            if self.retry.is_over(failures) && self.on_failure != OnFailure::Block {
                return Outcome::Failed;
            }
            self.control.rest(&self.engine.doorbell, self.retry.delay(failures));
            if let Some(reason) = self.engine.poisoned_by() {
                self.poisoned(&reason);
                return Outcome::Ended;
            }
        }
    }

    /// One call of the handler, and the checkpoint.
    fn handle(&mut self, changes: &[Change], position: ChangeSeq) -> Result<Outcome, Error> {
        match &mut self.handler {
            Handler::Plain(handler) => {
                guarded(|| handler(changes))?;
                Ok(self.save(position))
            }
            Handler::InTransaction(handler) => {
                let txn = WriteTxn::new(self.engine.clone(), "the handler of a consumer")?;
                {
                    let mut writer = txn.writer()?;
                    txn.inside(|| guarded(|| handler(changes, &mut writer)))?;
                    if !self.ephemeral {
                        writer.set_checkpoint(&self.name, position)?;
                    }
                }
                txn.commit()?;
                Ok(Outcome::Done)
            }
        }
    }
}

enum Outcome {
    Done,
    Failed,
    /// Somebody wants the consumer to stop or to seek.
    Wanted,
    /// The store was closed.
    Ended,
}

/// A panic of the handler is a failure like any other.
fn guarded(call: impl FnOnce() -> Result<(), HandlerError>) -> Result<(), Error> {
    match caught(call) {
        Ok(result) => Ok(result?),
        Err(message) => Err(HandlerError::from(format!("the handler panicked: {message}")).into()),
    }
}
