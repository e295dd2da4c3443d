//! Waiting for changes: who is woken, and by what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use execstore::redb::Database;
use execstore::redb::backends::InMemoryBackend;
use execstore::{ChangeSeq, NewExecution, Store};
use support::waits::{until_waiting, woken};
use support::{TestStore, create};

fn memory() -> Arc<Database> {
    Arc::new(execstore::redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap())
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

#[test]
fn those_who_wait_for_changes_are_woken_by_a_commit_and_by_notify() {
    let store = TestStore::new();
    let long = Duration::from_secs(20);
    let wait = |after| {
        let store = Store::clone(&store);
        std::thread::spawn(move || {
            let began = Instant::now();
            let head = store.wait_for_changes(ChangeSeq(after), long).unwrap();
            (head.get(), began.elapsed() < long)
        })
    };
    let waiter = wait(0);
    until_waiting(&store, 1);
    create(&store, "a");
    assert_eq!(waiter.join().unwrap(), (1, true));

    let waiter = wait(1);
    until_waiting(&store, 1);
    let before = woken(&store);
    let txn = store.share_database().begin_write().unwrap();
    let mut writer = store.join(&txn).unwrap();
    writer.create(new("b")).unwrap();
    let receipt = writer.finish();
    txn.commit().unwrap();
    assert!(woken(&store) == before && !waiter.is_finished());
    // A receipt of another store wakes nobody.
    let other = memory();
    let stranger = Store::attach(other.clone()).unwrap();
    let foreign = other.begin_write().unwrap();
    let mut writer = stranger.join(&foreign).unwrap();
    for id in ["a", "b", "c"] {
        writer.create(new(id)).unwrap();
    }
    store.notify(writer.finish());
    assert!(woken(&store) == before && !waiter.is_finished());
    store.notify(receipt);
    assert_eq!(waiter.join().unwrap(), (2, true));

    // What is there already is told at once; a time-out gives the head as it is.
    assert_eq!(store.wait_for_changes(ChangeSeq(0), long).unwrap().get(), 2);
    let short = Duration::from_millis(20);
    assert_eq!(store.wait_for_changes(ChangeSeq(2), short).unwrap().get(), 2);
    // A joined commit of which nobody told is found when the time is over.
    let txn = store.share_database().begin_write().unwrap();
    store.join(&txn).unwrap().create(new("c")).unwrap();
    txn.commit().unwrap();
    assert_eq!(store.wait_for_changes(ChangeSeq(2), short).unwrap().get(), 3);
}
