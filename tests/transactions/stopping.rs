//! A stop has a limit, and says what still runs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use execstore::consumer::ConsumerState;
use execstore::error::StorageError;
use execstore::{Builder, NewExecution, Readable, Store};
use support::create;
use support::waits::{open_when_free, work};

/// A store on a file, with a stop limit so short that only what never ends runs into it.
fn builder() -> Builder {
    let mut builder = Store::builder();
    builder.set_stop_limit(Duration::from_millis(50));
    builder
}

/// A consumer whose handler waits until it is told to go on.
fn hangs(store: &Store, name: &str) -> (execstore::consumer::Consumer, Receiver<()>, Sender<()>) {
    let ((entered, enter), (go, gone)) = (channel(), channel::<()>());
    let handler = move |_: &[execstore::Change]| {
        let _ = entered.send(());
        let _ = gone.recv();
        Ok(())
    };
    (store.consumer(name).run(handler).unwrap(), enter, go)
}

#[test]
fn a_close_says_which_handlers_run_still_and_everything_else_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = builder().create_new(&path).unwrap();
    create(&store, "e");
    let (consumer, entered, go) = hangs(&store, "slow");
    entered.recv().unwrap();
    let queued = store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued"))?)).unwrap();
    let closed = store.close();
    let Err(StorageError::StillRunning { what }) = closed else { panic!("{closed:?}") };
    assert_eq!(what, r#"the handler of the consumer "slow""#);
    assert_eq!(queued.wait().unwrap().id, "queued");
    assert_eq!(consumer.stats().state, ConsumerState::Handling);
    drop(go);
    assert!(matches!(consumer.stop().state, ConsumerState::Stopped));
    let store = open_when_free(&path);
    assert!(store.verify().unwrap().is_clean());
    assert!(store.read(|r| Ok(r.get("queued")?)).unwrap().is_some());
    // It was at work on it, and its position was not saved: the change comes again.
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("slow")?)).unwrap().unwrap().get(), 0);
}

#[test]
fn the_last_handle_goes_although_a_handler_does_not_return() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = builder().create_new(&path).unwrap();
    create(&store, "e");
    let (consumer, entered, go) = hangs(&store, "slow");
    entered.recv().unwrap();
    drop(store);
    drop(consumer);
    // The handler needs what the thread that dropped the store does next, as one task of a runtime needs another.
    go.send(()).unwrap();
    assert!(open_when_free(&path).verify().unwrap().is_clean());
}

#[test]
fn handlers_that_stop_each_others_store_do_not_wait_for_each_other() {
    let mut builder = builder();
    builder.set_stop_limit(Duration::MAX);
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    let stores = paths.clone().map(|path| builder.create_new(path).unwrap());
    stores.iter().for_each(|store| drop(create(store, "e")));
    let (done, all_done) = channel();
    let both = std::sync::Arc::new(std::sync::Barrier::new(2));
    let consumers: Vec<_> = (0..2)
        .map(|n| {
            let (mut other, both, done) = (Some(stores[1 - n].clone()), both.clone(), done.clone());
            let consumer = stores[n].consumer("c").run(move |_| {
                both.wait();
                if let Some(other) = other.take() {
                    drop(other.close());
                }
                done.send(())?;
                Ok(())
            });
            consumer.unwrap()
        })
        .collect();
    drop(stores);
    all_done.recv().unwrap();
    all_done.recv().unwrap();
    drop(consumers);
    paths.iter().for_each(|path| assert!(open_when_free(path).verify().unwrap().is_clean()));
}

#[test]
fn a_limit_of_its_own_counts_from_the_last_thing_that_was_done() {
    let mut builder = Store::builder();
    builder.set_group_commit(execstore::options::GroupCommitOptions::new().max_members(1));
    let store = builder.in_memory().unwrap();
    let held = store.begin_write().unwrap();
    let pending: Vec<_> = (0..20)
        .map(|_| {
            let slow = |w: &mut execstore::Writer<'_>| {
                work();
                Ok(w.create(NewExecution::new("j"))?)
            };
            store.submit(slow).unwrap()
        })
        .collect();
    drop(held);
    // All of it together is longer than the limit, and none of it is.
    store.close_within(Duration::from_millis(600)).unwrap();
    pending.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
}
