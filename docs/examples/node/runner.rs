//! The workers: each claims an execution and runs it, until nothing is left.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use execstore::{ChangeSeq, Error, Execution, Expect, NewEvent, Readable, Store, Update, WriteError};

use crate::execute;

/// Runs everything that is pending, and what comes of it, with this many workers.
pub fn run(store: &Store, workers: usize) -> Result<(), Box<dyn StdError>> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut handles = Vec::with_capacity(workers);
        for number in 1..=workers {
            let worker = Worker { store, stop: &stop, number };
            let spawned = thread::Builder::new().spawn_scoped(scope, move || worker.work());
            handles.push(spawned.inspect_err(|_| stop.store(true, Ordering::Relaxed))?);
        }
        for handle in handles {
            handle.join().map_err(|_| "a worker panicked")??;
        }
        Ok(())
    })
}

struct Worker<'a> {
    store: &'a Store,
    /// Set when one of the workers cannot go on: then the others end too.
    stop: &'a AtomicBool,
    number: usize,
}

enum Next {
    Run(Box<Execution>),
    /// Nothing to claim, but others still run and may fail and be retried.
    Wait(ChangeSeq),
    Finished,
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
        while !self.stop.load(Ordering::Relaxed) {
            match self.next()? {
                Next::Run(claimed) => execute::execute(self.store, &claimed)?,
                Next::Wait(head) => {
                    self.store.wait_for_changes(head, Duration::from_millis(500))?;
                }
                Next::Finished => return Ok(()),
            }
        }
        Ok(())
    }

    fn next(&self) -> Result<Next, Error> {
        let view = self.store.begin_read()?;
        let mut idle = view.live()?.next().transpose()?.is_none();
        for pending in view.by_state(["New"])? {
            idle = false;
            if let Some(claimed) = self.claim(&pending?)? {
                return Ok(Next::Run(Box::new(claimed)));
            }
        }
        Ok(if idle { Next::Finished } else { Next::Wait(view.head()?) })
    }

    /// `None` if another worker was faster.
    fn claim(&self, pending: &Execution) -> Result<Option<Execution>, Error> {
        let expect = Expect::any().state("New").revision(pending.revision);
        let update = Update::to("BidAccepted").node_id(format!("node-{}", std::process::id()));
        let event = NewEvent::new("claimed").message(format!("by worker {}", self.number));
        match self.store.write(|w| w.update(&pending.id, &expect, update, &[event])) {
            Ok(claimed) => Ok(Some(claimed)),
            Err(Error::Write(WriteError::Conflict { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
