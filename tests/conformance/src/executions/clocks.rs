//! Clocks that are wrong: what is written then is not old once they are right, nothing panics, and ids go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use execstore::attachments::NewAttachment;
use execstore::bulk::BulkReport;
use execstore::options::LogRetention;
use execstore::tasks::TaskUpdate;
use execstore::{NewExecution, Query, Readable, Store, Timestamp, Update};

use crate::{Engine, TestStore};
const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// In November 2026.
const TODAY: i64 = 1_795_000_000_000_000_000;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn store(engine: &dyn Engine, start: i64) -> (TestStore, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(start));
    let read = clock.clone();
    let mut builder = Store::builder();
    builder
        .set_clock(move || at(read.load(Ordering::Relaxed)))
        .set_log_retention(LogRetention::new().max_age(WEEK));
    (engine.store_with(&builder), clock)
}

fn run(store: &Store, id: &str) {
    store.create(NewExecution::new("j").id(id).state("Running")).unwrap();
    store.update(id, Update::to("Completed")).unwrap();
}

/// Deletes what ended more than a week ago.
fn clean(store: &Store, clock: &AtomicI64) -> BulkReport {
    let before = at(clock.load(Ordering::Relaxed).saturating_sub(7 * DAY));
    store.bulk(Query::new().completed(..before)).delete().unwrap()
}

fn ids(store: &Store) -> Vec<String> {
    let r = store.begin_read().unwrap();
    r.query(&Query::new().oldest_first()).rows().unwrap().map(|row| row.unwrap().id.to_string()).collect()
}

fn entries(store: &Store) -> usize {
    store.begin_read().unwrap().log().range(..).unwrap().count()
}

pub fn what_is_written_while_the_clock_stands_at_1970_is_not_old_once_it_is_right(engine: &dyn Engine) {
    for start in [0, MINUTE, -3 * DAY, i64::MIN] {
        let (mut store, clock) = store(engine, start);
        run(&store, "early");
        clock.fetch_add(MINUTE, Ordering::Relaxed);
        assert_eq!((store.maintain().unwrap().trimmed, clean(&store, &clock).changed), (0, 0));
        clock.store(TODAY, Ordering::Relaxed);
        store.reopen();
        run(&store, "right");
        assert_eq!(store.maintain().unwrap().trimmed, 0);
        let report = clean(&store, &clock);
        assert_eq!((report.changed, report.refused), (0, 1), "{report:?}");
        assert!(report.first_refusal.unwrap().contains("\"early\" may not be old"));
        for query in [Query::new().created(..at(TODAY - DAY)), Query::new().modified(..at(TODAY - DAY))] {
            let report = store.bulk(query).update(Update::new().label("expired", "yes")).unwrap();
            assert_eq!((report.changed, report.refused), (0, 1), "{report:?}");
        }
        assert_eq!((ids(&store), entries(&store)), (vec!["early".into(), "right".into()], 4));
        // Once what came after it is old, so is it: the log goes on, and who wants to can delete it.
        clock.store(TODAY + 8 * DAY, Ordering::Relaxed);
        assert_eq!(store.maintain().unwrap().trimmed, 4);
        assert_eq!((clean(&store, &clock).changed, ids(&store).len()), (1, 1));
        let before = at(TODAY);
        assert_eq!(store.bulk(Query::new().completed(..before)).trust_times().delete().unwrap().changed, 1);
    }
}

pub fn what_is_written_while_the_clock_is_behind_is_as_young_as_what_was_there_before(engine: &dyn Engine) {
    // Also where the clock counts from the beginning, as in tests: the store has seen later times.
    for start in [TODAY, 400 * DAY] {
        let (store, clock) = store(engine, start);
        run(&store, "before");
        clock.store(start - 300 * DAY, Ordering::Relaxed);
        run(&store, "behind");
        store.update("before", Update::new().label("k", "v")).unwrap();
        store.delete("before").unwrap();
        let header = store.read(|r| Ok(r.get("behind")?)).unwrap().unwrap().into_header();
        assert_eq!((header.created_at, header.not_before), (at(start - 300 * DAY), Some(at(start))));
        clock.store(start + MINUTE, Ordering::Relaxed);
        assert_eq!((store.maintain().unwrap().trimmed, clean(&store, &clock).changed), (0, 0));
        assert_eq!((ids(&store), entries(&store)), (vec!["behind".into()], 6));
        // By the last time before the clock went back.
        clock.store(start + 8 * DAY, Ordering::Relaxed);
        run(&store, "now");
        assert_eq!((store.maintain().unwrap().trimmed, clean(&store, &clock).changed), (6, 1));
        assert_eq!(ids(&store), ["now"]);
    }
}

pub fn what_was_written_while_the_clock_was_ahead_holds_nothing_back_for_ever(engine: &dyn Engine) {
    let (store, clock) = store(engine, TODAY);
    run(&store, "first");
    clock.store(TODAY + 40_000 * DAY, Ordering::Relaxed);
    run(&store, "ahead");
    clock.store(TODAY + MINUTE, Ordering::Relaxed);
    run(&store, "right");
    let header = store.read(|r| Ok(r.get("right")?)).unwrap().unwrap().into_header();
    assert_eq!(header.not_before, Some(at(TODAY + 40_000 * DAY)));
    assert_eq!((store.maintain().unwrap().trimmed, clean(&store, &clock).changed), (0, 0));
    clock.store(TODAY + 8 * DAY, Ordering::Relaxed);
    assert_eq!(store.maintain().unwrap().trimmed, 6);
    assert_eq!((clean(&store, &clock).changed, ids(&store)), (2, vec!["ahead".into()]));
}

pub fn no_time_is_a_panic_and_ids_are_by_the_clock_of_the_store(engine: &dyn Engine) {
    let (store, clock) = store(engine, 0);
    let mut last = String::new();
    for now in [i64::MIN, -1, 0, 1, TODAY, TODAY, TODAY - DAY, i64::MAX, i64::MAX - 1, i64::MIN, 0] {
        clock.store(now, Ordering::Relaxed);
        for _ in 0..3 {
            let made = store.create(NewExecution::new("j").state("Running")).unwrap();
            assert!(made.id.as_str() > last.as_str(), "{} after {last} at {now}", made.id);
            last = made.id.to_string();
            let id = &made.id;
            store.update(id, Update::to("Completed").attempt(1).reported_at(at(now))).unwrap();
            store.put_task(id, TaskUpdate::finished("n")).unwrap();
            store.put_attachment(id, NewAttachment::bytes("k", [1])).unwrap();
            store.append_output(id, "o", "x").unwrap();
            let visits = store.track_visits();
            visits.visit(id);
            visits.flush().unwrap();
        }
        store.maintain().unwrap();
        clean_at(&store, now);
    }
    let (store, clock) = self::store(engine, 1_700_000_000_123_456_789);
    let id = store.create(NewExecution::new("j")).unwrap().id.to_string();
    assert_eq!(&id[..13], "018bcfe5-687b");
    drop(clock);
}

fn clean_at(store: &Store, now: i64) {
    let before = at(now.saturating_sub(7 * DAY));
    store.bulk(Query::new().completed(..before)).dry_run().delete().unwrap();
}
