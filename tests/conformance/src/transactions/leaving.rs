//! Watchers that hear of what leaves, too.

use std::time::Duration;

use execstore::query::Match;
use execstore::watch::WatchFrom;
use execstore::{Change, ChangeKind, Filter, NewEvent, NewExecution, Query, Store, Update};

use crate::{Engine, TestStore};

fn seen(store: &Store, filter: &Filter) -> Vec<(u64, Option<Match>)> {
    let changes: Vec<Change> =
        store.watch(WatchFrom::Oldest, filter.clone()).unwrap().next_batch(100, Duration::ZERO).unwrap();
    changes.iter().map(|change| (change.seq().get(), filter.matched(change))).collect()
}

/// In and out of a pool, and of the live states, and deleted at last.
fn moving(engine: &dyn Engine) -> TestStore {
    let store = engine.store();
    let update = |update| drop(store.update("e", update).unwrap());
    store.create(NewExecution::new("j").id("e")).unwrap(); // 1
    update(Update::new().label("pool", "a")); // 2
    update(Update::to("BidAccepted")); // 3
    store.append_events("e", [NewEvent::new("t")]).unwrap(); // 4
    update(Update::new().label("pool", "b")); // 5
    update(Update::new().label("pool", "a")); // 6
    update(Update::to("Running")); // 7
    update(Update::to("Completed")); // 8
    store.delete("e").unwrap(); // 9
    store
}

pub fn a_watcher_of_a_label_hears_that_an_execution_left(engine: &dyn Engine) {
    let store = moving(engine);
    let filter = Filter::new().label("pool", "a");
    let without: Vec<u64> = seen(&store, &filter).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(without, [2, 3, 4, 6, 7, 8, 9], "unless it is asked for, as ever");
    let (entered, stayed, left) = (Some(Match::Entered), Some(Match::Stayed), Some(Match::Left));
    let all = [
        (2, entered),
        (3, stayed),
        (4, stayed),
        (5, left),
        (6, entered),
        (7, stayed),
        (8, stayed),
        (9, left),
    ];
    assert_eq!(seen(&store, &filter.including_left()), all);
}

pub fn a_watcher_of_a_query_hears_that_an_execution_left(engine: &dyn Engine) {
    let store = moving(engine);
    let live = Filter::new().matching(Query::new().live()).including_left();
    let (entered, stayed, left) = (Some(Match::Entered), Some(Match::Stayed), Some(Match::Left));
    let all = [(3, entered), (4, stayed), (5, stayed), (6, stayed), (7, stayed), (8, left)];
    assert_eq!(seen(&store, &live), all, "the deletion of what had left is no news");
    // Conditions on the change itself hold as well.
    assert_eq!(seen(&store, &live.clone().entered("Completed")), [(8, left)]);
    assert_eq!(seen(&store, &live.kind(ChangeKind::EventsAppended)), [(4, stayed)]);
    // A job cannot be left but by being deleted.
    let job = Filter::new().job("j").including_left();
    let seen = seen(&store, &job);
    assert_eq!((seen.len(), seen[0], seen[8]), (9, (1, entered), (9, left)));
}
