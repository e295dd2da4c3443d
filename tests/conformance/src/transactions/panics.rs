//! Panics of the caller's own while a write is open: rolled back, gone on with, and nothing is left in the file.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use execstore::error::BatchError;
use execstore::{Error, NewExecution, Query, Readable, Update};
use support::create;
use support::waits::until;

use crate::Engine;

pub fn a_panic_between_the_transactions_of_a_bulk_operation_keeps_its_place(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..10 {
        create(&store, &n.to_string());
    }
    let bulk = |times: usize| {
        let mut told = 0;
        store
            .bulk(Query::new())
            .name("cancel")
            .batch(2)
            .on_progress(move |_| {
                told += 1;
                assert!(told < times, "in the callback");
                ControlFlow::Continue(())
            })
            .update(Update::to("Cancelled"))
    };
    assert!(catch_unwind(AssertUnwindSafe(|| bulk(2))).is_err());
    assert_eq!(store.read(|r| Ok(r.count("Cancelled")?)).unwrap(), 4);
    assert_eq!(bulk(100).unwrap().changed, 10);
}

/// A value that panics when it is dropped, but not on top of another panic.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

pub fn what_a_closure_holds_is_a_part_of_it_and_spoils_no_other(engine: &dyn Engine) {
    let store = engine.store();
    // Members of one commit: each holds, throws or gives what panics when it is dropped. What a closure holds goes when it returns,
    // within it.
    let writing = store.begin_write().unwrap();
    let gate = store.submit(|_| Ok(())).unwrap();
    until("it waits for the writer alone", || store.status().unwrap().queued == 0);
    let held = Explosive;
    let holds = store.submit(move |w| {
        let _ = &held;
        Ok(w.create(NewExecution::new("j").id("holds")).map(drop)?)
    });
    let throws = store.submit(|w| -> Result<(), Error> {
        w.create(NewExecution::new("j").id("throws"))?;
        std::panic::panic_any(Explosive)
    });
    // Nobody takes its result.
    drop(store.submit(|w| Ok(w.create(NewExecution::new("j").id("untaken")).map(|_| Explosive)?)).unwrap());
    let plain = store.submit(|w| Ok(w.create(NewExecution::new("j").id("plain")).map(drop)?));
    drop(writing);
    gate.wait().unwrap();
    for panicked in [holds.unwrap().wait(), throws.unwrap().wait()] {
        assert!(matches!(panicked, Err(Error::Batch(BatchError::Panicked { .. }))), "{panicked:?}");
    }
    plain.unwrap().wait().unwrap();
    let r = store.begin_read().unwrap();
    let there = |id: &str| r.get(id).unwrap().is_some();
    assert_eq!(["holds", "throws", "untaken", "plain"].map(there), [false, false, true, true]);
}
