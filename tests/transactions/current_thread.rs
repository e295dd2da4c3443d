//! A runtime of one thread: handlers that wait for its tasks and for futures of the store, and stores that end within it. Nothing hangs.

use std::future::poll_fn;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use conformance::transactions::current_thread::bounded;
use execstore::error::{OpenError, StorageError, WatchError};
use execstore::watch::WatchFrom;
use execstore::{Filter, Readable, Store};
use support::create;
use tokio::runtime::{Builder, Runtime};

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);
/// A stop limit so short that only what never ends runs into it.
const SHORT: Duration = Duration::from_millis(50);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
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

fn opens(path: &std::path::Path) -> Store {
    loop {
        match Store::open(path) {
            Err(OpenError::AlreadyOpen { .. }) => thread::yield_now(),
            opened => break opened.unwrap(),
        }
    }
}

/// What a handler can wait for that its own store's end does not bring about.
fn waits_for(gate: &Gate, runtime: &Runtime, store: &Store) -> execstore::consumer::Consumer {
    let (handle, gate, (entered, enter)) = (runtime.handle().clone(), gate.clone(), channel());
    let handler = move |_: &[execstore::Change]| {
        let _ = entered.send(());
        handle.block_on(gate.opened());
        Ok(())
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
            let Err(StorageError::StillRunning { what }) = closed else { panic!("{closed:?}") };
            assert_eq!(what, r#"the handler of the consumer "waits""#);
            gate.open();
        });
        drop(consumer);
        assert!(opens(&path).read(|r| Ok(r.get("e")?)).unwrap().is_some());
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
            let next = handle.block_on(watcher.recv()).map(drop);
            let part = handle.block_on(follower.recv(1)).map(drop);
            let _ = heard.send((next, part));
            Ok(())
        };
        let consumer = store.consumer("awaits").run(handler).unwrap();
        runtime.block_on(async {
            enter.recv_timeout(WATCHDOG).unwrap();
            let closed = store.close_within(SHORT);
            assert!(matches!(closed, Err(StorageError::StillRunning { .. })), "{closed:?}");
            let (next, part) = hear.recv_timeout(WATCHDOG).unwrap();
            assert!(matches!(next, Err(WatchError::Storage(StorageError::Closed))), "{next:?}");
            assert!(matches!(part, Err(WatchError::Storage(StorageError::Closed))), "{part:?}");
        });
        drop(consumer);
        drop(opens(&path));
    });
}
