//! Removing what was deleted, in transactions of a few milliseconds, between which others write.

use std::sync::Arc;

use redb::Durability;

use crate::engine::core::Engine;
use crate::model::error::{Error, ReadError};
use crate::read::View;
use crate::txn::pace::Pace;
use crate::txn::{ReadTxn, WriteTxn};

/// Has it done in the background, where the caller cannot be in the way of a transaction of the store's own.
pub(crate) fn ask(engine: &Arc<Engine>) {
    if engine.is_lent() || engine.grounds.is_read_only() {
        return;
    }
    let held = engine.clone();
    engine.sweeping.ask("execstore-sweep", move || {
        while held.sweeping.goes_on() {
            // An error poisons the store or will come again: the writers hear of it.
            let _ = sweep(&held, || held.sweeping.is_stopped());
        }
    });
}

/// The same, if rows wait.
pub(crate) fn ask_if_waiting(engine: &Arc<Engine>) {
    if waiting(engine).is_ok_and(|waiting| waiting > 0) {
        ask(engine);
    }
}

/// How many deletions have rows that wait.
pub(crate) fn waiting(engine: &Arc<Engine>) -> Result<u64, ReadError> {
    Ok(ReadTxn::new(engine.clone())?.totals()?.waiting)
}

/// Removes whatever waits, unless it is stopped in between.
pub(crate) fn sweep(engine: &Arc<Engine>, stopped: impl Fn() -> bool) -> Result<(), Error> {
    let mut pace = Pace::new();
    while !stopped() && waiting(engine)? > 0 {
        let mut txn = WriteTxn::new(engine.clone(), "the removal of what was deleted")?;
        if !txn.writer()?.sweep()? {
            break;
        }
        // It becomes durable when its pages are written out, or with anybody's commit.
        txn.set_durability(Durability::None);
        txn.commit()?;
        pace.step(engine)?;
    }
    Ok(())
}
