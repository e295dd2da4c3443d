//! Consumers: what they are given, what they save, and what they do when something fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use execstore::consumer::{Consumer, ConsumerState, OnFailure, Retry};
use execstore::error::{InputError, WatchError};
use execstore::watch::WatchFrom;
use execstore::{Change, ChangeSeq, Error, Filter, NewExecution, Readable, Store, Update};
use support::create;
use support::waits::{Watched, until};

use crate::{Engine, TestStore};

fn quick() -> Retry {
    Retry::new().initial(Duration::from_millis(1)).ceiling(Duration::from_millis(5))
}

fn with_changes(engine: &dyn Engine, n: usize) -> TestStore {
    let store = engine.store();
    (1..=n).for_each(|i| drop(create(&store, &i.to_string())));
    store
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A handler that passes on the sequence numbers that it is given.
fn telling(tell: Sender<u64>) -> impl FnMut(&[Change]) -> Result<(), Failure> + Send + 'static {
    move |changes| {
        changes.iter().for_each(|change| tell.send(change.seq().get()).unwrap());
        Ok(())
    }
}

fn take(told: &Receiver<u64>, n: usize) -> Vec<u64> {
    (0..n).map(|_| told.recv_timeout(Duration::from_secs(20)).unwrap()).collect()
}

fn checkpoint(store: &Store, name: &str) -> Option<u64> {
    store.read(|r| Ok(r.log().checkpoint(name)?)).unwrap().map(ChangeSeq::get)
}

pub fn changes_come_in_order_and_the_checkpoint_says_where_to_go_on(engine: &dyn Engine) {
    let mut store = with_changes(engine, 25);
    let (tell, told) = channel();
    let consumer = store.consumer("c").batch(10).run(telling(tell)).unwrap();
    assert_eq!(take(&told, 25), (1..=25).collect::<Vec<_>>());
    create(&store, "more");
    assert_eq!(take(&told, 1), [26]);
    let stats = consumer.stop();
    assert_eq!((stats.state, stats.position.get(), stats.handled), (ConsumerState::Stopped, 26, 26));
    assert_eq!((stats.checkpoint, stats.lag, stats.failures), (Some(ChangeSeq(26)), 0, 0));
    assert!(stats.last_change_at.is_some());
    assert_eq!(checkpoint(&store, "c"), Some(26));
    create(&store, "meanwhile");
    store.reopen();
    // The checkpoint wins over the start that is asked for.
    let (tell, told) = channel();
    let consumer = store.consumer("c").start_at(WatchFrom::Oldest).run(telling(tell)).unwrap();
    assert_eq!(take(&told, 1), [27]);
    drop(consumer);
    assert!(told.try_recv().is_err());
}

pub fn it_begins_where_it_is_told_to_and_is_registered_at_once(engine: &dyn Engine) {
    let store = with_changes(engine, 5);
    for (start, expected) in [
        (WatchFrom::Oldest, vec![1, 2, 3, 4, 5]),
        (WatchFrom::Latest, vec![]),
        (WatchFrom::At(ChangeSeq(4)), vec![4, 5]),
        (WatchFrom::After(ChangeSeq(4)), vec![5]),
        (WatchFrom::At(ChangeSeq(6)), vec![]),
    ] {
        let store = store.crash_copy();
        let (tell, told) = channel();
        let begun = Arc::new(AtomicBool::new(false));
        let hold = begun.clone();
        let consumer = store
            .consumer("c")
            .start_at(start.clone())
            .run(move |changes| {
                until("it may go on", || hold.load(Ordering::Relaxed));
                Ok(changes.iter().try_for_each(|change| tell.send(change.seq().get()))?)
            })
            .unwrap();
        // Before the handler has done anything.
        assert_eq!(checkpoint(&store, "c"), Some(5 - expected.len() as u64), "{start:?}");
        begun.store(true, Ordering::Relaxed);
        assert_eq!(take(&told, expected.len()), expected, "{start:?}");
        drop(consumer);
    }
    let missing = store.consumer("c").start_at(WatchFrom::Checkpoint("d".into())).run(|_| Ok(()));
    assert!(matches!(missing, Err(Error::Watch(WatchError::NoCheckpoint { .. }))));
    assert_eq!(checkpoint(&store, "c"), None, "a refused one leaves no trace");
    for name in ["", &"x".repeat(257)] {
        let refused = store.consumer(name).run(|_| Ok(()));
        assert!(matches!(
            refused,
            Err(Error::Input(InputError::Invalid { .. } | InputError::TooLarge { .. }))
        ));
    }
}

pub fn a_second_consumer_of_the_same_name_is_refused_while_the_first_runs(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    let run = |name: &str| store.consumer(name).run(|_| Ok(()));
    let first = run("c").unwrap();
    assert!(matches!(run("c"), Err(Error::Watch(WatchError::AlreadyRunning { name })) if name == "c"));
    let other = run("d").unwrap();
    drop(first);
    drop(run("c").unwrap());
    drop(other);
}

/// Fails on the executions of these ids, so many times each.
fn failing(
    ids: &'static [&'static str],
    times: usize,
    seen: Arc<Mutex<Vec<Vec<u64>>>>,
) -> impl FnMut(&[Change]) -> Result<(), Failure> + Send + 'static {
    let mut failed = vec![0; ids.len()];
    move |changes| {
        seen.lock().unwrap().push(changes.iter().map(|change| change.seq().get()).collect());
        for (at, id) in ids.iter().enumerate() {
            if failed[at] < times && changes.iter().any(|change| change.execution_id().unwrap() == id) {
                failed[at] += 1;
                return Err(format!("{id} failed").into());
            }
        }
        Ok(())
    }
}

pub fn a_failed_batch_comes_again_until_it_is_handled(engine: &dyn Engine) {
    let store = with_changes(engine, 5);
    let seen = Arc::default();
    let handler = failing(&["3"], 4, Arc::clone(&seen));
    let consumer = store.consumer("c").batch(3).retry(quick().attempts(2)).run(handler).unwrap();
    until("it gets past", || consumer.position().get() == 5);
    let stats = consumer.stop();
    assert_eq!((stats.failures, stats.skipped, stats.handled), (4, 0, 5));
    // What is over is counted and not held against it.
    assert_eq!(stats.last_error, None);
    assert_eq!(
        *seen.lock().unwrap(),
        [vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 3], vec![4, 5]]
    );
}

pub fn what_keeps_failing_is_skipped_alone(engine: &dyn Engine) {
    let store = with_changes(engine, 6);
    let seen = Arc::default();
    let handler = failing(&["3", "6"], usize::MAX, Arc::clone(&seen));
    let builder = store.consumer("c").batch(4).retry(quick().attempts(2)).on_failure(OnFailure::Skip);
    let consumer = builder.run(handler).unwrap();
    until("it gets past", || consumer.position().get() == 6);
    let stats = consumer.stop();
    assert_eq!((stats.skipped, stats.handled, stats.checkpoint), (2, 4, Some(ChangeSeq(6))));
    let whole = [vec![1, 2, 3, 4], vec![1, 2, 3, 4], vec![1], vec![2], vec![3], vec![3], vec![4]];
    assert_eq!(seen.lock().unwrap()[..7], whole);
}

/// Whoever goes on after a crash in the middle of it gets what was not handled yet.
pub fn one_by_one_the_checkpoint_goes_on_one_by_one(engine: &dyn Engine) {
    let store = with_changes(engine, 4);
    let (reader, seen) = (Store::clone(&store), Arc::new(Mutex::new(Vec::new())));
    let note = seen.clone();
    let handler = move |changes: &[Change]| {
        let first = changes[0].seq().get();
        note.lock().unwrap().push((first, changes.len(), checkpoint(&reader, "c")));
        if changes.len() > 1 || first == 3 { Err("not this".into()) } else { Ok(()) }
    };
    let builder = store.consumer("c").batch(4).retry(quick().attempts(1)).on_failure(OnFailure::Skip);
    let consumer = builder.run(handler).unwrap();
    until("it gets past", || consumer.position().get() == 4);
    consumer.stop();
    let expected = [(1, 4, Some(0)), (1, 1, Some(0)), (2, 1, Some(1)), (3, 1, Some(2)), (4, 1, Some(3))];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(checkpoint(&store, "c"), Some(4));
}

pub fn it_stops_where_it_is_told_to_stop(engine: &dyn Engine) {
    let store = with_changes(engine, 6);
    let seen = Arc::default();
    let handler = failing(&["5"], usize::MAX, Arc::clone(&seen));
    let builder = store.consumer("c").batch(3).retry(quick().attempts(3)).on_failure(OnFailure::Stop);
    let consumer = builder.run(handler).unwrap();
    until("it stops", || consumer.stats().state == ConsumerState::Stopped);
    let stats = consumer.stats();
    assert_eq!((stats.failures, stats.position.get(), stats.checkpoint), (3, 3, Some(ChangeSeq(3))));
    assert_eq!(stats.lag, 3);
    assert_eq!(checkpoint(&store, "c"), Some(3));
}

pub fn a_panic_of_the_handler_is_a_failure(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let consumer = store
        .consumer("c")
        .retry(quick())
        .run(move |_| {
            assert!(counted.fetch_add(1, Ordering::Relaxed) > 0, "the first time it panics");
            Ok(())
        })
        .unwrap();
    until("it gets past", || consumer.position().get() == 1);
    let stats = consumer.stop();
    assert_eq!((stats.failures, stats.last_error), (1, None));
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

pub fn effects_in_the_same_store_happen_exactly_once(engine: &dyn Engine) {
    let store = with_changes(engine, 10);
    let filter = Filter::new().kind(execstore::ChangeKind::Created);
    let consumer = bill_created(&store, filter);
    until("all are billed", || consumer.stats().lag == 0);
    // A copy taken in the middle, as after a crash, goes on without a repetition or an omission.
    let copy = store.crash_copy();
    drop(consumer);
    let consumer = bill_created(&copy, Filter::new().kind(execstore::ChangeKind::Created));
    create(&copy, "late");
    until("all are billed", || consumer.stats().lag == 0);
    drop(consumer);
    for store in [&store, &copy] {
        for execution in store.begin_read().unwrap().by_job("j").unwrap() {
            assert_eq!(execution.unwrap().event_count, 1);
        }
    }
}

/// Bills each change once, in a store that a crash may hit between any two commits.
fn bill_created(store: &Store, filter: Filter) -> Consumer {
    let mut calls = 0;
    store
        .consumer("billing")
        .filter(filter)
        .batch(3)
        .retry(quick())
        .run_in_transaction(move |changes, writer| {
            for change in changes {
                let event = execstore::NewEvent::new("billed");
                writer.append_events(change.execution_id().unwrap(), [event])?;
            }
            calls += 1;
            // After its writes: they must not stay.
            if calls % 2 == 1 { Err(Failure::from("not this time")) } else { Ok(()) }
        })
        .unwrap()
}

pub fn seeking_goes_on_from_elsewhere_and_is_saved(engine: &dyn Engine) {
    let store = with_changes(engine, 10);
    let (tell, told) = channel();
    let consumer = store.consumer("c").run(telling(tell)).unwrap();
    assert_eq!(take(&told, 10).len(), 10);
    consumer.seek(WatchFrom::After(ChangeSeq(7))).unwrap();
    assert_eq!(take(&told, 3), [8, 9, 10]);
    consumer.seek(WatchFrom::After(ChangeSeq(2))).unwrap();
    assert_eq!(take(&told, 8), (3..=10).collect::<Vec<_>>());
    consumer.seek(WatchFrom::Latest).unwrap();
    until("the seek is done", || consumer.position().get() == 10);
    drop(consumer);
    assert_eq!(checkpoint(&store, "c"), Some(10));
}

pub fn stopping_waits_for_the_handler_and_interrupts_a_back_off(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    let (entered, enter) = channel();
    let done = Arc::new(AtomicBool::new(false));
    let (end, stopping) = (done.clone(), Watched::here());
    let consumer = store
        .consumer("slow")
        .run(move |_| {
            entered.send(()).unwrap();
            stopping.until_it_waits();
            end.store(true, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    enter.recv().unwrap();
    consumer.stop();
    assert!(done.load(Ordering::Relaxed));

    let long = Retry::new().initial(Duration::from_secs(600)).ceiling(Duration::from_secs(600));
    let consumer = store.consumer("failing").retry(long).run(|_| Err(Failure::from("always"))).unwrap();
    until("it backs off", || consumer.stats().state == ConsumerState::BackingOff);
    let began = Instant::now();
    assert_eq!(consumer.stop().state, ConsumerState::Stopped);
    assert!(began.elapsed() < Duration::from_secs(60));
}

pub fn an_ephemeral_one_saves_nothing(engine: &dyn Engine) {
    let store = with_changes(engine, 3);
    let (tell, told) = channel();
    let consumer =
        store.consumer("e").ephemeral().start_at(WatchFrom::At(ChangeSeq(2))).run(telling(tell)).unwrap();
    assert_eq!(take(&told, 2), [2, 3]);
    assert_eq!(consumer.stop().checkpoint, None);
    assert_eq!(checkpoint(&store, "e"), None);
    assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(3))?)).unwrap(), 3);
}

pub fn the_position_moves_and_is_saved_past_what_the_filter_drops(engine: &dyn Engine) {
    let store = with_changes(engine, 5);
    let (tell, told) = channel();
    let consumer = store.consumer("c").filter(Filter::new().execution("2")).run(telling(tell)).unwrap();
    assert_eq!(take(&told, 1), [2]);
    until("the rest is passed", || checkpoint(&store, "c") == Some(5));
    drop(consumer);
    assert!(told.try_recv().is_err());
}

pub fn one_that_was_trimmed_is_blocked_until_it_seeks(engine: &dyn Engine) {
    let builder = Store::builder()
        .set_log_retention(execstore::options::LogRetention::new().max_count(2).max_lag(4))
        .clone();
    let store = engine.store_with(&builder);
    let consumer = store.consumer("c").run(|_| Ok(())).unwrap();
    drop(consumer);
    (1..=10).for_each(|i| drop(create(&store, &i.to_string())));
    assert_eq!(store.maintain().unwrap().trimmed, 8, "it lags more than it may");
    let (tell, told) = channel();
    let consumer = store.consumer("c").run(telling(tell)).unwrap();
    until("it is blocked", || consumer.stats().state == ConsumerState::Blocked);
    assert!(consumer.stats().last_error.unwrap().contains("oldest entry that is kept is 9"));
    consumer.seek(WatchFrom::Oldest).unwrap();
    assert_eq!(take(&told, 2), [9, 10]);
    drop(consumer);
}

pub fn a_consumer_that_writes_what_it_follows_does_not_wait_for_itself(engine: &dyn Engine) {
    let store = engine.store();
    let inside = Store::clone(&store);
    let consumer = store
        .consumer("starter")
        .filter(Filter::new().entered("New"))
        .run(move |changes| {
            for change in changes {
                inside.update(change.execution_id().unwrap(), Update::to("BidAccepted"))?;
            }
            Ok(())
        })
        .unwrap();
    for n in 0..20 {
        store.batch(move |w| Ok(w.create(NewExecution::new("j").id(n.to_string()))?)).unwrap();
    }
    until("all are moved", || store.read(|r| Ok(r.count("BidAccepted")?)).unwrap() == 20);
    drop(consumer);
}

pub fn one_that_cannot_start_leaves_nothing_behind(engine: &dyn Engine) {
    let store = with_changes(engine, 3);
    let refused = store.consumer("c").filter(Filter::new().entered("NoSuchState")).run(|_| Ok(()));
    assert!(refused.is_err());
    let elsewhere = WatchFrom::Checkpoint("nowhere".into());
    let refused = store.consumer("c").start_at(elsewhere).run(|_| Ok(()));
    assert!(matches!(refused, Err(Error::Watch(WatchError::NoCheckpoint { .. }))));
    assert_eq!(checkpoint(&store, "c"), None, "it would hold the log back for ever");
    assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(3))?)).unwrap(), 3);
    // And the name is free.
    store.consumer("c").run(|_| Ok(())).unwrap();
}

pub fn any_name_of_a_checkpoint_will_do(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    for name in ["nul\0inside", "\0", "ünïcode 🎈", &"x".repeat(256)] {
        let (tell, told) = channel();
        let consumer = store.consumer(name).run(telling(tell)).unwrap();
        assert_eq!(take(&told, 1), [1]);
        consumer.stop();
        assert_eq!(checkpoint(&store, name), Some(1));
    }
}

pub fn a_seek_right_before_a_stop_is_saved(engine: &dyn Engine) {
    let store = with_changes(engine, 9);
    for to in [2, 7, 4] {
        let (name, (tell, told)) = (format!("c{to}"), channel());
        let handler = move |changes: &[Change]| Ok(tell.send(changes.last().unwrap().seq().get())?);
        let consumer = store.consumer(&name).run(handler).unwrap();
        let _ = told.recv_timeout(Duration::from_secs(20)).unwrap();
        consumer.seek(WatchFrom::After(ChangeSeq(to))).unwrap();
        consumer.stop();
        // Between the two it may have gone on from there.
        let saved = told.try_iter().last().unwrap_or(to);
        assert_eq!(checkpoint(&store, &name), Some(saved));
    }
}

pub fn the_name_is_taken_until_the_handler_has_returned(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    let (entered, enter) = channel();
    let (release, released) = channel::<()>();
    let consumer = store.consumer("c").run(move |_| {
        entered.send(()).unwrap();
        released.recv().ok();
        Ok(())
    });
    enter.recv_timeout(Duration::from_secs(20)).unwrap();
    // One who holds the write transaction does not wait for the consumer, whose handler is still at work.
    let txn = store.begin_write().unwrap();
    drop(consumer.unwrap());
    drop(txn);
    let second = store.consumer("c").run(|_| Ok(()));
    assert!(matches!(second, Err(Error::Watch(WatchError::AlreadyRunning { .. }))));
    drop(release);
    until("the name is free", || store.consumer("c").run(|_| Ok(())).is_ok());
}
