//! How large the file is: what is replaced and deleted is used again, and given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;

use common::{TestStore, json};
use execstore::redb::Durability;
use execstore::{Expect, Json, NewExecution, Readable, Store, Update, WriteError, Writer};

fn payload(n: u64) -> Json {
    json(&format!("{{\"fill\":\"{}\"}}", format!("{n:010}").repeat(80)))
}

fn file(store: &TestStore) -> u64 {
    std::fs::metadata(store.path()).unwrap().len()
}

/// The same without what the journal's region takes, whatever is in it.
fn image(store: &TestStore) -> u64 {
    file(store) - file(&TestStore::new())
}

/// What the rows take.
fn stored(store: &Store) -> u64 {
    store.begin_read().unwrap().table_sizes().unwrap().iter().map(|size| size.stored_bytes).sum()
}

/// A transaction that does not wait for the disk, to have many of them.
fn lazily(store: &Store, write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>) {
    let mut txn = store.begin_write().unwrap();
    txn.set_durability(Durability::None);
    write(&mut txn.writer().unwrap()).unwrap();
    txn.commit().unwrap();
}

fn created(executions: u64) -> TestStore {
    let store = TestStore::new();
    for batch in 0..executions / 1_000 {
        lazily(&store, |w| {
            (0..1_000).try_for_each(|n| {
                let n = batch * 1_000 + n;
                w.create(NewExecution::new("j").id(n.to_string()).payload(payload(n)), &[]).map(drop)
            })
        });
    }
    store
}

#[test]
fn a_store_that_updates_does_not_keep_a_third_copy() {
    let store = created(10_000);
    for n in 0..20_000u64 {
        lazily(&store, |w| {
            let id = (n * 7_919 % 10_000).to_string();
            w.update(id, &Expect::any(), Update::new().payload(payload(n)), &[]).map(drop)
        });
    }
    let (file, stored) = (file(&store), stored(&store));
    assert!(file < stored * 7 / 2, "{} KiB for {} KiB", file / 1024, stored / 1024);
}

#[test]
fn a_close_gives_back_what_updates_and_deletions_have_left() {
    let mut store = created(10_000);
    for n in 0..10_000u64 {
        lazily(&store, |w| {
            let id = (n * 7_919 % 10_000).to_string();
            w.update(id, &Expect::any(), Update::new().payload(payload(n)), &[]).map(drop)
        });
    }
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    assert!(len < live * 3 / 2 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);

    let head = store.begin_read().unwrap().head().unwrap();
    for batch in 0..10u64 {
        lazily(&store, |w| {
            let mut gone = (batch * 1_000..(batch + 1) * 1_000).filter(|n| n % 10 > 0);
            gone.try_for_each(|n| w.delete(n.to_string(), &Expect::any()).map(drop))
        });
    }
    store.write(|w| w.trim_changes(head)).unwrap();
    store.maintain().unwrap();
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    // What is left lies in pages that are half full.
    assert!(len < live * 9 / 4 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);
}
