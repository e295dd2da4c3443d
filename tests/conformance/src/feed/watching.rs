//! Watchers: where they begin, what they see, how they wait, and what ends them.

use std::thread;
use std::time::{Duration, Instant};

use execstore::error::{InputError, PositionError, StorageError, WatchError};
use execstore::watch::WatchFrom;
use execstore::{ChangeKind, ChangeSeq, Filter, NewEvent, NewExecution, Readable, Store, Update};
use support::feed::{seqs, watch};
use support::waits::until_waiting;
use support::{create, walk};

use crate::{Engine, TestStore};

const LONG: Duration = Duration::from_secs(30);
const NOW: Duration = Duration::ZERO;

/// A store with the changes 1 to `n`.
fn with_changes(engine: &dyn Engine, n: usize) -> TestStore {
    let store = engine.store();
    (0..n).for_each(|i| drop(create(&store, &i.to_string())));
    store
}

pub fn every_start_begins_where_it_says(engine: &dyn Engine) {
    let store = with_changes(engine, 5);
    store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(3))?)).unwrap();
    for (start, expected) in [
        (WatchFrom::Oldest, vec![1, 2, 3, 4, 5, 6]),
        (WatchFrom::Latest, vec![6]),
        (WatchFrom::At(ChangeSeq(4)), vec![4, 5, 6]),
        (WatchFrom::At(ChangeSeq(0)), vec![1, 2, 3, 4, 5, 6]),
        (WatchFrom::After(ChangeSeq(4)), vec![5, 6]),
        (WatchFrom::After(ChangeSeq(0)), vec![1, 2, 3, 4, 5, 6]),
        (WatchFrom::Checkpoint("c".into()), vec![4, 5, 6]),
        (WatchFrom::At(ChangeSeq(6)), vec![6]),
        (WatchFrom::After(ChangeSeq(5)), vec![6]),
    ] {
        let store = store.crash_copy();
        let mut watcher = watch(&store, start.clone());
        create(&store, "later");
        assert_eq!(seqs(&watcher.next_batch(100, NOW).unwrap()), expected, "{start:?}");
        assert_eq!(watcher.position().get(), 6);
    }
    let missing = store.watch(WatchFrom::Checkpoint("d".into()), Filter::new());
    assert!(matches!(missing, Err(WatchError::NoCheckpoint { name }) if name == "d"));
}

pub fn a_wait_ends_with_a_change_with_its_time_and_with_the_store(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    let mut watcher = watch(&store, WatchFrom::Latest);
    assert!(watcher.next_batch(10, Duration::from_millis(30)).unwrap().is_empty());
    let other = Store::clone(&store);
    let waiting = thread::spawn(move || {
        let began = Instant::now();
        let changes = watcher.next_batch(10, LONG).unwrap();
        (seqs(&changes), began.elapsed() < LONG, watcher)
    });
    until_waiting(&other, 1);
    create(&other, "b");
    let (seen, in_time, mut watcher) = waiting.join().unwrap();
    assert!(in_time && seen == [2]);
    // What is there is given at once.
    create(&other, "c");
    assert_eq!(seqs(&watcher.next_batch(10, LONG).unwrap()), [3]);

    let waiting = thread::spawn(move || {
        let began = Instant::now();
        (watcher.next_batch(10, LONG), began.elapsed() < LONG, watcher)
    });
    until_waiting(&other, 1);
    drop(other);
    let place = store.into_place();
    let (ended, in_time, mut watcher) = waiting.join().unwrap();
    assert!(in_time && matches!(ended, Err(WatchError::Storage(StorageError::Closed))), "{ended:?}");
    assert!(matches!(watcher.next_batch(10, NOW), Err(WatchError::Storage(StorageError::Closed))));
    drop((watcher, place));
}

pub fn a_limit_cuts_and_nothing_is_lost_between_two_calls(engine: &dyn Engine) {
    let store = with_changes(engine, 10);
    let mut watcher = watch(&store, WatchFrom::Oldest);
    let mut seen = Vec::new();
    for limit in [3, 0, 1, 100] {
        seen.extend(seqs(&watcher.next_batch(limit, NOW).unwrap()));
        assert_eq!(watcher.position().get(), *seen.last().unwrap());
    }
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
}

pub fn every_filter_lets_through_what_it_says_and_the_position_moves_past_the_rest(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            let new = |id: &str, job: &str, namespace: &str, zone: &str| {
                NewExecution::new(job).id(id).namespace(namespace).label("zone", zone).label("all", "yes")
            };
            w.create(new("a", "j", "n", "1"))?; // 1
            w.create(new("b", "k", "m", "2"))?; // 2
            walk(w, "a", &["BidAccepted", "Running"]); // 3, 4
            w.append_events("b", [NewEvent::new("t")])?; // 5
            w.update("a", Update::new().label("zone", "2"))?; // 6
            w.update("b", Update::to("Failed"))?; // 7
            Ok(w.delete("a")?) // 8
        })
        .unwrap();
    let any = Filter::new;
    for (filter, expected) in [
        (any(), vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (any().kind(ChangeKind::Created), vec![1, 2]),
        (any().kind(ChangeKind::EventsAppended).kind(ChangeKind::Deleted), vec![5, 8]),
        (any().job("k"), vec![2, 5, 7]),
        (any().job("k").job("j"), vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (any().job("nobody"), vec![]),
        (any().execution("a"), vec![1, 3, 4, 6, 8]),
        (any().namespace("m"), vec![2, 5, 7]),
        (any().entered("New"), vec![1, 2]),
        (any().entered("Running").entered("Failed"), vec![4, 7]),
        (any().label("zone", "2"), vec![2, 5, 6, 7, 8]),
        (any().label("zone", "2").label("all", "yes"), vec![2, 5, 6, 7, 8]),
        (any().label("zone", "2").label("all", "no"), vec![]),
        (any().label("zone", "2").execution("a").kind(ChangeKind::Deleted), vec![8]),
        (any().execution("b").entered("Running"), vec![]),
    ] {
        let mut watcher = store.watch(WatchFrom::Oldest, filter.clone()).unwrap();
        assert_eq!(seqs(&watcher.next_batch(100, NOW).unwrap()), expected, "{filter:?}");
        assert_eq!(watcher.position().get(), 8, "{filter:?}");
        // One at a time gives the same, and a position that a restart can go on from.
        let mut watcher = store.watch(WatchFrom::Oldest, filter.clone()).unwrap();
        let mut one_by_one = Vec::new();
        loop {
            let changes = watcher.next_batch(1, NOW).unwrap();
            if changes.is_empty() {
                break;
            }
            one_by_one.extend(seqs(&changes));
            watcher = store.watch(WatchFrom::After(watcher.position()), filter.clone()).unwrap();
        }
        assert_eq!(one_by_one, expected, "{filter:?}");
    }
    let unknown = store.watch(WatchFrom::Oldest, any().entered("Runing"));
    assert!(
        matches!(unknown, Err(WatchError::Input(InputError::UnknownState { state })) if state == "Runing")
    );
}

pub fn the_iterator_and_the_future_give_what_the_batches_give(engine: &dyn Engine) {
    let store = with_changes(engine, 150);
    let mut watcher = watch(&store, WatchFrom::Oldest);
    let first: Vec<_> = watcher.iter().take(70).map(|change| change.unwrap().seq().get()).collect();
    assert_eq!(first, (1..=70).collect::<Vec<_>>());
    assert_eq!(watcher.position().get(), 70);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for seq in 71..=150 {
            assert_eq!(watcher.recv().await.unwrap().seq().get(), seq);
            assert_eq!(watcher.position().get(), seq);
        }
        // Nothing more: it waits, and giving up loses nothing.
        let nothing = tokio::time::timeout(Duration::from_millis(30), watcher.recv()).await;
        assert!(nothing.is_err());
        let writer = Store::clone(&store);
        let later = thread::spawn(move || {
            until_waiting(&writer, 1);
            create(&writer, "later");
        });
        let change = tokio::time::timeout(LONG, watcher.recv()).await.unwrap().unwrap();
        assert_eq!(change.seq().get(), 151);
        later.join().unwrap();
    });
    // The iterator ends with the store.
    let iterating = thread::spawn(move || watcher.iter().count());
    until_waiting(&store, 1);
    drop(store.into_place());
    assert_eq!(iterating.join().unwrap(), 0);
}

pub fn a_watcher_that_was_trimmed_is_told_and_can_go_on_from_elsewhere(engine: &dyn Engine) {
    let store = with_changes(engine, 10);
    let mut behind = watch(&store, WatchFrom::After(ChangeSeq(3)));
    let mut oldest = watch(&store, WatchFrom::Oldest);
    let mut edge = watch(&store, WatchFrom::After(ChangeSeq(6)));
    store.write(|w| Ok(w.trim_changes(ChangeSeq(6))?)).unwrap();
    for _ in 0..2 {
        let told = behind.next_batch(10, NOW);
        assert!(
            matches!(told, Err(WatchError::Position(PositionError::Trimmed { oldest: ChangeSeq(7), .. }))),
            "{told:?}"
        );
    }
    assert!(matches!(behind.iter().next(), Some(Err(WatchError::Position(PositionError::Trimmed { .. })))));
    assert_eq!(seqs(&oldest.next_batch(10, NOW).unwrap()), [7, 8, 9, 10], "it asked for what there is");
    assert_eq!(seqs(&edge.next_batch(10, NOW).unwrap()), [7, 8, 9, 10]);
    behind.seek(&WatchFrom::Oldest).unwrap();
    assert_eq!(seqs(&behind.next_batch(10, NOW).unwrap()), [7, 8, 9, 10]);
    // One that began at the oldest and has read something is behind like any other.
    create(&store, "more");
    create(&store, "and more");
    assert_eq!(seqs(&oldest.next_batch(1, NOW).unwrap()), [11]);
    create(&store, "yet more");
    store.write(|w| Ok(w.trim_changes(ChangeSeq(12))?)).unwrap();
    assert!(matches!(
        oldest.next_batch(10, NOW),
        Err(WatchError::Position(PositionError::Trimmed { oldest: ChangeSeq(13), .. }))
    ));
}

pub fn before_and_after_are_exact_for_each_change(engine: &dyn Engine) {
    let store = with_changes(engine, 1);
    store.write(|w| Ok(w.update("0", Update::to("Failed").message("why"))?)).unwrap();
    let changes = watch(&store, WatchFrom::Oldest).next_batch(10, NOW).unwrap();
    assert!(changes[0].before().is_none() && changes[0].kind() == ChangeKind::Created);
    assert_eq!(changes[1].before().as_ref(), changes[0].after());
    assert_eq!(changes[1].after(), store.read(|r| Ok(r.get("0")?)).unwrap().as_ref().map(|e| e.header()));
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

pub fn a_rolled_back_write_wakes_nobody(engine: &dyn Engine) {
    let store = engine.store();
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(new("a")).unwrap();
    drop(txn);
    let head = store.wait_for_changes(ChangeSeq(0), Duration::from_millis(30)).unwrap();
    assert_eq!(head.get(), 0);
}
