//! An alternative among none holds for nothing, wherever alternatives can be named.

use std::time::Duration;

use execstore::error::{InputError, ReadError, WriteError};
use execstore::lifecycle::Phase;
use execstore::query::Access;
use execstore::watch::WatchFrom;
use execstore::{ChangeKind, Error, Expect, Filter, Query, Readable, Timestamp, Update};
use support::create;

use crate::{Engine, TestStore};

const NONE: [&str; 0] = [];

fn three(engine: &dyn Engine) -> TestStore {
    let store = engine.store();
    for id in ["a", "b", "c"] {
        create(&store, id);
    }
    store
}

pub fn a_query_for_one_of_no_states_finds_nothing(engine: &dyn Engine) {
    let store = three(engine);
    let r = store.begin_read().unwrap();
    let queries = [
        Query::new().states(NONE),
        Query::new().phases([]),
        Query::new().states(NONE).phases([]),
        Query::new().label_in("k", NONE),
        Query::new().states(NONE).job("j"),
        Query::new().states(NONE).id_prefix(""),
        Query::new().states(NONE).using(Access::Scan),
        Query::new().states(NONE).using(Access::States),
        Query::new().states(NONE).oldest_first().limit(2),
    ];
    for query in queries {
        assert_eq!(r.query(&query).rows().unwrap().count(), 0, "{query:?}");
        assert_eq!(r.query(&query).count().unwrap(), 0, "{query:?}");
        assert!(r.query(&query).page().unwrap().executions.is_empty());
        assert!(r.query(&query).latest().unwrap().is_none());
        assert_eq!(r.query(&query).durations().unwrap().count(), 0);
        assert!(!query.matches(r.get("a").unwrap().unwrap().header()));
        r.query(&query).explain().unwrap();
    }
    // Alternatives add up.
    assert_eq!(r.query(&Query::new().states(NONE).state("New")).count().unwrap(), 3);
    assert_eq!(r.query(&Query::new().phases([]).phases([Phase::Pending])).count().unwrap(), 3);
    assert_eq!(r.query(&Query::new().states(NONE).oldest_first()).rows().unwrap().count(), 0);
}

pub fn a_bulk_operation_on_one_of_no_states_does_nothing(engine: &dyn Engine) {
    let store = three(engine);
    let selected: Vec<String> = Vec::new();
    assert_eq!(store.bulk(Query::new().states(&selected)).delete().unwrap().found, 0);
    let update = Update::new().name("n");
    assert_eq!(store.bulk(Query::new().states(&selected)).update(update).unwrap().found, 0);
    assert_eq!(store.bulk(Query::new().states(&selected)).dry_run().delete().unwrap().found, 0);
    let mut out = Vec::new();
    store.begin_read().unwrap().query(&Query::new().states(&selected)).export(&mut out).unwrap();
    assert!(out.is_empty());
    assert_eq!(store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap(), 3);
}

pub fn an_expectation_of_one_of_no_states_refuses(engine: &dyn Engine) {
    let store = three(engine);
    let none = Expect::new().states(NONE);
    for refused in [
        store.update("a", Update::new().name("n").expect(none.clone())).map(drop),
        store.delete_if("a", &none).map(drop),
        store.append_events_if("a", &none, [execstore::NewEvent::new("t")]).map(drop),
    ] {
        match refused {
            Err(Error::Write(error @ WriteError::Conflict { .. })) => {
                assert!(error.to_string().contains("among none"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    store.update("a", Update::new().name("n").expect(Expect::new().states(NONE).state("New"))).unwrap();
    // Not in one of none is no condition.
    store.update("a", Update::new().name("m").expect(Expect::new().not_states(NONE))).unwrap();
}

pub fn a_filter_with_an_empty_part_lets_nothing_through(engine: &dyn Engine) {
    let store = three(engine);
    let filters = [
        Filter::new().kinds([]),
        Filter::new().jobs(NONE),
        Filter::new().executions(NONE),
        Filter::new().namespaces(NONE),
        Filter::new().entered_any(NONE),
        Filter::new().matching(Query::new().states(NONE)),
        Filter::new().matching(Query::new().label_in("k", NONE)),
        Filter::new().job("j").kinds([]),
    ];
    for filter in filters {
        let mut watcher = store.watch(WatchFrom::Oldest, filter.clone()).unwrap();
        assert!(watcher.next_batch(10, Duration::ZERO).unwrap().is_empty(), "{filter:?}");
        assert_eq!(watcher.position().get(), 3);
    }
    let all = [
        Filter::new().kinds([ChangeKind::Created, ChangeKind::Deleted]),
        Filter::new().jobs(["j", "k"]),
        Filter::new().executions(["a", "b"]).execution("c"),
        Filter::new().namespaces(["default"]),
        Filter::new().entered_any(["New", "Running"]),
    ];
    for filter in all {
        let mut watcher = store.watch(WatchFrom::Oldest, filter.clone()).unwrap();
        assert_eq!(watcher.next_batch(10, Duration::ZERO).unwrap().len(), 3, "{filter:?}");
    }
}

pub fn a_query_that_names_two_of_what_there_is_one_of_is_refused(engine: &dyn Engine) {
    let store = three(engine);
    let r = store.begin_read().unwrap();
    let queries = [
        Query::new().job("j").job("k"),
        Query::new().namespace("default").namespace("n"),
        Query::new().parent("p").parent("q"),
        Query::new().previous("p").previous("q"),
        Query::new().id("a").id("b"),
        Query::new().id("a").id_prefix("a"),
        Query::new().id_prefix("b").id("b"),
        Query::new().id_prefix("a").id_prefix("ab"),
    ];
    for query in queries {
        let refused = r.query(&query).rows().map(drop).unwrap_err();
        let is_named = matches!(&refused, ReadError::Input(InputError::Invalid { what: "query", reason }) if reason.contains("two"));
        assert!(is_named, "{refused}");
        assert!(
            r.query(&query).page().is_err()
                && r.query(&query).count().is_err()
                && r.query(&query).explain().is_err()
        );
        assert!(store.bulk(query.clone()).delete().is_err());
        assert!(store.watch(WatchFrom::Oldest, Filter::new().matching(query)).is_err());
    }
    for query in
        [Query::new().job(""), Query::new().id(""), Query::new().parent(" "), Query::new().previous("")]
    {
        assert!(r.query(&query).rows().is_err(), "no execution can have it: {query:?}");
    }
    let same = Query::new().job("j").job("j").namespace("default").namespace("default").id("a").id("a");
    assert_eq!(r.query(&same).count().unwrap(), 1);
}

pub fn times_that_are_named_twice_must_both_hold(engine: &dyn Engine) {
    let store = engine.ticking();
    for id in ["a", "b", "c", "d"] {
        create(&store, id);
    }
    let r = store.begin_read().unwrap();
    let at: Vec<_> =
        r.query(&Query::new().oldest_first()).summaries().unwrap().map(|h| h.unwrap().created_at).collect();
    let ids = |query: &Query| -> Vec<String> {
        r.query(&query.clone().oldest_first())
            .summaries()
            .unwrap()
            .map(|h| h.unwrap().id.to_string())
            .collect()
    };
    assert_eq!(ids(&Query::new().created(at[1]..).created(..at[3])), ["b", "c"]);
    assert_eq!(ids(&Query::new().modified(at[1]..).modified(..at[3])), ["b", "c"]);
    for nothing in [
        Query::new().created(at[2]..).created(..at[1]),
        Query::new().created(at[2]..at[2]),
        Query::new().created(Timestamp::from_nanos(9)..Timestamp::from_nanos(3)),
        Query::new().completed(..at[1]).completed(at[1]..),
    ] {
        assert_eq!((ids(&nothing).len(), r.query(&nothing).count().unwrap()), (0, 0), "{nothing:?}");
    }
}

/// The order in which conditions are named does not matter, and the limit may differ; anything else is another query.
pub fn a_cursor_goes_on_with_its_own_query_alone(engine: &dyn Engine) {
    let store = three(engine);
    let r = store.begin_read().unwrap();
    let query = Query::new().job("j").state("New").states(["Running"]);
    let text = r.query(&query.clone().limit(1)).page().unwrap().next.unwrap().to_string();
    let cursor = || text.parse::<execstore::query::Cursor>().unwrap();
    let same = Query::new().states(["Running", "New"]).job("j").limit(5).after(cursor());
    assert_eq!(r.query(&same).page().unwrap().executions.len(), 2);
    for other in [
        Query::new(),
        Query::new().job("j"),
        query.clone().label("a", "b"),
        query.clone().namespace("default"),
        query.clone().state("Failed"),
    ] {
        let refused = r.query(&other.after(cursor())).page().unwrap_err();
        assert!(matches!(refused, ReadError::Input(InputError::InvalidCursor { .. })), "{refused}");
        assert!(refused.to_string().contains("another query"), "{refused}");
    }
    let refused = r.query(&query.after(cursor())).latest().unwrap_err();
    assert!(matches!(refused, ReadError::Input(InputError::InvalidCursor { .. })), "{refused}");
}
