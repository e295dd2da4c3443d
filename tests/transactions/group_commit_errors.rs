//! A storage that fails under a group commit: every member is told, and told the truth.

use std::thread;
use std::time::Duration;

use execstore::error::{CommitError, StorageError};
use execstore::options::GroupCommitOptions;
use execstore::redb::StorageBackend;
use execstore::watch::WatchFrom;
use execstore::{Error, Filter, NewExecution, Readable, Store};

use support::faulty::{Fault, Faulty};
use support::memory::Memory;

const MEMBERS: usize = 8;

fn open(disk: impl StorageBackend) -> Store {
    // Several commits: those after a failed one are refused.
    let group_commit = GroupCommitOptions::new().max_members(3);
    let mut builder = Store::builder();
    builder.set_cache_size(256 * 1024).set_group_commit(group_commit);
    builder.create_file_with_backend(disk).unwrap()
}

/// An empty store with a journal that has begun, closed.
fn image() -> Vec<u8> {
    let disk = Memory::default();
    let store = open(disk.clone());
    store.write(|w| Ok(w.create(NewExecution::new("j").id("first"))?)).unwrap();
    drop(store);
    disk.image()
}

type Results = Vec<Result<(), Error>>;

/// Members that queue up behind a held writer and are then committed.
fn commit(store: &Store) -> Results {
    let held = store.begin_write().unwrap();
    let pending: Vec<_> = (0..MEMBERS)
        .map(|n| {
            store
                .submit(move |w| {
                    w.create(NewExecution::new("j").id(format!("{n}/a")))?;
                    Ok(w.create(NewExecution::new("j").id(format!("{n}/b"))).map(drop)?)
                })
                .unwrap()
        })
        .collect();
    drop(held);
    pending.into_iter().map(|pending| pending.wait()).collect()
}

fn poisoned(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::Poisoned { .. })
            | Error::Commit(CommitError::RolledBack(StorageError::Poisoned { .. }))
    )
}

/// What is there of each member once the disk is read again: both of its executions, or neither.
fn found(image: Vec<u8>) -> Vec<bool> {
    let store = open(Memory::new(image));
    assert!(store.verify().unwrap().is_clean());
    let reader = store.begin_read().unwrap();
    let is = |id: String| reader.get(id).unwrap().is_some();
    (0..MEMBERS)
        .map(|n| {
            let (a, b) = (is(format!("{n}/a")), is(format!("{n}/b")));
            assert_eq!(a, b, "half of member {n}");
            a
        })
        .collect()
}

#[test]
fn every_member_of_a_failed_commit_is_told_whether_it_is_rolled_back_or_unknown() {
    let image = image();
    let faulty = Faulty::new(image.clone(), None);
    let store = open(faulty.disk());
    store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    let first = faulty.calls();
    assert!(commit(&store).iter().all(Result::is_ok));
    let calls = faulty.calls() - first;
    drop(store);
    let (mut told, mut unknown) = (0, 0);
    for nth in 0..calls {
        for sticky in [true, false] {
            let faulty = Faulty::new(image.clone(), Some(Fault { nth: first + nth, sticky, full: false }));
            let store = open(faulty.disk());
            store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
            let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
            let results = commit(&store);
            let failed = results.iter().filter(|result| result.is_err()).count();
            if failed > 0 {
                // Later calls say so until the store is opened again.
                for error in [
                    store.batch(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap_err(),
                    store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap().wait().unwrap_err(),
                    store.begin_write().map(drop).unwrap_err().into(),
                ] {
                    assert!(poisoned(&error), "{error}");
                }
            }
            // Watchers see what was committed, and no more.
            let seen = watcher.next_batch(100, Duration::ZERO).map_or(0, |changes| changes.len());
            assert!(seen <= 2 * MEMBERS);
            let after = [faulty.cached(), faulty.durable()];
            // Whatever the close does meets the failing disk: what counts is what was there before.
            thread::scope(|scope| drop(scope.spawn(|| drop(store)).join()));
            for image in after {
                let found = found(image);
                for (n, result) in results.iter().enumerate() {
                    match result {
                        Ok(()) => assert!(found[n], "member {n} was acknowledged"),
                        Err(Error::Commit(CommitError::RolledBack(_))) => {
                            assert!(!found[n], "member {n} was rolled back");
                            told += 1;
                        }
                        Err(Error::Commit(CommitError::Unknown(_))) => unknown += 1,
                        // It met the error itself, or its transaction did not begin.
                        Err(Error::Storage(_)) => {
                            assert!(!found[n], "member {n} was refused");
                            told += 1;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    }
    assert!(told > 0 && unknown > 0, "{told} rolled back, {unknown} unknown, in {calls} calls");
}
