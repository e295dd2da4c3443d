//! A runtime of one thread: handlers that wait for its tasks and for futures of the store, and stores that end within it. Nothing hangs.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use execstore::consumer::{OnFailure, Retry};
use execstore::error::{BatchError, OpenError, StorageError, WatchError};
use execstore::watch::WatchFrom;
use execstore::{Error, Filter, NewExecution, Readable, Store, Update, Writer};
use support::{TestStore, create};
use tokio::runtime::{Builder, Runtime};

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);
/// A stop limit so short that only what never ends runs into it.
const SHORT: Duration = Duration::from_millis(50);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Runs a test on a thread, which must end.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(WATCHDOG) {
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

/// What a task waits for until another opens it.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        state.1.drain(..).for_each(Waker::wake);
    }

    async fn opened(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn opens(path: &std::path::Path) -> Store {
    loop {
        match Store::open(path) {
            Err(OpenError::AlreadyOpen { .. }) => thread::yield_now(),
            opened => break opened.unwrap(),
        }
    }
}

#[test]
fn a_handler_awaits_what_it_submits_while_the_runtime_does_other_things() {
    bounded(|| {
        let store = TestStore::new();
        let runtime = runtime();
        let (handle, writer) = (runtime.handle().clone(), Store::clone(&store));
        let echo = store.consumer("echo").filter(Filter::new().job("j")).run(move |changes| {
            for change in changes {
                let id = format!("echo-{}", change.execution_id());
                let echo = NewExecution::new("echoes").id(id);
                handle.block_on(async { writer.submit(move |w| w.create(echo.clone()))?.await.map(drop) })?;
            }
            Ok::<_, Error>(())
        });
        let echo = echo.unwrap();
        runtime.block_on(async {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().job("echoes")).unwrap();
            for n in 0..20 {
                store.submit(move |w| w.create(new(&n.to_string()))).unwrap().await.unwrap();
                assert_eq!(watcher.next().await.unwrap().execution_id().as_str(), format!("echo-{n}"));
            }
        });
        echo.stop();
    });
}

/// What a handler can wait for that its own store's end does not bring about.
fn waits_for(gate: &Gate, runtime: &Runtime, store: &Store) -> execstore::consumer::Consumer {
    let (handle, gate, (entered, enter)) = (runtime.handle().clone(), gate.clone(), channel());
    let handler = move |_: &[execstore::Change]| {
        let _ = entered.send(());
        handle.block_on(gate.opened());
        Ok::<_, Error>(())
    };
    let consumer = store.consumer("waits").run(handler).unwrap();
    create(store, "e");
    enter.recv_timeout(WATCHDOG).unwrap();
    consumer
}

#[test]
fn a_close_in_async_main_says_which_handler_waits_for_the_runtime() {
    bounded(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Store::create_new(&path).unwrap();
        let (runtime, gate) = (runtime(), Gate::default());
        let consumer = waits_for(&gate, &runtime, &store);
        runtime.block_on(async {
            // The handler needs this thread, which is closing.
            let closed = store.close_within(SHORT);
            let Err(Error::Storage(StorageError::StillRunning { what })) = closed else {
                panic!("{closed:?}")
            };
            assert_eq!(what, r#"the handler of the consumer "waits""#);
            gate.open();
        });
        drop(consumer);
        assert!(opens(&path).read(|r| r.get("e")).unwrap().is_some());
    });
}

#[test]
fn the_last_handle_dropped_in_async_main_lets_go_of_the_file_once_the_handler_ends() {
    bounded(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Store::builder().set_stop_limit(SHORT).create_new(&path).unwrap();
        let (runtime, gate) = (runtime(), Gate::default());
        let consumer = waits_for(&gate, &runtime, &store);
        runtime.block_on(async {
            drop(store);
            gate.open();
            drop(consumer);
        });
        assert!(opens(&path).verify().unwrap().is_clean());
    });
}

#[test]
fn a_handler_that_awaits_its_own_store_hears_of_its_end() {
    bounded(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Store::create_new(&path).unwrap();
        create(&store, "e");
        let runtime = runtime();
        let ((entered, enter), (heard, hear)) = (channel(), channel());
        let handle = runtime.handle().clone();
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new().job("never")).unwrap();
        let mut follower = store.follow_output("e", "never", 0).unwrap();
        let handler = move |_: &[execstore::Change]| {
            let _ = entered.send(());
            let next = handle.block_on(watcher.next()).map(drop);
            let part = handle.block_on(follower.next(1)).map(drop);
            let _ = heard.send((next, part));
            Ok::<_, Error>(())
        };
        let consumer = store.consumer("awaits").run(handler).unwrap();
        runtime.block_on(async {
            enter.recv_timeout(WATCHDOG).unwrap();
            let closed = store.close_within(SHORT);
            assert!(matches!(closed, Err(Error::Storage(StorageError::StillRunning { .. }))), "{closed:?}");
            let (next, part) = hear.recv_timeout(WATCHDOG).unwrap();
            assert!(matches!(next, Err(WatchError::Closed)), "{next:?}");
            assert!(matches!(part, Err(Error::Storage(StorageError::Closed))), "{part:?}");
        });
        drop(consumer);
        drop(opens(&path));
    });
}

#[test]
fn a_write_that_would_wait_for_itself_is_refused_inside_block_on_too() {
    bounded(|| {
        let store = TestStore::new();
        create(&store, "e");
        let runtime = runtime();
        let (told, tell) = channel();
        let (handle, inner) = (runtime.handle().clone(), Store::clone(&store));
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        let handler = move |_: &[execstore::Change], w: &mut Writer<'_>| {
            let submitted = handle.block_on(async { inner.submit(|w| w.create(new("x")))?.await });
            let written = handle.block_on(async { inner.update("e", Update::new()) });
            let watched = handle.block_on(watcher.next());
            w.update("e", Update::new().message("handled"))?;
            told.send((submitted.map(drop), written.map(drop), watched.map(drop)))?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        let once = store.consumer("once").retry(Retry::new().attempts(1)).on_failure(OnFailure::Skip);
        let consumer =
            once.filter(Filter::new().kind(execstore::ChangeKind::Created)).run_in_transaction(handler);
        let consumer = consumer.unwrap();
        runtime.block_on(async {
            let (submitted, written, watched) = tell.recv_timeout(WATCHDOG).unwrap();
            assert!(matches!(submitted, Err(Error::Batch(BatchError::Reentrant))), "{submitted:?}");
            assert!(matches!(written, Err(Error::Batch(BatchError::Reentrant))), "{written:?}");
            assert!(matches!(watched, Err(WatchError::Reentrant)), "{watched:?}");
        });
        consumer.stop();
        assert_eq!(store.read(|r| r.get("e")).unwrap().unwrap().message.as_deref(), Some("handled"));
        assert!(store.read(|r| r.get("x")).unwrap().is_none());
    });
}

#[test]
fn a_runtime_that_refuses_to_block_in_a_closure_spoils_nothing() {
    bounded(|| {
        let store = TestStore::new();
        create(&store, "e");
        runtime().block_on(async {
            // A runtime within a runtime panics, in the caller's closure.
            let handle = tokio::runtime::Handle::current();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                store.write(|w| {
                    w.update("e", Update::new().message("m"))?;
                    handle.block_on(std::future::ready(()));
                    Ok::<_, Error>(())
                })
            }));
            assert!(panicked.is_err());
            let submitted = store.submit(move |w| {
                w.create(new("f"))?;
                // On the store's own thread, which is none of the runtime's, it may.
                handle.block_on(std::future::ready(()));
                Ok::<_, Error>(())
            });
            submitted.unwrap().await.unwrap();
        });
        assert_eq!(store.read(|r| r.get("e")).unwrap().unwrap().message, None);
        assert!(store.read(|r| r.get("f")).unwrap().is_some());
    });
}
