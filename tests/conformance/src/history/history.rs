//! The history: plans, summaries, counts, statistics, exports, and queries in watch filters.

use std::time::Duration;

use execstore::error::{InputError, ReadError};
use execstore::query::Access;
use execstore::watch::WatchFrom;
use execstore::{
    Error, Filter, Json, NewEvent, NewExecution, OrderBy, Query, Readable, Store, Timestamp, Update,
};

use crate::{Engine, TestStore};

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

/// 1,000 executions: labels of 10 regions, 100 of them running, the rest new; ten to a job.
pub fn fill(store: &Store) {
    store
        .write(|w| {
            for n in 0..1_000 {
                let new = NewExecution::new(format!("j{}", n / 10)).id(format!("{n:04}"));
                let new = new.label("region", format!("r{}", n % 10)).preview(format!("number {n}"));
                let new = if n % 10 == 3 { new.state("Running") } else { new };
                w.create(if n == 500 { new.parent("0001").previous("0002") } else { new })?;
            }
            Ok(())
        })
        .unwrap();
}

fn busy(engine: &dyn Engine) -> TestStore {
    let store = engine.ticking();
    fill(&store);
    store
}

pub fn the_plan_is_the_way_with_the_fewest_candidates(engine: &dyn Engine) {
    let store = busy(engine);
    let r = store.begin_read().unwrap();
    let region = |query: Query| query.label("region", "r3");
    for (query, access, rows, filters) in [
        (Query::new(), Access::Scan, Some(1_000), false),
        (Query::new().namespace("default"), Access::Scan, Some(1_000), true),
        (Query::new().state("Running"), Access::States, Some(100), false),
        (Query::new().live(), Access::States, Some(100), false),
        (region(Query::new()), Access::Label, Some(100), false),
        (region(Query::new().state("New")), Access::Label, Some(0), false),
        (region(Query::new().state("Running")).namespace("x"), Access::Label, Some(100), true),
        // Of the live ones none is in another state, so that nothing is left to be checked.
        (region(Query::new().state("Running")), Access::Label, Some(100), false),
        (region(Query::new().states(["Running", "Publishing"])), Access::Label, Some(100), false),
        (region(Query::new().state("Publishing")), Access::Label, Some(0), false),
        (Query::new().label_in("region", ["r1", "r2", "r?"]), Access::Label, Some(200), false),
        (Query::new().has_label("region"), Access::Label, Some(1_000), false),
        (Query::new().has_label("nothing"), Access::Label, Some(0), false),
        (region(Query::new().job("j7")), Access::Job, Some(10), true),
        (Query::new().parent("0001").live(), Access::Parent, Some(1), true),
        (Query::new().previous("0002"), Access::Previous, Some(1), false),
        (Query::new().id_prefix("05"), Access::Id, Some(100), false),
        (Query::new().order_by(OrderBy::Modified), Access::Modified, Some(1_000), false),
        (Query::new().order_by(OrderBy::Completed), Access::Completed, Some(1_000), false),
    ] {
        let plan = r.query(&query).explain().unwrap();
        assert_eq!((plan.access, plan.rows, plan.filters), (access, rows, filters), "{query:?}: {plan}");
        assert!(!plan.sorts && !plan.to_string().is_empty());
        assert_eq!(plan.is_scan(), plan.access == Access::Scan && filters);
    }
    // In another order, few candidates are sorted; with many the order is walked.
    let few = r.query(&Query::new().job("j7").order_by(OrderBy::Modified)).explain().unwrap();
    assert_eq!((few.access, few.sorts), (Access::Job, true));
    let forced = r.query(&Query::new().using(Access::Scan).order_by(OrderBy::Modified)).explain().unwrap();
    assert_eq!((forced.access, forced.sorts), (Access::Scan, true));
    let filtered = r.query(&Query::new().namespace("x").order_by(OrderBy::Modified)).explain().unwrap();
    assert!(filtered.is_scan(), "{filtered}");
}

pub fn a_query_that_can_never_match_is_an_error(engine: &dyn Engine) {
    let store = engine.store();
    let r = store.begin_read().unwrap();
    let long = "x".repeat(300);
    assert!(matches!(
        r.query(&Query::new().state("Runing")).rows().unwrap_err(),
        ReadError::Input(InputError::UnknownState { state }) if state == "Runing"
    ));
    for query in [
        Query::new().job(&long),
        Query::new().label(&long, "v"),
        Query::new().label("k", &long),
        Query::new().namespace(&long),
        Query::new().parent(&long),
        Query::new().id_prefix(&long),
    ] {
        let error = r.query(&query).page().unwrap_err();
        assert!(matches!(error, ReadError::Input(InputError::TooLarge { .. })), "{error}");
        assert!(r.query(&query).count().is_err() && r.query(&query).explain().is_err());
    }
    assert!(r.query(&Query::new().limit(0)).page().is_err());
    assert!(r.query(&Query::new().limit(10_001)).page().is_err());
    assert_eq!(r.query(&Query::new().label_in("k", Vec::<&str>::new())).rows().unwrap().count(), 0);
}

pub fn a_cursor_of_another_order_is_refused(engine: &dyn Engine) {
    let store = busy(engine);
    let r = store.begin_read().unwrap();
    let next = r.query(&Query::new().limit(1)).page().unwrap().next.unwrap();
    for query in [Query::new().oldest_first(), Query::new().order_by(OrderBy::Modified)] {
        let refused = r.query(&query.after(next.clone())).page();
        assert!(matches!(refused, Err(ReadError::Input(InputError::InvalidCursor { .. }))));
    }
    let other = busy(engine);
    let refused = other.begin_read().unwrap().query(&Query::new().after(next.clone())).page().map(drop);
    assert!(matches!(refused, Err(ReadError::Input(InputError::InvalidCursor { .. }))));
    let refused = r.query(&Query::new().label("region", "r3").limit(2).after(next)).page().map(drop);
    assert!(matches!(refused, Err(ReadError::Input(InputError::InvalidCursor { .. }))));
}

pub fn counters_tell_what_they_can(engine: &dyn Engine) {
    let store = busy(engine);
    let r = store.begin_read().unwrap();
    let region = |value: &str| Query::new().label("region", value);
    assert_eq!(r.query(&Query::new()).count().unwrap(), 1_000);
    assert_eq!(r.query(&Query::new().live()).count().unwrap(), 100);
    assert_eq!(r.query(&region("r3").state("Running")).count().unwrap(), 100);
    assert_eq!(r.query(&region("r3").state("New")).count().unwrap(), 0);
    assert_eq!(r.query(&region("r4").limit(30)).count().unwrap(), 30);
    assert_eq!(r.query(&region("r4").job("j0")).count().unwrap(), 1);
    let regions: Vec<_> = r.label_values("region").list().unwrap().map(Result::unwrap).collect();
    assert_eq!(regions.len(), 10);
    assert!(regions.iter().all(|count| count.total == 100 && count.states.len() == 1));
    assert_eq!(regions[3].states[0].0, "Running");
    assert_eq!(r.label_values("nothing").list().unwrap().count(), 0);
    // From behind one, and from the end; a writer sees the same.
    let all: Vec<_> = regions.iter().map(|region| region.value.clone()).collect();
    let last: Vec<_> =
        r.label_values("region").list().unwrap().rev().take(3).map(|v| v.unwrap().value).collect();
    assert_eq!(last, all.iter().rev().take(3).cloned().collect::<Vec<_>>());
    for (place, value) in all.iter().enumerate() {
        let after = |r: Vec<Result<execstore::query::Group, ReadError>>| -> Vec<_> {
            r.into_iter().map(|count| count.unwrap().value).collect()
        };
        assert_eq!(after(r.label_values("region").after(value).unwrap().collect()), all[place + 1..]);
        let written = store.write(|w| Ok(w.label_values("region").after(value)?.collect())).unwrap();
        assert_eq!(after(written), all[place + 1..]);
    }
    assert_eq!(r.label_values("region").after("").unwrap().count(), all.len());
    assert!(r.label_values("region").after("x".repeat(257)).is_err());
}

pub fn durations_are_nearest_ranks(engine: &dyn Engine) {
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let shared = clock.clone();
    let mut builder = Store::builder();
    builder.set_clock(move || at(shared.load(std::sync::atomic::Ordering::Relaxed)));
    let store = engine.store_with(&builder);
    for n in 1..=100 {
        let id = n.to_string();
        clock.store(1_000 * n, std::sync::atomic::Ordering::Relaxed);
        store.create(NewExecution::new("j").id(&id)).unwrap();
        clock.store(1_000 * n + n, std::sync::atomic::Ordering::Relaxed);
        store.update(&id, Update::to("Failed")).unwrap();
    }
    let r = store.begin_read().unwrap();
    let all = r.query(&Query::new()).durations().unwrap();
    let nanos = |percent: f64| all.percentile(percent).unwrap().as_nanos();
    assert_eq!((nanos(0.0), nanos(50.0), nanos(99.0), nanos(99.5), nanos(100.0)), (1, 50, 99, 100, 100));
    assert_eq!((all.count(), all.mean().unwrap().as_nanos()), (100, 50));
    let none = r.query(&Query::new().state("Running")).durations().unwrap();
    assert_eq!((none.count(), none.percentile(50.0), none.mean()), (0, None, None));
    let last = r.query(&Query::new().completed(at(99_000)..)).durations().unwrap();
    assert_eq!(last.count(), 2);
    // The oldest and the newest, in one step each.
    let oldest = r.query(&Query::new().oldest_first().limit(1)).rows().unwrap().next().unwrap().unwrap();
    assert_eq!(
        (oldest.id.as_str(), r.query(&Query::new()).latest().unwrap().unwrap().id.as_str()),
        ("1", "100")
    );
}

pub fn an_export_is_one_line_of_json_for_each_execution(engine: &dyn Engine) {
    let store = engine.store();
    let new =
        NewExecution::new("j").id("a\"b\"").message("two\nlines").label("k", "v").parent("p").preview("é");
    let payload = Json::from_text("{\"deep\": [1, 2]}").unwrap();
    store.create(new.payload(payload).event(NewEvent::new("t").message("m").at(at(5)))).unwrap();
    store.create(NewExecution::new("j").id("plain")).unwrap();
    let mut out = Vec::new();
    let r = store.begin_read().unwrap();
    assert_eq!(r.query(&Query::new().oldest_first()).export(&mut out).unwrap(), 2);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["id"], "a\"b\"");
    assert_eq!(lines[0]["message"], "two\nlines");
    assert_eq!((&lines[0]["labels"]["k"], &lines[0]["parent"]), (&"v".into(), &"p".into()));
    assert_eq!(lines[0]["payload"]["deep"][1], 2);
    let event = &lines[0]["events"][0];
    assert_eq!((&event["topic"], &event["time"]), (&"t".into(), &"1970-01-01T00:00:00.000000005Z".into()));
    assert_eq!(lines[1].get("parent"), None);
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(r.query(&Query::new()).export(&mut Full), Err(Error::Caller(_))));
}

pub fn a_watcher_can_be_asked_for_what_a_query_asks(engine: &dyn Engine) {
    let store = engine.store();
    let query = Query::new().label_in("zone", ["eu", "us"]).live();
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().matching(query)).unwrap();
    for (id, zone) in [("a", "eu"), ("b", "asia"), ("c", "us")] {
        store.create(NewExecution::new("j").id(id).label("zone", zone)).unwrap();
        store.update(id, Update::to("BidAccepted")).unwrap();
    }
    let seen = watcher.next_batch(100, Duration::from_secs(5)).unwrap();
    let seen: Vec<_> = seen.iter().map(|change| change.execution_id().unwrap().as_str()).collect();
    assert_eq!(seen, ["a", "c"]);
    let bad = Filter::new().matching(Query::new().state("Nowhere"));
    assert!(store.watch(WatchFrom::Oldest, bad).is_err());
}

pub fn one_execution_can_be_asked_for_by_its_id(engine: &dyn Engine) {
    let store = engine.store();
    for id in ["a", "ab", "abc"] {
        store.create(NewExecution::new("j").id(id)).unwrap();
    }
    let r = store.begin_read().unwrap();
    let found = |query: Query| -> Vec<String> {
        r.query(&query).rows().unwrap().map(|execution| execution.unwrap().id.to_string()).collect()
    };
    assert_eq!(found(Query::new().id("ab")), ["ab"]);
    assert_eq!(found(Query::new().id("ab").using(execstore::query::Access::Scan)), ["ab"]);
    assert!(found(Query::new().id("b")).is_empty());
    assert_eq!(found(Query::new().id_prefix("ab")), ["abc", "ab"]);
    assert!(!r.query(&Query::new().id("ab")).explain().unwrap().is_scan());
}
