//! How often long work has redb write out what it left in memory, so that nobody has to wait for much of it at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::core::Engine;
use crate::model::error::{CommitError, Error, StorageError};
use crate::txn::WriteTxn;

/// Writing out is to take less than the one, and may be rarer below the other.
const LONG: Duration = Duration::from_millis(6);
const SHORT: Duration = Duration::from_millis(3);
/// Transactions between two times of writing out: at the beginning, and at the most.
const FIRST: u32 = 4;
const MOST: u32 = 64;

/// The pace of one long work.
///
/// redb keeps the pages of commits that do not wait for the disk in memory, as many as fit into half its page cache, and writes
/// them all with the next durable one, whoever's that is: 64 MiB took 200 ms. What a row costs there depends on where its neighbours
/// are, on the disk, and on who else uses it; so it is not reckoned, but the time is taken, and the next one is sooner or later.
#[derive(Debug)]
pub(crate) struct Pace {
    every: u32,
    since: u32,
    /// The disk had no room for it. What makes room can go on without.
    full: bool,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { every: FIRST, since: 0, full: false }
    }

    /// A transaction of the work has ended: if it is time for that, has redb write out, with a turn of its own.
    pub(crate) fn step(&mut self, engine: &Arc<Engine>) -> Result<(), Error> {
        self.since += 1;
        if self.full || self.since < self.every {
            return Ok(());
        }
        let mut txn = WriteTxn::new(engine.clone(), "the writing out of long work")?;
        txn.write_out();
        let start = Instant::now();
        match txn.commit() {
            Err(CommitError::RolledBack(StorageError::OutOfSpace { .. })) => self.full = true,
            Err(error) => return Err(error.into()),
            Ok(()) => self.took(start.elapsed()),
        }
        Ok(())
    }

    /// The same after a durable one. Without a journal redb has written out with it.
    pub(crate) fn durable_step(&mut self, engine: &Arc<Engine>) -> Result<(), Error> {
        if engine.has_journal() { self.step(engine) } else { Ok(()) }
    }

    fn took(&mut self, time: Duration) {
        self.since = 0;
        if time > LONG {
            self.every = (self.every / 2).max(1);
        } else if time < SHORT {
            self.every = (self.every + 1).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_done_more_often_and_what_is_quick_more_rarely() {
        let mut pace = Pace::new();
        pace.took(LONG * 2);
        assert_eq!(pace.every, FIRST / 2);
        (0..10).for_each(|_| pace.took(LONG * 2));
        assert_eq!(pace.every, 1, "but never more than with each");
        pace.took((LONG + SHORT) / 2);
        assert_eq!(pace.every, 1);
        (0..100).for_each(|_| pace.took(SHORT / 2));
        assert_eq!(pace.every, MOST);
    }
}
