//! Waiting for changes: who is woken, and by what.

use std::time::Duration;

use execstore::{ChangeSeq, NewExecution};

use crate::Engine;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

pub fn a_rolled_back_write_wakes_nobody(engine: &dyn Engine) {
    let store = engine.store();
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(new("a")).unwrap();
    drop(txn);
    let head = store.wait_for_changes(ChangeSeq(0), Duration::from_millis(30)).unwrap();
    assert_eq!(head.get(), 0);
}
