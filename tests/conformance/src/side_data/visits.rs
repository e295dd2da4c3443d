//! Visits: gathered in memory, written together, asked for.

use std::time::Duration;

use execstore::error::{BeginError, StorageError};
use execstore::visits::Visits;
use execstore::{Error, NewExecution, Query, Readable, Store, Timestamp};
use support::waits::while_another_writes;

use crate::Engine;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn visits(store: &Store, id: &str) -> Option<u64> {
    store.read(|r| Ok(r.visits(id)?)).unwrap().map(|visits| visits.count)
}

pub fn visits_are_written_together(engine: &dyn Engine) {
    let mut store = engine.ticking();
    for id in ["a", "b", "c"] {
        store.create(new(id)).unwrap();
    }
    let tracker = store.track_visits();
    for id in ["a", "b", "a", "nobody", "a"] {
        tracker.visit(id);
    }
    assert_eq!((tracker.noted(), visits(&store, "a")), (3, None), "nothing is written yet");
    let head = store.read(|r| Ok(r.log().head()?)).unwrap();
    assert_eq!(tracker.flush().unwrap(), 2, "nobody is not there");
    assert_eq!((tracker.noted(), tracker.flush().unwrap()), (0, 0));
    assert_eq!(["a", "b", "c", "nobody"].map(|id| visits(&store, id)), [Some(3), Some(1), None, None]);
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap(), head, "the log is left alone");
    tracker.visit("a");
    tracker.flush().unwrap();
    drop(tracker);
    let last = store.read(|r| Ok(r.visits("a")?)).unwrap().unwrap().last;
    store.reopen();
    assert_eq!(store.read(|r| Ok(r.visits("a")?)).unwrap().unwrap().last, last);
    assert_eq!(visits(&store, "a"), Some(4));
    store.delete("a").unwrap();
    store.create(new("a")).unwrap();
    assert_eq!(visits(&store, "a"), None, "they go with their execution");
}

pub fn a_thousand_are_written_unasked(engine: &dyn Engine) {
    let store = engine.store();
    let ids: Vec<String> = (0..1_500).map(|n| n.to_string()).collect();
    store.write(|w| Ok(ids.iter().try_for_each(|id| w.create(new(id)).map(drop))?)).unwrap();
    let tracker = store.track_visits();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| ids.iter().for_each(|id| tracker.visit(id)));
        }
    });
    assert!(tracker.noted() < 1_000);
    tracker.flush().unwrap();
    for id in &ids {
        assert_eq!(visits(&store, id), Some(4), "{id}");
    }
}

pub fn what_was_not_visited_since_is_found(engine: &dyn Engine) {
    let store = engine.ticking();
    for id in ["a", "b", "c", "d"] {
        store.create(new(id).label("kind", if id == "d" { "example" } else { "snippet" })).unwrap();
    }
    let since = store.read(|r| Ok(r.get("c")?)).unwrap().unwrap().created_at;
    let tracker = store.track_visits();
    tracker.visit("a");
    tracker.flush().unwrap();
    let found = |query: &Query, since: Timestamp| -> Vec<String> {
        let r = store.begin_read().unwrap();
        r.query(query).unvisited(since).unwrap().map(|header| header.unwrap().id.to_string()).collect()
    };
    let all = Query::new().oldest_first();
    // One was visited later, one was made before, and two were made then or later.
    assert_eq!(found(&all, since), ["b"]);
    let later = Timestamp::from_nanos(since.as_nanos() + 1_000);
    assert_eq!(found(&all, later), ["a", "b", "c", "d"]);
    assert_eq!(found(&all.clone().label("kind", "snippet"), later), ["a", "b", "c"]);
    assert_eq!(found(&all.limit(2), later), ["a", "b"]);
    // A clock that goes back does not make a visit older.
    let mut earlier = Visits::default();
    (earlier.count, earlier.last) = (1, Timestamp::from_nanos(-5));
    let before = store.read(|r| Ok(r.visits("a")?)).unwrap().unwrap();
    assert!(store.write(|w| Ok(w.add_visits("a", earlier)?)).unwrap());
    let after = store.read(|r| Ok(r.visits("a")?)).unwrap().unwrap();
    assert_eq!((after.count, after.last), (before.count + 1, before.last));
}

pub fn what_could_not_be_written_is_noted_still(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("a")).unwrap();
    let tracker = store.track_visits();
    tracker.visit("a");
    let handle: &Store = &store;
    handle.clone().close().unwrap();
    assert!(matches!(tracker.flush(), Err(Error::Storage(StorageError::Closed))));
    assert_eq!(tracker.noted(), 1);
    drop(tracker);
    drop(store.into_place());
}

pub fn what_the_commit_refused_is_noted_still(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_write_limit(Duration::from_millis(1));
    let store = engine.store_with(&builder);
    store.create(new("a")).unwrap();
    let tracker = store.track_visits();
    tracker.visit("a");
    let refused = while_another_writes(&store, || tracker.flush());
    assert!(matches!(refused, Err(Error::Begin(BeginError::WriterHeld { .. }))), "{refused:?}");
    assert_eq!(tracker.noted(), 1);
    assert_eq!((tracker.flush().unwrap(), visits(&store, "a")), (1, Some(1)));
}

pub fn a_visit_counts_for_the_execution_that_was_visited(engine: &dyn Engine) {
    let store = engine.store();
    let tracker = store.track_visits();
    let first = store.create(new("a")).unwrap();
    let other = store.create(new("b")).unwrap();
    tracker.visit_execution(&first);
    tracker.visit_execution(&first);
    tracker.visit_execution(&other);
    tracker.visit("a");
    store.delete("a").unwrap();
    let again = store.create(new("a")).unwrap();
    tracker.visit_execution(&again);
    assert_eq!(tracker.flush().unwrap(), 3, "the first is left out");
    // By the id alone it counts for whoever has it.
    assert_eq!(visits(&store, "a"), Some(2));
    assert_eq!(visits(&store, "b"), Some(1));
    tracker.visit_execution(&first);
    assert_eq!((tracker.flush().unwrap(), visits(&store, "a")), (0, Some(2)));
}
