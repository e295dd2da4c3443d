//! Whatever can stand still without a word is in one report.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use execstore::consumer::ConsumerState;
use execstore::error::{PositionError, WatchError};
use execstore::options::LogRetention;
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, NewExecution, Query, Readable, Store, Timestamp, Update};
use support::create;
use support::waits::until;

use crate::Engine;

pub fn readers_writers_queues_and_bulk_operations_are_in_the_report(engine: &dyn Engine) {
    let store = engine.store();
    (0..4).for_each(|n| drop(create(&store, &n.to_string())));
    let idle = store.status().unwrap();
    assert!(idle.health.is_sound() && idle.writer.is_none() && idle.bulks.is_empty());
    assert_eq!((idle.head.get(), idle.oldest.get()), (4, 1));
    assert_eq!((idle.readers, idle.oldest_reader, idle.queued, idle.waiting), (0, None, 0, 0));

    let old = store.begin_read().unwrap();
    let since = std::time::Instant::now();
    create(&store, "later");
    let readers = [store.begin_read().unwrap(), store.begin_read().unwrap()];
    let status = store.status().unwrap();
    assert_eq!(status.readers, 3);
    assert!(status.oldest_reader.unwrap() >= since.elapsed() / 2);
    drop(readers);
    assert_eq!(store.status().unwrap().readers, 1);
    drop(old);
    assert_eq!(store.status().unwrap().readers, 0);

    let held = store.begin_write().unwrap();
    let pending = store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued"))?)).unwrap();
    let more = store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued too"))?)).unwrap();
    until("the group commit waits", || store.status().unwrap().writers_waiting > 0);
    let status = store.status().unwrap();
    assert_eq!((&*status.writer.unwrap().0, status.writers_waiting), ("a WriteTxn", 1));
    drop(held);
    pending.wait().unwrap();
    more.wait().unwrap();

    let stop = |_: &execstore::bulk::BulkReport| std::ops::ControlFlow::Break(());
    store.bulk(Query::new()).name("cancel").batch(1).on_progress(stop).update(Update::new()).unwrap();
    assert_eq!(store.status().unwrap().bulks, ["cancel"]);
    store.forget_bulk("cancel").unwrap();
}

pub fn what_holds_the_log_back_and_why_it_stands_still(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_log_retention(LogRetention::new().max_count(0));
    let store = engine.store_with(&builder);
    let (went, goes) = mpsc::channel();
    let consumer = store.consumer("stands").run(move |_| {
        let _ = went.send(());
        Err::<(), _>("the other side is away".into())
    });
    let consumer = consumer.unwrap();
    (0..3).for_each(|n| drop(create(&store, &n.to_string())));
    store.write(|w| Ok(w.set_checkpoint("nobody", ChangeSeq(2))?)).unwrap();
    goes.recv().unwrap();
    until("its handler failed", || consumer.stats().last_error.is_some());
    let status = store.status().unwrap();
    assert_eq!(status.held_by.as_deref(), Some("stands"));
    let [nobody, stands] = &status.checkpoints[..] else { panic!("{:?}", status.checkpoints) };
    assert_eq!((nobody.name.as_str(), nobody.lag, nobody.consumer.is_some()), ("nobody", 1, false));
    assert_eq!((stands.name.as_str(), stands.position.get(), stands.lag), ("stands", 0, 3));
    let of_consumer = stands.consumer.as_ref().unwrap();
    assert_eq!(of_consumer.last_error.as_deref(), Some("the other side is away"));
    assert!(matches!(of_consumer.state, ConsumerState::BackingOff | ConsumerState::Handling));
    assert_eq!(store.maintain().unwrap().held_by.as_deref(), Some("stands"));
    consumer.stop();
}

pub fn entries_ahead_of_the_clock_keep_nothing_and_are_in_the_report(engine: &dyn Engine) {
    let now = Arc::new(AtomicI64::new(1_000));
    let clock = now.clone();
    let mut builder = Store::builder();
    builder
        .set_clock(move || Timestamp::from_nanos(clock.load(Ordering::Relaxed)))
        .set_log_retention(LogRetention::new().max_age(Duration::from_nanos(100)));
    let store = engine.store_with(&builder);
    let at = |time: i64, id: &str| {
        now.store(time, Ordering::Relaxed);
        create(&store, id);
    };
    at(1_000, "first");
    at(9_000_000, "from the future");
    at(1_010, "then");
    at(1_050, "and then");
    let at_times = |time: i64| {
        now.store(time, Ordering::Relaxed);
        let done = store.maintain().unwrap();
        (done.trimmed, done.oldest.get(), done.ahead_of_clock.map(ChangeSeq::get))
    };
    assert_eq!(at_times(1_101), (1, 2, Some(2)));
    assert_eq!(store.status().unwrap().ahead_of_clock.map(ChangeSeq::get), Some(2));
    // It goes with the one after it.
    assert_eq!(at_times(1_111), (2, 4, None));
    // A clock that was set back makes nothing old.
    at(1_200, "young");
    at(10, "of long ago");
    assert_eq!(at_times(1_210), (1, 5, None));
    assert_eq!(at_times(1_301), (2, 7, None));
}

pub fn a_checkpoint_behind_the_trim_is_refused_and_there_is_a_way_out(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_log_retention(LogRetention::new().max_count(1).max_lag(1));
    let store = engine.store_with(&builder);
    (0..10).for_each(|n| drop(create(&store, &n.to_string())));
    assert_eq!(store.maintain().unwrap().oldest.get(), 10);
    let back = store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(8))?));
    let Err(Error::Position(PositionError::Trimmed { requested: ChangeSeq(9), oldest: ChangeSeq(10) })) =
        back
    else {
        panic!("{back:?}")
    };
    // The last that was trimmed is the one to go on after.
    store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(9))?)).unwrap();

    // A consumer that was left behind is blocked, says so, and goes on from where it is told to.
    (10..20).for_each(|n| drop(create(&store, &n.to_string())));
    store.maintain().unwrap();
    let (see, seen) = mpsc::channel();
    let consumer = store
        .consumer("c")
        .run(move |changes| Ok(changes.iter().try_for_each(|change| see.send(change.seq().get()))?));
    let consumer = consumer.unwrap();
    until("it stands", || consumer.stats().state == ConsumerState::Blocked);
    assert!(consumer.stats().last_error.unwrap().contains("trimmed"));
    let behind = consumer.seek(WatchFrom::After(ChangeSeq(12)));
    assert!(
        matches!(behind, Err(WatchError::Position(PositionError::Trimmed { oldest, .. })) if oldest.get() == 20),
        "{behind:?}"
    );
    consumer.seek(WatchFrom::Oldest).unwrap();
    assert_eq!(seen.recv().unwrap(), 20);
    until("it goes on", || consumer.stats().last_error.is_none());
    assert_eq!(consumer.stop().checkpoint.unwrap().get(), 20);
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("c")?)).unwrap().unwrap().get(), 20);
}

pub fn a_maintenance_that_would_never_rest_is_refused(engine: &dyn Engine) {
    let zero = engine.place().open(Store::builder().set_maintenance(Duration::ZERO));
    assert!(matches!(zero, Err(execstore::error::OpenError::Input(_))), "{zero:?}");
    assert!(
        engine
            .store_with(Store::builder().set_maintenance(None))
            .status()
            .unwrap()
            .maintenance_error
            .is_none()
    );
}
