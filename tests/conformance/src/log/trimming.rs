//! Trimming the change log: what goes, what stays, what holds it back, and what is freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use execstore::error::{PositionError, ReadError};
use execstore::options::LogRetention;
use execstore::{ChangeSeq, Json, NewExecution, Readable, Store, Timestamp, Update};
use support::waits::until;
use support::{big_payload, create};

use crate::Engine;

fn with_changes(store: &Store, n: usize) {
    (0..n).for_each(|_| drop(store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap()));
}

fn kept(store: &Store) -> Vec<u64> {
    let reader = store.begin_read().unwrap();
    reader.log().range(..).unwrap().map(|change| change.unwrap().seq().get()).collect()
}

pub fn the_oldest_go_the_head_stays_and_the_numbers_go_on(engine: &dyn Engine) {
    let mut store = engine.store();
    with_changes(&store, 10);
    assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(4))?)).unwrap(), 4);
    assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(3))?)).unwrap(), 0);
    assert_eq!(kept(&store), (5..=10).collect::<Vec<_>>());
    let reader = store.begin_read().unwrap();
    assert_eq!((reader.log().oldest().unwrap().get(), reader.log().head().unwrap().get()), (5, 10));
    // A range that starts before what is kept is told so, not shortened.
    for start in [1, 4] {
        let refused = reader.log().range(ChangeSeq(start)..);
        assert!(
            matches!(refused, Err(ReadError::Position(PositionError::Trimmed { requested, oldest: ChangeSeq(5) })) if requested.get() == start)
        );
    }
    assert_eq!(reader.log().range(ChangeSeq(5)..=ChangeSeq(6)).unwrap().count(), 2);
    drop(reader);
    // Everything, and further than there is.
    assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(u64::MAX))?)).unwrap(), 6);
    store.reopen();
    assert!(kept(&store).is_empty());
    let head = |store: &Store| store.read(|r| Ok((r.log().oldest()?.get(), r.log().head()?.get()))).unwrap();
    assert_eq!(head(&store), (11, 10));
    create(&store, "next");
    assert_eq!(kept(&store), [11]);
    assert_eq!(head(&store), (11, 11));
}

pub fn a_trim_that_is_rolled_back_has_not_happened(engine: &dyn Engine) {
    let store = engine.store();
    with_changes(&store, 3);
    let txn = store.begin_write().unwrap();
    {
        let mut writer = txn.writer().unwrap();
        writer.trim_changes(ChangeSeq(2)).unwrap();
        assert_eq!(writer.log().oldest().unwrap().get(), 3);
        assert_eq!(writer.log().range(..).unwrap().count(), 1);
    }
    drop(txn);
    assert_eq!(kept(&store), [1, 2, 3]);
}

pub fn checkpoints_hold_it_back(engine: &dyn Engine) {
    let store = engine.store();
    with_changes(&store, 10);
    let set = |name: &str, seq| store.write(|w| Ok(w.set_checkpoint(name, ChangeSeq(seq))?)).unwrap();
    let trim = |seq| store.write(|w| Ok(w.trim_changes(ChangeSeq(seq))?)).unwrap();
    set("a", 6);
    set("b", 0);
    assert_eq!(trim(10), 0);
    set("b", 2);
    assert_eq!(trim(10), 2);
    store.write(|w| Ok(w.delete_checkpoint("b")?)).unwrap();
    assert_eq!(trim(5), 3);
    assert_eq!(trim(10), 1);
    assert_eq!(kept(&store), [7, 8, 9, 10]);
}

/// Which of the payloads 1 to 4 of an execution can be read through the log, and how large the table is.
fn payloads(store: &Store) -> u64 {
    store.verify().unwrap().payloads
}

pub fn payloads_that_only_trimmed_entries_needed_are_freed(engine: &dyn Engine) {
    for size in [10, 5_000] {
        let store = engine.store();
        let payload = |n: usize| Json::from_text(&format!("[{n},{}]", big_payload(size))).unwrap();
        let update = |n: usize| Update::new().payload(payload(n));
        store
            .write(|w| {
                w.create(NewExecution::new("j").id("e").payload(payload(1)))?; // 1
                w.update("e", update(2))?; // 2
                w.update("e", Update::to("BidAccepted"))?; // 3
                w.update("e", update(3))?; // 4
                w.create(NewExecution::new("j").id("f").payload(payload(4)))?; // 5
                w.delete("f")?; // 6
                Ok(w.update("e", update(5))?) // 7
            })
            .unwrap();
        let live = u64::from(size > 1_024);
        // 1, 2, 3 of e and the one of f, and the present one if it is large.
        assert_eq!(payloads(&store), 4 + live);
        for (trim, left) in [(1, 4), (2, 3), (3, 3), (4, 2), (5, 2), (6, 1), (7, 0)] {
            store.write(|w| Ok(w.trim_changes(ChangeSeq(trim))?)).unwrap();
            assert_eq!(payloads(&store), left + live, "after {trim}, size {size}");
            let reader = store.begin_read().unwrap();
            for change in reader.log().range(..).unwrap() {
                let change = change.unwrap();
                assert!(
                    reader.log().payload_before(&change).is_ok()
                        && reader.log().payload_after(&change).is_ok()
                );
            }
            assert_eq!(*reader.get("e").unwrap().unwrap().payload_json(), payload(5));
        }
    }
}

pub fn retention_keeps_by_count_and_by_age(engine: &dyn Engine) {
    let now = Arc::new(AtomicI64::new(0));
    let clock = now.clone();
    let hour = 3_600_000_000_000;
    let open = |keep: LogRetention| {
        let clock = clock.clone();
        let clock = move || Timestamp::from_nanos(clock.load(Ordering::Relaxed));
        engine.store_with(Store::builder().set_clock(clock).set_log_retention(keep))
    };
    let hours = |n: u64| Duration::from_secs(n * 3_600);
    for (keep, expected) in [
        (LogRetention::new(), (1..=10).collect::<Vec<u64>>()),
        (LogRetention::new().max_count(3), vec![8, 9, 10]),
        (LogRetention::new().max_count(0), vec![]),
        (LogRetention::new().max_count(100), (1..=10).collect()),
        (LogRetention::new().max_age(hours(4)), vec![6, 7, 8, 9, 10]),
        (LogRetention::new().max_age(hours(400)), (1..=10).collect()),
        (LogRetention::new().max_age(hours(4)).max_count(2), vec![9, 10]),
        (LogRetention::new().max_age(hours(2)).max_count(9), vec![8, 9, 10]),
    ] {
        now.store(0, Ordering::Relaxed);
        let store = open(keep);
        for n in 1..=10 {
            now.store(n * hour, Ordering::Relaxed);
            with_changes(&store, 1);
        }
        let done = store.maintain().unwrap();
        assert_eq!(kept(&store), expected, "{keep:?}");
        assert_eq!(done.trimmed, 10 - expected.len() as u64);
        assert_eq!((done.oldest.get(), done.held_by), (11 - expected.len() as u64, None));
        assert_eq!(store.maintain().unwrap().trimmed, 0);
    }
}

pub fn a_clock_that_went_back_keeps_what_follows(engine: &dyn Engine) {
    let times = [10, 20, 3, 30];
    let next = AtomicI64::new(0);
    let clock = move || {
        Timestamp::from_nanos(times.get(next.fetch_add(1, Ordering::Relaxed) as usize).map_or(25, |t| *t))
    };
    let keep = LogRetention::new().max_age(Duration::from_nanos(6));
    let store = engine.store_with(Store::builder().set_clock(clock).set_log_retention(keep));
    with_changes(&store, 4);
    // Now is 25: older than 19 are the entries 1 and 3, and 2 keeps 3.
    store.maintain().unwrap();
    assert_eq!(kept(&store), [2, 3, 4]);
}

pub fn retention_waits_for_consumers_as_long_as_they_do_not_lag_too_much(engine: &dyn Engine) {
    for (lag, expected, held) in
        [(None, 2, Some("slow")), (Some(8), 2, Some("slow")), (Some(7), 5, Some("fast"))]
    {
        let mut keep = LogRetention::new().max_count(3);
        if let Some(lag) = lag {
            keep = keep.max_lag(lag);
        }
        let store = engine.store_with(Store::builder().set_log_retention(keep));
        with_changes(&store, 10);
        store.write(|w| Ok(w.set_checkpoint("slow", ChangeSeq(2))?)).unwrap();
        store.write(|w| Ok(w.set_checkpoint("fast", ChangeSeq(5))?)).unwrap();
        let done = store.maintain().unwrap();
        assert_eq!((done.trimmed, done.held_by.as_deref()), (expected, held), "{lag:?}");
    }
}

pub fn one_call_trims_it_all_in_bounded_transactions_while_others_write(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_log_retention(LogRetention::new().max_count(10)));
    for _ in 0..5 {
        store
            .write(|w| Ok((0..1_000).try_for_each(|_| w.create(NewExecution::new("j")).map(drop))?))
            .unwrap();
    }
    thread::scope(|scope| {
        let writing = scope.spawn(|| with_changes(&store, 20));
        assert!(store.maintain().unwrap().trimmed >= 4_990);
        writing.join().unwrap();
    });
}

pub fn a_thread_of_the_store_does_it_when_it_is_switched_on(engine: &dyn Engine) {
    let keep = LogRetention::new().max_count(5);
    let mut builder = Store::builder();
    builder.set_log_retention(keep).set_maintenance(Duration::from_millis(5));
    let store = engine.store_with(&builder);
    with_changes(&store, 50);
    until("it is trimmed", || kept(&store).len() <= 5);
    assert_eq!(kept(&store), [46, 47, 48, 49, 50]);
}
