//! The workers: a consumer of the change log hands them what becomes pending, and they run it, until nothing
//! is left.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use execstore::error::WriteError;
use execstore::watch::WatchFrom;
use execstore::{
    Change, Error, Execution, ExecutionId, Expect, Filter, NewEvent, Query, Readable, Store, Update,
};

use crate::execute;

/// Runs everything that is pending, and what comes of it, with this many workers.
pub fn run(store: &Store, workers: usize) -> Result<(), Box<dyn StdError>> {
    let (queue, queued) = mpsc::channel();
    // What is pending now, and from the same moment on what becomes so.
    let view = store.begin_read()?;
    for pending in view.query(&Query::new().state("New").oldest_first()).rows()? {
        queue.send(pending?.id.clone())?;
    }
    let now = view.log().head()?;
    drop(view);
    // Ephemeral: after a crash the list above says what is pending, whatever was handed out before.
    let consumer = store
        .consumer("workers")
        .ephemeral()
        .filter(Filter::new().entered("New"))
        .start_at(WatchFrom::After(now))
        .run(move |changes| {
            Ok(changes.iter().filter_map(Change::execution_id).try_for_each(|id| queue.send(id.clone()))?)
        })?;

    let (queued, stop) = (Mutex::new(queued), AtomicBool::new(false));
    thread::scope(|scope| {
        let mut handles = Vec::with_capacity(workers);
        for number in 1..=workers {
            let worker = Worker { store, queued: &queued, stop: &stop, number };
            let spawned = thread::Builder::new().spawn_scoped(scope, move || worker.work());
            match spawned {
                Ok(handle) => handles.push(handle),
                Err(_) if !handles.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        let finished = until_idle(store, &stop);
        // The consumer owns the other end of the queue: the workers end with it.
        drop(consumer);
        for handle in handles {
            handle.join().map_err(|_| "a worker panicked")??;
        }
        Ok(finished?)
    })
}

/// Waits until nothing is pending or live any more, or a worker cannot go on.
fn until_idle(store: &Store, stop: &AtomicBool) -> Result<(), Error> {
    let mut ends = store.watch(WatchFrom::Latest, Filter::new())?;
    while !stop.load(Ordering::Relaxed) {
        let view = store.begin_read()?;
        if view.counts()?.iter().all(|(state, count)| state.is_terminal() || *count == 0) {
            break;
        }
        drop(view);
        ends.next_batch(1_000, Duration::from_millis(500))?;
    }
    Ok(())
}

struct Worker<'a> {
    store: &'a Store,
    queued: &'a Mutex<Receiver<ExecutionId>>,
    /// Set when one of the workers cannot go on: then the others end too.
    stop: &'a AtomicBool,
    number: usize,
}

impl Worker<'_> {
    fn work(&self) -> Result<(), Error> {
        let result = self.work_on();
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    fn work_on(&self) -> Result<(), Error> {
        while let Some(id) = self.next() {
            if let Some(claimed) = self.claim(&id)? {
                execute::execute(self.store, &claimed)?;
            }
        }
        Ok(())
    }

    /// Waits for the next; `None` when there will be no more.
    fn next(&self) -> Option<ExecutionId> {
        let queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        queued.recv().ok().filter(|_| !self.stop.load(Ordering::Relaxed))
    }

    /// `None` if it is not pending any more.
    fn claim(&self, id: &ExecutionId) -> Result<Option<Execution>, Error> {
        let update = Update::to("BidAccepted").node_id(format!("node-{}", std::process::id()));
        let event = NewEvent::new("claimed").message(format!("by worker {}", self.number));
        match self.store.update(id, update.expect(Expect::new().state("New")).event(event)) {
            Ok(_) => Ok(self.store.get(id)?),
            Err(Error::Write(WriteError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
