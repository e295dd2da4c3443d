//! One caller's closure in a group commit.

use std::sync::Arc;

use super::pending::Slot;
use crate::model::error::{BatchError, BeginError, CommitError, Error, WriterError};
use crate::model::panics::{caught, dropped};
use crate::write::Writer;

/// Why a transaction was not committed, for everybody in it.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Begin(BeginError),
    Writer(WriterError),
    Commit(CommitError),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Begin(error) => error.into(),
            Failure::Writer(error) => error.into(),
            Failure::Commit(error) => error.into(),
        }
    }
}

/// A closure that waits for its commit, whatever it returns.
pub(super) trait Request: Send {
    /// Runs it, once. `false`: it failed, and what it wrote must not stay.
    fn run(&mut self, writer: &mut Writer<'_>) -> bool;

    /// Tells its caller how it went, after the commit.
    fn settle(self: Box<Self>, committed: Result<(), Failure>);
}

pub(super) struct Closure<F, T> {
    run: Option<F>,
    outcome: Option<Result<T, Error>>,
    slot: Arc<Slot<T>>,
}

impl<F, T> Closure<F, T> {
    pub(super) fn new(run: F, slot: Arc<Slot<T>>) -> Self {
        Self { run: Some(run), outcome: None, slot }
    }
}

impl<F, T> Request for Closure<F, T>
where
    F: FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send,
    T: Send,
{
    fn run(&mut self, writer: &mut Writer<'_>) -> bool {
        let Some(run) = self.run.take() else { return true };
        let outcome = guarded(|| run(writer));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn settle(mut self: Box<Self>, committed: Result<(), Failure>) {
        // Before the answer: what the closure holds, a handle of the store perhaps, is gone when its caller
        // goes on. Whatever that does, the answer is how the commit went.
        dropped(self.run.take());
        let outcome = match (self.outcome.take(), committed) {
            (Some(Err(error)), _) => Err(error),
            (lost, Err(error)) => {
                dropped(lost);
                Err(error.into())
            }
            (Some(ok), Ok(())) => ok,
            (None, Ok(())) => return,
        };
        self.slot.answer(outcome);
    }
}

impl<F, T> Drop for Closure<F, T> {
    /// Nobody waits for ever, whatever became of the member.
    fn drop(&mut self) {
        self.slot.answer(Err(BatchError::Lost.into()));
    }
}

/// Runs a caller's closure: a panic fails it alone.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match caught(run) {
        Ok(result) => result,
        Err(message) => Err(BatchError::Panicked { message }.into()),
    }
}
