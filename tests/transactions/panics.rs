//! Panics of the caller's own while a write is open: rolled back, gone on with, and nothing is left in the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use execstore::error::BatchError;
use execstore::{Error, NewExecution, Query, Readable, Store};
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
        let _ = store.write(|w| Ok(w.put_attachment_from("e", "a", "t", &mut Breaks(40))?));
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
