//! A storage that fails under a consumer: its handler is not to blame, and is not called again for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use execstore::consumer::{ConsumerState, OnFailure, Retry};
use execstore::error::{BeginError, CommitError, StorageError};
use execstore::{Error, NewExecution, Readable, Store};

use support::faulty::Faulty;
use support::memory::Memory;
use support::waits::until;

fn store() -> (Faulty, Store) {
    let faulty = Faulty::new(Vec::new(), None);
    let store = Store::builder().create_file_with_backend(faulty.disk()).unwrap();
    (faulty, store)
}

#[test]
fn a_checkpoint_that_cannot_be_saved_blocks_and_does_not_count_against_the_handler() {
    for on_failure in [OnFailure::Block, OnFailure::Skip, OnFailure::Stop] {
        for in_transaction in [false, true] {
            let (faulty, store) = store();
            let calls = Arc::new(AtomicUsize::new(0));
            let (counted, breaking) = (calls.clone(), faulty.clone());
            let handle = move || {
                counted.fetch_add(1, Ordering::SeqCst);
                breaking.break_now();
            };
            let retry = Retry::new().initial(Duration::from_millis(1)).attempts(2);
            let consumer = store.consumer("c").retry(retry).on_failure(on_failure);
            let consumer = match in_transaction {
                false => consumer.run(move |_| {
                    handle();
                    Ok(())
                }),
                true => consumer.run_in_transaction(move |_, w| {
                    w.create(NewExecution::new("effect").state("Running"))?;
                    handle();
                    Ok(())
                }),
            };
            let consumer = consumer.unwrap();
            store.write(|w| Ok(w.create(NewExecution::new("j").id("e"))?)).unwrap();
            until("it is poisoned", || consumer.stats().state == ConsumerState::Poisoned);
            let stats = consumer.stop();
            assert_eq!(calls.load(Ordering::SeqCst), 1, "{on_failure:?}");
            assert_eq!((stats.failures, stats.skipped, stats.handled), (0, 0, 0), "{stats:?}");
            assert!(stats.last_error.is_some() && stats.position.get() == 0);
            // What was acknowledged is there, and the changes come again.
            let image = faulty.durable();
            thread::scope(|scope| drop(scope.spawn(|| drop(store)).join()));
            let store = Store::builder().create_file_with_backend(Memory::new(image)).unwrap();
            let reader = store.begin_read().unwrap();
            assert!(reader.get("e").unwrap().is_some());
            assert_eq!(reader.log().checkpoint("c").unwrap().map(|seq| seq.get()), Some(0));
            assert_eq!(reader.by_job("effect").unwrap().count(), 0);
        }
    }
}

#[test]
fn an_operation_that_the_storage_broke_off_poisons_the_store_in_every_kind_of_transaction() {
    let create = |w: &mut execstore::Writer<'_>| Ok(w.create(NewExecution::new("j"))?);
    for way in ["batch", "submit", "write", "drop", "abort"] {
        let (faulty, store) = store();
        // More than the cache holds, so that an operation has to read.
        let big = format!("\"{}\"", "x".repeat(40_000));
        for n in 0..40 {
            let big: execstore::Json = execstore::Json::from_text(&big).unwrap();
            store.write(|w| Ok(w.create(NewExecution::new("j").id(n.to_string()).payload(big))?)).unwrap();
        }
        // So that a transaction can begin: nothing waits for redb.
        assert!(store.verify().unwrap().is_clean());
        faulty.break_now();
        match way {
            "batch" => drop(store.batch(create).unwrap_err()),
            "submit" => drop(store.submit(create).unwrap().wait().unwrap_err()),
            "write" => drop(store.write(create).unwrap_err()),
            _ => {
                let txn = store.begin_write().unwrap();
                let failed = txn.writer().map_err(Error::from).and_then(|mut writer| create(&mut writer));
                match (failed, way) {
                    (Err(_), "drop") => drop(txn),
                    (Err(_), _) => drop(txn.abort()),
                    (Ok(_), _) => drop(txn.commit().unwrap_err()),
                }
            }
        }
        let error = store.begin_write().map(drop).unwrap_err();
        assert!(matches!(error, BeginError::Storage(StorageError::Poisoned { .. })), "{way}: {error}");
        let error = store.batch(create).map(drop).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Storage(StorageError::Poisoned { .. })
                    | Error::Commit(CommitError::RolledBack(StorageError::Poisoned { .. }))
            ),
            "{way}: {error}"
        );
        thread::scope(|scope| drop(scope.spawn(|| drop(store)).join()));
    }
}

/// An error that cannot be shown, or whose showing or end panics.
#[derive(Debug)]
enum Odd {
    NotShown,
    ShownByPanic,
    EndsByPanic,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Odd::NotShown => Err(std::fmt::Error),
            Odd::ShownByPanic => panic!("not to be shown"),
            Odd::EndsByPanic => f.write_str("odd"),
        }
    }
}

impl std::error::Error for Odd {}

impl Drop for Odd {
    fn drop(&mut self) {
        if matches!(self, Odd::EndsByPanic) && !std::thread::panicking() {
            panic!("the end of it");
        }
    }
}

#[test]
fn an_error_of_a_handler_that_is_odd_is_a_failure_like_any_other() {
    let odd: [fn() -> Result<(), Odd>; 4] = [
        || Err(Odd::NotShown),
        || Err(Odd::ShownByPanic),
        || Err(Odd::EndsByPanic),
        || std::panic::panic_any(Odd::EndsByPanic),
    ];
    for (which, fail) in odd.into_iter().enumerate() {
        let store = Store::in_memory().unwrap();
        store.create(NewExecution::new("j")).unwrap();
        let retry = Retry::new().initial(Duration::from_millis(1)).attempts(2);
        let skipping = store.consumer("c").retry(retry).on_failure(OnFailure::Skip);
        let consumer = skipping.run(move |_| Ok(fail()?)).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while consumer.stats().skipped == 0 && std::time::Instant::now() < until {
            std::thread::yield_now();
        }
        let stats = consumer.stats();
        assert_eq!((stats.skipped, stats.failures > 1), (1, true), "{which}: {stats:?}");
        assert_ne!(stats.state, ConsumerState::Stopped, "{which}: {stats:?}");
        consumer.stop();
    }
}
