//! The last handle goes: what a close does, and what it waits for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{TestStore, create};
use execstore::redb::{Builder, TableDefinition, backends::InMemoryBackend};
use execstore::{Readable, Store};

const BILLS: TableDefinition<&str, u64> = TableDefinition::new("bills");

#[test]
fn a_close_does_not_wait_for_a_transaction_of_its_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let begun = Instant::now();
    for store in [Store::create(&path).unwrap(), Store::in_memory().unwrap()] {
        create(&store, "e");
        let txn = store.database().begin_write().unwrap();
        txn.open_table(BILLS).unwrap().insert("e", 1).unwrap();
        drop(store);
        txn.commit().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited");
    // The close goes on once the transaction has ended, on a thread of its own.
    let store = loop {
        match Store::open(&path) {
            Ok(store) => break store,
            Err(execstore::OpenError::AlreadyOpen { .. }) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(store.begin_read().unwrap().get("e").unwrap().is_some());
    assert!(store.verify().unwrap().is_clean());
    let bills = store.database().begin_write().unwrap();
    assert_eq!(bills.open_table(BILLS).unwrap().insert("e", 2).unwrap().unwrap().value(), 1);
}

#[test]
fn transactions_keep_the_store_open() {
    let mut store = TestStore::new();
    create(&store, "e");
    let reader = store.begin_read().unwrap();
    let writer = store.begin_write().unwrap();
    let path = store.path();
    let clone = Store::clone(&store);
    drop(clone);
    assert!(reader.get("e").unwrap().is_some());
    drop(writer);
    drop(reader);
    store.reopen();
    assert!(!path.with_extension("redb-journal").exists(), "the journal stays until the first commit");
}

#[test]
fn an_attached_database_outlives_its_store() {
    let db = Arc::new(Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
    let store = Store::attach(db.clone()).unwrap();
    create(&store, "e");
    drop(store);
    db.begin_write().unwrap().commit().unwrap();
    let store = Store::attach(db).unwrap();
    assert!(store.begin_read().unwrap().get("e").unwrap().is_some());
    assert!(store.verify().unwrap().is_clean());
}
