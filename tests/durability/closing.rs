//! The last handle goes: what a close does, and what it waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use execstore::consumer::ConsumerState;
use execstore::error::{CommitError, StorageError, WatchError};
use execstore::options::LogRetention;
use execstore::redb::{Builder, TableDefinition, backends::InMemoryBackend};
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, Filter, NewExecution, Readable, Store};
use support::waits::{Watched, open_when_free};
use support::{TestStore, create};

const BILLS: TableDefinition<&str, u64> = TableDefinition::new("bills");

#[test]
fn a_close_does_not_wait_for_a_transaction_of_its_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let begun = Instant::now();
    for store in [Store::create_new(&path).unwrap(), Store::in_memory().unwrap()] {
        create(&store, "e");
        let txn = store.share_database().begin_write().unwrap();
        txn.open_table(BILLS).unwrap().insert("e", 1).unwrap();
        drop(store);
        txn.commit().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited");
    // The close goes on once the transaction has ended, on a thread of its own.
    let store = open_when_free(&path);
    assert!(store.begin_read().unwrap().get("e").unwrap().is_some());
    assert!(store.verify().unwrap().is_clean());
    let bills = store.share_database().begin_write().unwrap();
    assert_eq!(bills.open_table(BILLS).unwrap().insert("e", 2).unwrap().unwrap().value(), 1);
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

#[test]
fn close_finishes_what_was_accepted_answers_everyone_and_then_says_closed() {
    let store = TestStore::new();
    let other = Store::clone(&store);
    let held = store.begin_write().unwrap();
    let pending: Vec<_> = (0..50)
        .map(|n| store.submit(move |w| Ok(w.create(NewExecution::new("j").id(n.to_string()))?)).unwrap())
        .collect();
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    let watching = thread::spawn(move || {
        loop {
            match watcher.next_batch(10, Duration::from_secs(60)) {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    let handled = Arc::new(AtomicBool::new(false));
    let (entered, enter) = channel();
    let (end, closing) = (handled.clone(), Watched::here());
    drop(held);
    let consumer = store
        .consumer("c")
        .run(move |_| {
            entered.send(()).ok();
            closing.until_it_waits();
            end.store(true, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    enter.recv_timeout(Duration::from_secs(20)).unwrap();
    other.clone().close().unwrap();

    assert!(pending.iter().all(|pending| pending.is_ready()), "everyone has an answer");
    for (n, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.wait().unwrap().id, n.to_string().as_str());
    }
    assert!(handled.load(Ordering::Relaxed), "the handler's call has returned");
    assert_eq!(consumer.stats().state, ConsumerState::Stopped);
    assert!(matches!(watching.join().unwrap(), WatchError::Storage(StorageError::Closed)));

    fn closed(result: Result<(), impl Into<Error>>) -> bool {
        matches!(result.map_err(Into::into), Err(Error::Storage(StorageError::Closed)))
    }
    assert!(closed(other.begin_read().map(drop)));
    assert!(closed(other.begin_write().map(drop)));
    assert!(closed(other.write(|w| Ok(w.create(NewExecution::new("j"))?)).map(drop)));
    assert!(closed(other.batch(|w| Ok(w.create(NewExecution::new("j"))?)).map(drop)));
    assert!(closed(other.submit(|w| Ok(w.create(NewExecution::new("j"))?)).map(drop)));
    assert!(closed(other.maintain().map(drop)));
    assert!(closed(other.verify().map(drop)));
    assert!(closed(other.wait_for_changes(ChangeSeq(0), Duration::ZERO).map(drop)));
    assert!(matches!(
        other.watch(WatchFrom::Oldest, Filter::new()),
        Err(WatchError::Storage(StorageError::Closed))
    ));
    assert!(other.consumer("d").run(|_| Ok(())).is_err());
    drop((consumer, other));
    let folder = store.into_folder();
    let store = Store::open(folder.path().join("store.redb")).unwrap();
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 50);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_write_transaction_that_is_held_over_a_close_is_refused_at_its_commit() {
    let store = TestStore::new();
    create(&store, "e");
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").id("late")).unwrap();
    let began = Instant::now();
    let busy = Store::clone(&store).close();
    assert!(matches!(busy, Err(StorageError::Busy)), "{busy:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
    let refused = txn.commit();
    assert!(matches!(refused, Err(CommitError::RolledBack(StorageError::Closed))), "{refused:?}");
    let folder = store.into_folder();
    let path = folder.path().join("store.redb");
    let store = open_when_free(&path);
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn every_thread_that_the_store_started_ends_with_its_last_handle() {
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.starts_with("execstore-wit")).count()
    };
    let mut builder = Store::builder();
    builder.set_maintenance(Duration::from_secs(600));
    for way in ["close", "drop"] {
        let store = builder.in_memory().unwrap();
        let (entered, enter) = channel();
        // Its thread has a name that no other test uses.
        let consumer = store.consumer("witness").run(move |_| {
            entered.send(()).ok();
            Ok(())
        });
        let consumer = consumer.unwrap();
        store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap().wait().unwrap();
        enter.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(threads(), 1);
        match way {
            "close" => store.close().unwrap(),
            _ => drop(store),
        }
        assert_eq!(threads(), 0, "{way}");
        drop(consumer);
    }
}

#[test]
fn the_last_handle_may_go_inside_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = Store::create_new(&path).unwrap();
    let inside = std::sync::Mutex::new(Some(Store::clone(&store)));
    let pending = store
        .submit(move |w| {
            let created = w.create(NewExecution::new("j").id("e"));
            drop(inside.lock().unwrap().take());
            Ok(created?)
        })
        .unwrap();
    drop(store);
    pending.wait().unwrap();
    let store = open_when_free(&path);
    assert!(store.read(|r| Ok(r.get("e")?)).unwrap().is_some());
}

#[test]
fn a_thread_with_a_write_transaction_does_not_wait_for_those_who_wait_for_it() {
    for journal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let mut builder = Store::builder();
        builder.set_journal(journal).set_maintenance(Duration::from_millis(1));
        builder.set_log_retention(LogRetention::new().max_count(0));
        let store = builder.create_new(&path).unwrap();
        let (entered, enter) = channel();
        let consumer = store.consumer("c").run(move |_| {
            entered.send(()).ok();
            Ok(())
        });
        let consumer = consumer.unwrap();
        let txn = store.begin_write().unwrap();
        txn.writer().unwrap().create(NewExecution::new("j").id("held")).unwrap();
        let pending = store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued"))?)).unwrap();
        drop(store);
        assert!(!pending.is_ready());
        txn.commit().unwrap();
        assert_eq!(pending.wait().unwrap().id, "queued");
        drop(consumer);
        drop(enter);
        let store = open_when_free(&path);
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 2);
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn what_waits_behind_a_caller_that_commits_alone_is_finished_too() {
    let store = TestStore::new();
    let (entered, enter) = channel();
    let (release, released) = channel::<()>();
    let (tell, told) = channel();
    thread::scope(|scope| {
        let alone = scope.spawn(|| {
            let mut wait = Some((entered, released));
            store.batch(move |w| {
                if let Some((entered, released)) = wait.take() {
                    entered.send(()).unwrap();
                    released.recv().ok();
                }
                Ok(w.create(NewExecution::new("j").id("alone"))?)
            })
        });
        enter.recv_timeout(Duration::from_secs(20)).unwrap();
        let behind = store.submit(|w| Ok(w.create(NewExecution::new("j").id("behind"))?)).unwrap();
        let closing = scope.spawn(|| {
            tell.send(Watched::here()).unwrap();
            Store::clone(&store).close()
        });
        told.recv().unwrap().until_it_waits();
        assert!(!closing.is_finished() && !behind.is_ready());
        drop(release);
        assert_eq!(alone.join().unwrap().unwrap().id, "alone");
        assert_eq!(behind.wait().unwrap().id, "behind");
        closing.join().unwrap().unwrap();
    });
    let folder = store.into_folder();
    let store = Store::open(folder.path().join("store.redb")).unwrap();
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 2);
}

#[test]
fn two_that_close_at_once_both_wait_for_everything() {
    let store = TestStore::new();
    let handled = Arc::new(AtomicBool::new(false));
    let ((entered, enter), (tell, told)) = (channel(), channel::<Watched>());
    let (end, mut told) = (handled.clone(), Some(told));
    let consumer = store.consumer("c").run(move |_| {
        entered.send(()).ok();
        let closing = told.take().into_iter().flatten().take(2);
        closing.for_each(|closing| closing.until_it_waits());
        end.store(true, Ordering::SeqCst);
        Ok(())
    });
    let consumer = consumer.unwrap();
    create(&store, "e");
    enter.recv_timeout(Duration::from_secs(20)).unwrap();
    let pending: Vec<_> =
        (0..50).map(|_| store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            let (mine, handled, pending) = (Store::clone(&store), &handled, &pending);
            let tell = tell.clone();
            scope.spawn(move || {
                tell.send(Watched::here()).unwrap();
                // The second one finds nothing to close any more.
                let _ = mine.close();
                assert!(handled.load(Ordering::SeqCst), "the handler's call has returned");
                assert!(pending.iter().all(|pending| pending.is_ready()), "everyone has an answer");
            });
        }
    });
    for pending in pending {
        pending.wait().unwrap();
    }
    drop(consumer);
    let folder = store.into_folder();
    Store::open(folder.path().join("store.redb")).unwrap().verify().unwrap();
}
