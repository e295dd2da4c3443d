//! Panics of the caller's own while a write is open: rolled back, gone on with, and nothing is left in the file.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use execstore::error::BatchError;
use execstore::{Error, NewExecution, Query, Readable, Store, Update};
use support::{TestStore, big_payload, create};

const TIMES: usize = 30;

fn big(writer: &mut execstore::Writer<'_>) {
    for _ in 0..20 {
        writer.create(NewExecution::new("j").payload(big_payload(50_000))).unwrap();
    }
}

/// What panics, and how.
type Case = (&'static str, fn(&Store));

const CASES: [Case; 6] = [
    ("write", |store| {
        let _ = store.write(|w| -> Result<(), Error> {
            big(w);
            panic!("in the closure")
        });
    }),
    ("a WriteTxn", |store| {
        let txn = store.begin_write().unwrap();
        big(&mut txn.writer().unwrap());
        panic!("in between")
    }),
    ("a WriteTxn and its writer", |store| {
        let txn = store.begin_write().unwrap();
        let mut writer = txn.writer().unwrap();
        big(&mut writer);
        panic!("in between")
    }),
    ("a table of the caller's own", |store| {
        const OWN: execstore::redb::TableDefinition<u64, &[u8]> =
            execstore::redb::TableDefinition::new("own");
        let txn = store.begin_write().unwrap();
        let mut table = txn.enter_redb().open_table(OWN).unwrap();
        for n in 0..20 {
            table.insert(n, &[7; 50_000][..]).unwrap();
        }
        panic!("in between")
    }),
    ("a source", |store| {
        struct Breaks(usize);
        impl std::io::Read for Breaks {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                assert!(self.0 > 0, "in the source");
                self.0 -= 1;
                Ok(out.len())
            }
        }
        let _ = store.write(|w| w.put_attachment_from("e", "a", "t", &mut Breaks(40)));
    }),
    ("the group commit", |store| {
        let panicked = store.batch(|w| -> Result<(), Error> {
            big(w);
            panic!("in the closure")
        });
        assert!(matches!(panicked, Err(Error::Batch(BatchError::Panicked { .. }))), "{panicked:?}");
        panic!("as the others")
    }),
];

#[test]
fn a_panic_rolls_back_and_leaves_no_pages_behind() {
    for (what, case) in CASES {
        let mut store = TestStore::new();
        create(&store, "e");
        let once = |store: &Store| {
            let panicked = catch_unwind(AssertUnwindSafe(|| case(store)));
            assert!(panicked.is_err(), "{what}: the panic goes on");
            // The next writer finds the store as it was.
            create(store, "n");
            store.delete("n").unwrap();
        };
        once(&store);
        let length = |store: &TestStore| std::fs::metadata(store.path()).unwrap().len();
        let first = length(&store);
        (0..TIMES).for_each(|_| once(&store));
        let after = length(&store);
        assert!(after <= first + first / 4, "{what}: {first} bytes after one, {after} after {TIMES} more");
        let reader = store.begin_read().unwrap();
        assert_eq!(reader.query(&Query::new()).page().unwrap().executions.len(), 1, "{what}");
        drop(reader);
        store.reopen();
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_panic_between_the_transactions_of_a_bulk_operation_keeps_its_place() {
    let store = TestStore::new();
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
    assert_eq!(store.read(|r| r.count("Cancelled")).unwrap(), 4);
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

#[test]
fn what_a_closure_holds_says_nothing_about_its_commit_and_spoils_no_other() {
    let store = TestStore::new();
    // Members of one commit: each holds, or throws, what panics when it is dropped.
    let gate = store.submit(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        Ok::<_, Error>(())
    });
    let held = Explosive;
    let holds = store.submit(move |w| {
        let _ = &held;
        w.create(NewExecution::new("j").id("holds")).map(drop)
    });
    let throws = store.submit(|w| -> Result<(), Error> {
        w.create(NewExecution::new("j").id("throws"))?;
        std::panic::panic_any(Explosive)
    });
    // Nobody takes its result.
    drop(store.submit(|w| w.create(NewExecution::new("j").id("untaken")).map(|_| Explosive)).unwrap());
    let plain = store.submit(|w| w.create(NewExecution::new("j").id("plain")).map(drop));
    gate.unwrap().wait().unwrap();
    holds.unwrap().wait().unwrap();
    let thrown = throws.unwrap().wait();
    assert!(matches!(thrown, Err(Error::Batch(BatchError::Panicked { .. }))), "{thrown:?}");
    plain.unwrap().wait().unwrap();
    let r = store.begin_read().unwrap();
    let there = |id: &str| r.get(id).unwrap().is_some();
    assert_eq!(["holds", "throws", "untaken", "plain"].map(there), [true, false, true, true]);
}
