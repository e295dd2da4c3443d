//! A store that was opened before a `fork` belongs to the parent: the child is told at each call, and changes nothing.
//!
//! A program of its own: a child of a fork has whatever locks other threads hold at that moment, those that the standard library
//! takes where a thread begins or ends among them, and no other test may begin or end one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use execstore::error::{CommitError, StorageError};
use execstore::watch::WatchFrom;
use execstore::{Error, Filter, NewExecution, Query, Readable, Store, Update};
use fork::{Fork, fork};
use support::forks::{Stop, check_ended};
use support::{TestStore, create};

/// One test after another: a child has the locks of all the files that are open, those of other tests too.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused<T>(result: Result<T, impl Into<Error>>) -> bool {
    let reason = match result.map_err(Into::into) {
        Err(Error::Storage(reason)) => reason,
        _ => return false,
    };
    matches!(reason, StorageError::OtherProcess { opened_by, used_by }
        if opened_by != used_by && used_by == std::process::id())
}

/// What the child finds.
fn in_the_child(store: &Store) -> i32 {
    let new = || NewExecution::new("j");
    let calls = [
        refused(store.begin_read().map(drop)),
        refused(store.begin_write().map(drop)),
        refused(store.write(|w| Ok(w.create(new())?))),
        refused(store.batch(|w| Ok(w.create(NewExecution::new("j"))?))),
        refused(store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).map(drop)),
        refused(store.read(|r| Ok(r.get("e")?))),
        refused(store.maintain().map(drop)),
    ];
    first_that_was_not(&calls)
}

/// The place of the first call that was not refused, from 1; 0 if all were.
fn first_that_was_not(refused: &[bool]) -> i32 {
    refused.iter().position(|refused| !refused).map_or(0, |nth| nth as i32 + 1)
}

/// Ends the process, without the test runner, which is the parent's.
fn end(code: i32) -> ! {
    support::forks::end(code)
}

fn check_child(store: Store, child: impl FnOnce(Store) -> i32) {
    match fork().unwrap() {
        Fork::Child => end(child(store)),
        Fork::Parent(pid) => check_ended(pid),
    }
}

#[test]
fn each_call_in_a_child_is_refused_and_its_end_changes_nothing() {
    let _alone = alone();
    let store = TestStore::new();
    create(&store, "e");
    for n in 0..20 {
        check_child(Store::clone(&store), |store| in_the_child(&store));
        // Handles, transactions and watchers that the child drops.
        let watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        let reader = store.begin_read().unwrap();
        match fork().unwrap() {
            Fork::Child => {
                drop((watcher, reader));
                end(0)
            }
            Fork::Parent(pid) => check_ended(pid),
        }
        // The parent goes on, its lock too.
        create(&store, &format!("after-{n}"));
        assert!(Store::open(store.path()).is_err());
    }
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 21);
    let copy = store.crash_copy();
    assert_eq!(copy.read(|r| Ok(r.log().head()?)).unwrap().get(), 21);
}

#[test]
fn a_child_that_drops_the_last_handle_it_has_ends() {
    let _alone = alone();
    // With the group commit's thread and a consumer at work in the parent.
    let store = TestStore::new();
    let consumer = store.consumer("c").run(|_| Ok(())).unwrap();
    let pending: Vec<_> = (0..50)
        .map(|n| store.submit(move |w| Ok(w.create(NewExecution::new("j").id(format!("e{n}")))?)).unwrap())
        .collect();
    for _ in 0..10 {
        check_child(Store::clone(&store), |store| {
            let closed = store.close();
            i32::from(!matches!(closed, Err(StorageError::OtherProcess { .. })))
        });
    }
    for pending in pending {
        pending.wait().unwrap();
    }
    store.write(|w| Ok(w.update("e1", Update::new().message("m"))?)).unwrap();
    drop(consumer);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn transactions_that_were_begun_before_the_fork_are_the_parents() {
    let _alone = alone();
    let store = TestStore::new();
    create(&store, "e");
    let fresh = store.begin_read().unwrap();
    let used = store.begin_read().unwrap();
    assert!(used.get("e").unwrap().is_some());
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").id("of-the-parent")).unwrap();
    let mut writer = txn.writer().unwrap();
    match fork().unwrap() {
        Fork::Child => {
            let mut results = Vec::new();
            for reader in [&fresh, &used] {
                results.extend([
                    refused(reader.get("e")),
                    refused(reader.count("New")),
                    refused(
                        reader.query(&Query::new()).rows().and_then(|mut found| found.next().transpose()),
                    ),
                    refused(reader.log().head()),
                    refused(reader.events("e", ..)),
                ]);
            }
            results.push(refused(writer.create(NewExecution::new("j").id("of-the-child"))));
            results.push(refused(writer.update("e", Update::new().message("m"))));
            drop(writer);
            results.push(refused(txn.writer().map(drop)));
            let Err(CommitError::RolledBack(reason)) = txn.commit() else { end(98) };
            results.push(refused::<()>(Err(reason)));
            end(first_that_was_not(&results))
        }
        Fork::Parent(pid) => check_ended(pid),
    }
    writer.update("e", Update::new().message("m")).unwrap();
    drop(writer);
    txn.commit().unwrap();
    assert_eq!((fresh.log().head().unwrap().get(), used.log().head().unwrap().get()), (1, 1));
    let after = store.begin_read().unwrap();
    assert!(after.get("of-the-parent").unwrap().is_some() && after.get("of-the-child").unwrap().is_none());
}

#[test]
fn what_a_child_drops_waits_for_no_lock_of_the_parents() {
    let _alone = alone();
    let store = TestStore::new();
    create(&store, "e");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        // Locks of every kind are held at some of the forks.
        for nth in 0..3 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match nth {
                        0 => drop(store.begin_read().unwrap()),
                        1 => drop(store.update("e", Update::new().message("m")).unwrap()),
                        _ => drop(watcher.next_batch(1, Duration::from_micros(50)).unwrap()),
                    }
                }
            });
        }
        for _ in 0..1000 {
            // As the last hold on its state, and as one of several.
            let (first, second) = (store.begin_read().unwrap(), store.begin_read().unwrap());
            let watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
            let follower = store.follow_output("e", "stdout", 0).unwrap();
            match fork().unwrap() {
                Fork::Child => {
                    drop((first, second, watcher, follower));
                    end(0)
                }
                Fork::Parent(pid) => check_ended(pid),
            }
        }
    });
}

#[test]
fn a_store_opened_after_the_fork_is_the_childs_own() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::create_new(&path).unwrap());
    match fork().unwrap() {
        Fork::Child => {
            let store = Store::open(&path).unwrap();
            create(&store, "e");
            store.close().unwrap();
            end(0)
        }
        Fork::Parent(pid) => check_ended(pid),
    }
    assert!(Store::open(&path).unwrap().read(|r| Ok(r.get("e")?)).unwrap().is_some());
}
