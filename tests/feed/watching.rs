//! Watchers: where they begin, what they see, how they wait, and what ends them.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use execstore::error::{PositionError, WatchError};
use execstore::redb::backends::InMemoryBackend;
use execstore::redb::{Database, TableDefinition};
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Filter, NewExecution, Readable, Store, Update};
use support::feed::{seqs, watch};
use support::waits::{until_waiting, woken};
use support::{TestStore, create};

const LONG: Duration = Duration::from_secs(30);
const NOW: Duration = Duration::ZERO;

#[test]
fn a_watcher_holds_no_transaction_while_it_waits() {
    // As long as a read transaction is open, nothing that was replaced since can be used again: the file grows.
    let grown = |hold: &dyn Fn(&Store) -> Box<dyn FnOnce()>| {
        let store = TestStore::with(Store::builder().set_journal(false));
        create(&store, "e");
        let held = hold(&store);
        let payload = support::big_payload(4_000);
        for _ in 0..300 {
            store.write(|w| Ok(w.update("e", Update::new().payload(payload.clone()))?)).unwrap();
            store.write(|w| Ok(w.trim_changes(ChangeSeq(u64::MAX))?)).unwrap();
        }
        let len = std::fs::metadata(store.path()).unwrap().len();
        held();
        len
    };
    let reading = grown(&|store| {
        let reader = store.begin_read().unwrap();
        Box::new(move || drop(reader))
    });
    let waiting = grown(&|store| {
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new().execution("another")).unwrap();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                match watcher.next_batch(10, Duration::from_millis(100)) {
                    Ok(changes) => assert!(changes.is_empty()),
                    Err(WatchError::Position(PositionError::Trimmed { .. })) => {
                        watcher.seek(&WatchFrom::Latest).unwrap()
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
        Box::new(move || {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            thread.join().unwrap();
        })
    });
    assert!(waiting < reading / 2, "{waiting} bytes with a watcher, {reading} with a reader");
}

#[test]
fn commits_of_a_joined_transaction_wake_by_notify_and_are_found_without_it() {
    let db = Arc::new(execstore::redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
    let store = Store::attach(db.clone()).unwrap();
    let mut watcher = watch(&store, WatchFrom::Latest);
    let join = |id: &str| {
        let txn = db.begin_write().unwrap();
        let mut writer = store.join(&txn).unwrap();
        writer.create(NewExecution::new("j").id(id)).unwrap();
        let receipt = writer.finish();
        txn.commit().unwrap();
        receipt
    };
    let waiting = thread::spawn(move || (watcher.next_batch(10, LONG).unwrap().len(), watcher));
    until_waiting(&store, 1);
    store.notify(join("a"));
    let (seen, mut watcher) = waiting.join().unwrap();
    assert_eq!(seen, 1);
    // Without notify: at the next poll, ...
    drop(join("b"));
    assert_eq!(watcher.next_batch(10, NOW).unwrap().len(), 1);
    // ... at the end of the wait, ...
    let waiting =
        thread::spawn(move || (watcher.next_batch(10, Duration::from_millis(600)).unwrap().len(), watcher));
    until_waiting(&store, 1);
    drop(join("c"));
    let (seen, mut watcher) = waiting.join().unwrap();
    assert_eq!(seen, 1);
    // ... and with the next commit that does ring.
    let waiting = thread::spawn(move || {
        let first = watcher.next_batch(10, LONG).unwrap().len();
        first + if first < 2 { watcher.next_batch(10, LONG).unwrap().len() } else { 0 }
    });
    until_waiting(&store, 1);
    drop(join("d"));
    create(&store, "e");
    assert_eq!(waiting.join().unwrap(), 2);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn notify_before_a_commit_or_without_one_wakes_nobody_for_nothing() {
    let db = Arc::new(execstore::redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap());
    let store = Store::attach(db.clone()).unwrap();
    let mut watcher = watch(&store, WatchFrom::Latest);
    let txn = db.begin_write().unwrap();
    let mut writer = store.join(&txn).unwrap();
    writer.create(NewExecution::new("j").id("a")).unwrap();
    let receipt = writer.finish();
    store.notify(receipt.clone());
    let waited = store.wait_for_changes(ChangeSeq(0), NOW).unwrap();
    assert_eq!(waited, ChangeSeq(0), "it is not committed");
    // A future that was told of a change that is not there would look for it without end.
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(watcher.recv()).poll(&mut context).is_pending());
    txn.abort().unwrap();
    store.notify(receipt);
    assert!(pin!(watcher.recv()).poll(&mut context).is_pending());
    assert!(watcher.next_batch(10, NOW).unwrap().is_empty());
    create(&store, "b");
    assert_eq!(watcher.next_batch(10, LONG).unwrap().len(), 1);
}

#[test]
fn entries_that_are_missing_at_the_end_of_the_log_are_an_error_and_no_endless_search() {
    let changes: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new("execstore/changes");
    for missing in [&[5u64][..], &[4, 5], &[1, 2, 3, 4, 5], &[3]] {
        let db = execstore::redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let db = Arc::new(db);
        let store = Store::attach(db.clone()).unwrap();
        (0..5).for_each(|n| drop(create(&store, &n.to_string())));
        let txn = db.begin_write().unwrap();
        for seq in missing {
            txn.open_table(changes).unwrap().remove(&seq.to_be_bytes()).unwrap().unwrap();
        }
        txn.commit().unwrap();
        let mut watcher = watch(&store, WatchFrom::Oldest);
        let before = missing[0] - 1;
        if before > 0 {
            assert_eq!(seqs(&watcher.next_batch(10, LONG).unwrap()), (1..=before).collect::<Vec<_>>());
        }
        for _ in 0..2 {
            let error = watcher.next_batch(10, LONG).unwrap_err();
            assert!(matches!(error, WatchError::Damaged(_)), "{error}");
            let mut context = Context::from_waker(Waker::noop());
            let polled = pin!(watcher.recv()).poll(&mut context);
            assert!(matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
        }
        assert_eq!(watcher.position().get(), before);
        let reader = store.begin_read().unwrap();
        let errors = reader.log().range(..).unwrap().filter(Result::is_err).count();
        assert_eq!(errors, 1, "one for each gap");
        assert_eq!(reader.log().range(..).unwrap().rev().filter(Result::is_err).count(), 1);
        assert!(!store.verify().unwrap().is_clean());
    }
}

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
