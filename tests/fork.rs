//! A store that was opened before a `fork` belongs to the parent: the child is told at each call, and changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]
mod common;

use common::{TestStore, create};
use execstore::{Error, Expect, Filter, NewExecution, Readable, Start, StorageError, Store, Update};
use fork::{Fork, WEXITSTATUS, WIFEXITED, fork, waitpid};

fn refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Storage(StorageError::OtherProcess { opened_by, used_by }))
        if opened_by != used_by && used_by == std::process::id())
}

/// What the child finds: a bit for each call that was not refused.
fn in_the_child(store: &Store) -> i32 {
    let new = || NewExecution::new("j");
    let calls = [
        refused(store.begin_read().map(drop)),
        refused(store.begin_write().map(drop)),
        refused(store.write(|w| w.create(new(), &[]))),
        refused(store.batch(|w| w.create(NewExecution::new("j"), &[]))),
        refused(store.submit(|w| w.create(NewExecution::new("j"), &[])).map(drop)),
        refused(store.read(|r| r.get("e"))),
        refused(store.maintain().map(drop)),
    ];
    calls.iter().enumerate().map(|(nth, refused)| i32::from(!refused) << nth).sum()
}

/// Ends the process as a program does that returns from `main`, but for the test runner, which is the parent's.
fn end(code: i32) -> ! {
    std::process::exit(code)
}

/// The code that a child ended with by itself.
fn exit_code(status: i32) -> Option<i32> {
    WIFEXITED(status).then(|| WEXITSTATUS(status))
}

fn check_child(store: Store, child: impl FnOnce(Store) -> i32) {
    match fork().unwrap() {
        Fork::Child => end(child(store)),
        Fork::Parent(pid) => {
            let status = waitpid(pid).unwrap();
            assert_eq!(exit_code(status), Some(0), "the child ended with {status:?}");
        }
    }
}

#[test]
fn each_call_in_a_child_is_refused_and_its_end_changes_nothing() {
    let store = TestStore::new();
    create(&store, "e");
    for n in 0..20 {
        check_child(Store::clone(&store), |store| in_the_child(&store));
        // Handles, transactions and watchers that the child drops.
        let watcher = store.watch(Start::Latest, Filter::any()).unwrap();
        let reader = store.begin_read().unwrap();
        match fork().unwrap() {
            Fork::Child => {
                drop((watcher, reader));
                end(0)
            }
            Fork::Parent(pid) => assert_eq!(exit_code(waitpid(pid).unwrap()), Some(0)),
        }
        // The parent goes on, its lock too.
        create(&store, &format!("after-{n}"));
        assert!(Store::open(store.path()).is_err());
    }
    assert_eq!(store.read(|r| r.head()).unwrap().get(), 21);
    let copy = store.crash_copy();
    assert_eq!(copy.read(|r| r.head()).unwrap().get(), 21);
}

#[test]
fn a_child_that_drops_the_last_handle_it_has_ends() {
    // With the group commit's thread and a consumer at work in the parent.
    let store = TestStore::new();
    let consumer = store.consumer("c").run(|_| Ok::<_, Error>(())).unwrap();
    let pending: Vec<_> = (0..50)
        .map(|n| store.submit(move |w| w.create(NewExecution::new("j").id(format!("e{n}")), &[])).unwrap())
        .collect();
    for _ in 0..10 {
        check_child(Store::clone(&store), |store| {
            let closed = store.close();
            i32::from(!matches!(closed, Err(Error::Storage(StorageError::OtherProcess { .. }))))
        });
    }
    for pending in pending {
        pending.wait().unwrap();
    }
    store.write(|w| w.update("e1", &Expect::any(), Update::new().message("m"), &[])).unwrap();
    drop(consumer);
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_store_opened_after_the_fork_is_the_childs_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::create(&path).unwrap());
    match fork().unwrap() {
        Fork::Child => {
            let store = Store::open(&path).unwrap();
            create(&store, "e");
            store.close().unwrap();
            end(0)
        }
        Fork::Parent(pid) => assert_eq!(exit_code(waitpid(pid).unwrap()), Some(0)),
    }
    assert!(Store::open(&path).unwrap().read(|r| r.get("e")).unwrap().is_some());
}
