//! Handles and threads: what may be shared, and what readers see while a writer works.

use execstore::consumer::Consumer;
use execstore::error::*;
use execstore::error::{
    CommitError, InputError, LifecycleError, OpenError, ReadError, StorageError, WriteError,
};
use execstore::group_commit::Pending;
use execstore::integrity::VerifyReport;
use execstore::lifecycle::Lifecycle;
use execstore::outputs::OutputFollower;
use execstore::query::{Cursor, QueryPlan};
use execstore::watch::Watcher;
use execstore::*;
use support::create;

fn send_and_sync<T: Send + Sync>() {}
fn send<T: Send>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn handles_values_and_errors_can_be_shared_between_threads() {
    send_and_sync::<Store>();
    send_and_sync::<Builder>();
    send_and_sync::<ReadTxn>();
    send::<Pending<()>>();
    send::<Watcher>();
    send::<OutputFollower>();
    send::<Consumer>();
    send_and_sync::<Execution>();
    send_and_sync::<Event>();
    send_and_sync::<Change>();
    send_and_sync::<Json>();
    send_and_sync::<Lifecycle>();
    send_and_sync::<Page<Execution>>();
    send_and_sync::<Query>();
    send_and_sync::<QueryPlan>();
    send_and_sync::<Cursor>();
    send_and_sync::<Receipt>();
    send_and_sync::<VerifyReport>();
    send_and_sync::<Update>();
    send_and_sync::<Expect>();
    error::<Error>();
    error::<OpenError>();
    error::<ReadError>();
    error::<WriteError>();
    error::<CommitError>();
    error::<StorageError>();
    error::<InputError>();
    error::<LifecycleError>();
    error::<Damage>();
}

#[test]
fn clones_are_the_same_store_and_the_last_one_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::create_new(&path).unwrap();
    let clone = store.clone();
    create(&clone, "e");
    assert_eq!((store.id(), store.read(|r| Ok(r.log().head()?)).unwrap().get()), (clone.id(), 1));
    drop(store);
    create(&clone, "f");
    assert!(matches!(Store::open(&path), Err(OpenError::AlreadyOpen { .. })));
    // A transaction keeps the store open, too.
    let reader = clone.begin_read().unwrap();
    drop(clone);
    assert!(matches!(Store::open(&path), Err(OpenError::AlreadyOpen { .. })));
    assert_eq!(reader.log().head().unwrap().get(), 2);
    drop(reader);
    assert_eq!(Store::open(&path).unwrap().read(|r| Ok(r.log().head()?)).unwrap().get(), 2);
}

#[test]
fn a_write_transaction_keeps_the_store_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::create_new(&path).unwrap();
    let txn = store.begin_write().unwrap();
    drop(store);
    txn.writer().unwrap().create(NewExecution::new("j").id("e")).unwrap();
    assert!(matches!(Store::open(&path), Err(OpenError::AlreadyOpen { .. })));
    txn.commit().unwrap();
    assert!(Store::open(&path).unwrap().read(|r| Ok(r.get("e")?)).unwrap().is_some());
}
