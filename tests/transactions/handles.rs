//! Handles: what may be shared between threads, who keeps a store open, and the last handle wherever it goes.

use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use execstore::consumer::Consumer;
use execstore::error::{
    CommitError, InputError, LifecycleError, OpenError, ReadError, StorageError, WriteError, *,
};
use execstore::group_commit::Pending;
use execstore::integrity::VerifyReport;
use execstore::lifecycle::Lifecycle;
use execstore::outputs::OutputFollower;
use execstore::query::{Cursor, QueryPlan};
use execstore::watch::{WatchFrom, Watcher};
use execstore::{Error, Filter, NewExecution, Readable, Store, *};
use support::waits::open_when_free;
use support::{TestStore, create};

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
    assert!(reader.get("e").unwrap().is_some());
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

/// A store with a consumer whose thread commits through the group commit too.
fn store(folder: &Path) -> (Store, Consumer) {
    let store = Store::create_new(folder.join("store.redb")).unwrap();
    let consumer = store.consumer("c").run(|_| Ok(())).unwrap();
    (store, consumer)
}

/// Opens it once it has been let go of, and expects so many changes.
fn reopened(folder: &Path, head: u64) {
    let store = open_when_free(folder.join("store.redb"));
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), head);
    assert!(store.verify().unwrap().is_clean());
}

/// Does the last thing with a handle on the thread that commits, after the commit.
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

#[test]
fn a_closure_may_hold_the_last_handle() {
    for close in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (store, consumer) = store(folder.path());
        let (tell, told) = channel();
        let inside = Store::clone(&store);
        let last = OnDrop(Some(Box::new(move || {
            let closed = if close { inside.close() } else { Ok(()) };
            tell.send(closed).unwrap();
        })));
        // Both wait while another one is at work, so that they are in one transaction: a close on the thread that commits would refuse
        // what is behind it.
        let ((begun, has_begun), (go, gone)) = (channel(), channel::<()>());
        let before = store.submit(move |_| {
            begun.send(()).unwrap();
            let _ = gone.recv();
            Ok(())
        });
        has_begun.recv().unwrap();
        let first = store
            .submit(move |w| {
                let _ = &last;
                Ok(w.create(NewExecution::new("j").id("first"))?)
            })
            .unwrap();
        let second = store.submit(|w| Ok(w.create(NewExecution::new("j").id("second"))?)).unwrap();
        drop(store);
        drop(go);
        before.unwrap().wait().unwrap();
        let closed = told.recv_timeout(Duration::from_secs(20)).expect("it does not wait for itself");
        assert_eq!(matches!(closed, Err(StorageError::Busy)), close, "{closed:?}");
        assert_eq!(first.wait().unwrap().id, "first");
        assert_eq!(second.wait().unwrap().id, "second");
        drop(consumer);
        reopened(folder.path(), 2);
    }
}

#[test]
fn a_result_that_nobody_takes_may_hold_the_last_handle() {
    let folder = tempfile::tempdir().unwrap();
    let (store, consumer) = store(folder.path());
    let held = store.begin_write().unwrap();
    let inside = Store::clone(&store);
    let pending = store.submit(move |w| {
        w.create(NewExecution::new("j"))?;
        Ok(inside.clone())
    });
    drop(pending.unwrap());
    drop(held);
    drop(store);
    drop(consumer);
    reopened(folder.path(), 1);
}

/// A waker that does something with a store on the thread that wakes it.
struct Acting(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Acting {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }
}

fn acting(act: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Acting(Mutex::new(Some(Box::new(act))))))
}

#[test]
fn a_waker_may_hold_the_last_handle() {
    for through in ["submit", "batch", "write"] {
        let folder = tempfile::tempdir().unwrap();
        let (store, consumer) = store(folder.path());
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        let inside = Store::clone(&store);
        let waker = acting(move || drop(inside));
        assert!(pin!(watcher.recv()).poll(&mut Context::from_waker(&waker)).is_pending());
        let create = |w: &mut execstore::Writer<'_>| Ok(w.create(NewExecution::new("j"))?);
        match through {
            "submit" => drop(store.submit(create).unwrap()),
            "batch" => drop(store.batch(create).unwrap()),
            _ => drop(store.write(create).unwrap()),
        }
        drop(store);
        drop((watcher, waker));
        drop(consumer);
        reopened(folder.path(), 1);
    }
}

#[test]
fn a_waker_that_writes_is_refused_where_it_would_wait_for_itself() {
    for through in ["batch", "write"] {
        let store = TestStore::new();
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        let (tell, told) = channel();
        let inside = Store::clone(&store);
        let waker = acting(move || {
            tell.send(inside.batch(|w| Ok(w.create(NewExecution::new("j"))?)).map(drop)).unwrap();
        });
        assert!(pin!(watcher.recv()).poll(&mut Context::from_waker(&waker)).is_pending());
        let create = |w: &mut execstore::Writer<'_>| Ok(w.create(NewExecution::new("j"))?);
        match through {
            "batch" => drop(store.batch(create).unwrap()),
            _ => drop(store.write(create).unwrap()),
        }
        let result = told.recv_timeout(Duration::from_secs(20)).expect("it does not wait for itself");
        match through {
            "batch" => assert!(matches!(result, Err(Error::Reentrant(_))), "{result:?}"),
            // The transaction has ended by then.
            _ => result.unwrap(),
        }
    }
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    let store = TestStore::new();
    let pending = |waker: &Waker| {
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        assert!(pin!(watcher.recv()).poll(&mut Context::from_waker(waker)).is_pending());
        watcher
    };
    let woken = Arc::new(AtomicBool::new(false));
    let good = woken.clone();
    let bad = pending(&acting(|| panic!("a waker that panics")));
    let other = pending(&acting(move || good.store(true, Ordering::SeqCst)));
    store.batch(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    assert!(woken.load(Ordering::SeqCst));
    drop((bad, other));

    // The same for those who await a commit.
    let held = store.begin_write().unwrap();
    let create = |w: &mut execstore::Writer<'_>| Ok(w.create(NewExecution::new("j"))?);
    let mut first = store.submit(create).unwrap();
    let second = store.submit(create).unwrap();
    let waker = acting(|| panic!("a waker that panics"));
    assert!(pin!(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    second.wait().unwrap();
    first.wait().unwrap();
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3, "and nobody is committed twice");
}

#[test]
fn a_closure_that_comes_back_to_its_own_store_through_another_is_refused() {
    let (a, b) = (TestStore::new(), TestStore::new());
    let (back, other) = (Store::clone(&a), Store::clone(&b));
    let result = a.batch(move |_| {
        let back = back.clone();
        other.batch(move |_| back.batch(|w| Ok(w.create(NewExecution::new("j"))?)))
    });
    assert!(matches!(result, Err(Error::Reentrant(_))), "{result:?}");
    a.batch(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
}

/// What was refused has left a thread in redb's line, which holds the database until it was let in.
#[test]
fn the_last_handle_lets_go_of_the_file_also_after_writes_that_were_refused_beside_a_callers_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::builder().set_write_limit(Duration::from_millis(1)).create_new(&path).unwrap();
    for _ in 0..5 {
        let txn = store.share_database().begin_write().unwrap();
        for _ in 0..10 {
            let refused = store.begin_write().map(drop);
            assert!(matches!(refused, Err(BeginError::WriterHeld { .. })), "{refused:?}");
        }
        txn.abort().unwrap();
    }
    drop(store);
    drop(Store::open(&path).unwrap());
}

#[test]
fn a_callers_own_transaction_on_this_thread_does_not_stop_a_close() {
    let folder = tempfile::tempdir().unwrap();
    let (store, consumer) = store(folder.path());
    let other = Store::clone(&store);
    let txn = other.share_database().begin_write().unwrap();
    let queued = store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued"))?)).unwrap();
    let closed = store.close();
    assert!(matches!(closed, Err(StorageError::Busy)), "{closed:?}");
    txn.abort().unwrap();
    // It is told: the store was closed before its turn came.
    assert!(queued.wait().is_err());
    drop((other, consumer));
    reopened(folder.path(), 0);
}
