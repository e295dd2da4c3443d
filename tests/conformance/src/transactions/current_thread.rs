//! A runtime of one thread: handlers that wait for its tasks and for futures of the store, and stores that end within it. Nothing hangs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use execstore::consumer::{OnFailure, Retry};
use execstore::error::WatchError;
use execstore::watch::WatchFrom;
use execstore::{Error, Filter, NewExecution, Readable, Store, Update, Writer};
use support::create;
use tokio::runtime::{Builder, Runtime};

use crate::Engine;

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

/// Runs a test on a thread, which must end.
pub fn bounded(test: impl FnOnce() + Send + 'static) {
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

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

pub fn a_handler_awaits_what_it_submits_while_the_runtime_does_other_things(engine: &dyn Engine) {
    let store = engine.store();
    bounded(move || {
        let runtime = runtime();
        let (handle, writer) = (runtime.handle().clone(), Store::clone(&store));
        let echo = store.consumer("echo").filter(Filter::new().job("j")).run(move |changes| {
            for change in changes {
                let id = format!("echo-{}", change.execution_id().unwrap());
                let echo = NewExecution::new("echoes").id(id);
                handle.block_on(async {
                    writer.submit(move |w| Ok(w.create(echo.clone())?))?.await.map(drop)
                })?;
            }
            Ok(())
        });
        let echo = echo.unwrap();
        runtime.block_on(async {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().job("echoes")).unwrap();
            for n in 0..20 {
                store.submit(move |w| Ok(w.create(new(&n.to_string()))?)).unwrap().await.unwrap();
                assert_eq!(
                    watcher.recv().await.unwrap().execution_id().unwrap().as_str(),
                    format!("echo-{n}")
                );
            }
        });
        echo.stop();
    });
}

pub fn a_write_that_would_wait_for_itself_is_refused_inside_block_on_too(engine: &dyn Engine) {
    let store = engine.store();
    bounded(move || {
        create(&store, "e");
        let runtime = runtime();
        let (told, tell) = channel();
        let (handle, inner) = (runtime.handle().clone(), Store::clone(&store));
        let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
        let handler = move |_: &[execstore::Change], w: &mut Writer<'_>| {
            let submitted = handle.block_on(async { inner.submit(|w| Ok(w.create(new("x"))?))?.await });
            let written = handle.block_on(async { inner.update("e", Update::new()) });
            let watched = handle.block_on(watcher.recv());
            w.update("e", Update::new().message("handled"))?;
            told.send((submitted.map(drop), written.map(drop), watched.map(drop)))?;
            Ok(())
        };
        let once = store.consumer("once").retry(Retry::new().attempts(1)).on_failure(OnFailure::Skip);
        let consumer =
            once.filter(Filter::new().kind(execstore::ChangeKind::Created)).run_in_transaction(handler);
        let consumer = consumer.unwrap();
        runtime.block_on(async {
            let (submitted, written, watched) = tell.recv_timeout(WATCHDOG).unwrap();
            assert!(matches!(submitted, Err(Error::Reentrant(_))), "{submitted:?}");
            assert!(matches!(written, Err(Error::Reentrant(_))), "{written:?}");
            assert!(matches!(watched, Err(WatchError::Reentrant(_))), "{watched:?}");
        });
        consumer.stop();
        assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().message.as_deref(), Some("handled"));
        // What was submitted was only not waited for: it is committed, before whatever is submitted after it.
        runtime.block_on(async { store.submit(|w| Ok(w.create(new("y"))?)).unwrap().await }).unwrap();
        assert!(store.read(|r| Ok(r.get("x")?)).unwrap().is_some());
    });
}

pub fn a_runtime_that_refuses_to_block_in_a_closure_spoils_nothing(engine: &dyn Engine) {
    let store = engine.store();
    bounded(move || {
        create(&store, "e");
        runtime().block_on(async {
            // A runtime within a runtime panics, in the caller's closure.
            let handle = tokio::runtime::Handle::current();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                store.write(|w| {
                    w.update("e", Update::new().message("m"))?;
                    handle.block_on(std::future::ready(()));
                    Ok(())
                })
            }));
            assert!(panicked.is_err());
            let submitted = store.submit(move |w| {
                w.create(new("f"))?;
                // On the store's own thread, which is none of the runtime's, it may.
                handle.block_on(std::future::ready(()));
                Ok(())
            });
            submitted.unwrap().await.unwrap();
        });
        assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().message, None);
        assert!(store.read(|r| Ok(r.get("f")?)).unwrap().is_some());
    });
}
