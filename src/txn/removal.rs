//! Removing what was deleted, in transactions of a few milliseconds, between which others write.

use std::sync::Arc;

use redb::Durability;

use crate::engine::shared::Shared;
use crate::model::error::{Error, ReadError};
use crate::read::View;
use crate::txn::pace::Pace;
use crate::txn::{ReadTxn, WriteTxn};

/// Has it done in the background, where the caller cannot be in the way of a transaction of the store's own.
pub(crate) fn ask(shared: &Arc<Shared>) {
    if shared.is_lent() || shared.grounds.is_read_only() {
        return;
    }
    let held = shared.clone();
    shared.sweeping.ask("execstore-sweep", move || {
        while held.sweeping.goes_on() {
            // An error poisons the store or will come again: the writers hear of it.
            let _ = sweep(&held, || held.sweeping.is_stopped());
        }
    });
}

/// The same, if rows wait.
pub(crate) fn ask_if_waiting(shared: &Arc<Shared>) {
    if waiting(shared).is_ok_and(|waiting| waiting > 0) {
        ask(shared);
    }
}

/// How many deletions have rows that wait.
pub(crate) fn waiting(shared: &Arc<Shared>) -> Result<u64, ReadError> {
    Ok(ReadTxn::new(shared.clone())?.totals()?.waiting)
}

/// Removes whatever waits, unless it is stopped in between.
pub(crate) fn sweep(shared: &Arc<Shared>, stopped: impl Fn() -> bool) -> Result<(), Error> {
    let mut pace = Pace::new();
    while !stopped() && waiting(shared)? > 0 {
        let mut txn = WriteTxn::new(shared.clone(), "the removal of what was deleted")?;
        if !txn.writer()?.sweep()? {
            break;
        }
        // It becomes durable when its pages are written out, or with anybody's commit.
        txn.set_durability(Durability::None);
        txn.commit()?;
        pace.step(shared)?;
    }
    Ok(())
}
