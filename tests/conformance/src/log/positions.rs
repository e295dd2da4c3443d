//! Positions in the change log: one that the log has not come to, or that is of another incarnation of the store, is an
//! error that says what there is.

use std::time::Duration;

use execstore::error::{PositionError, ReadError, WatchError};
use execstore::log::Bookmark;
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, Filter, Readable};
use support::create;

use crate::{Engine, TestStore};

/// A store with the changes 1 to `n`.
fn with_changes(engine: &dyn Engine, n: usize) -> TestStore {
    let store = engine.store();
    (0..n).for_each(|i| drop(create(&store, &i.to_string())));
    store
}

fn beyond(error: PositionError) -> (u64, u64) {
    match error {
        PositionError::BeyondHead { seq, head, .. } => (seq.get(), head.get()),
        other => panic!("{other}"),
    }
}

pub fn a_position_beyond_the_head_is_an_error_wherever_one_is_given(engine: &dyn Engine) {
    let store = with_changes(engine, 3);
    for (start, seq) in [
        (WatchFrom::After(ChangeSeq(4)), 4),
        (WatchFrom::After(ChangeSeq(u64::MAX)), u64::MAX),
        (WatchFrom::At(ChangeSeq(5)), 4),
        (WatchFrom::Bookmark(Bookmark::new(store.read(|r| Ok(r.incarnation())).unwrap(), 9.into())), 9),
    ] {
        match store.watch(start.clone(), Filter::new()) {
            Err(WatchError::Position(error)) => assert_eq!(beyond(error), (seq, 3)),
            other => panic!("{start:?}: {other:?}"),
        }
        let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
        assert!(matches!(watcher.seek(&start), Err(WatchError::Position(_))));
        assert_eq!(watcher.position(), ChangeSeq(0), "it is where it was");
        for ephemeral in [false, true] {
            let consumer = store.consumer("c").start_at(start.clone());
            let consumer = if ephemeral { consumer.ephemeral() } else { consumer };
            let refused = consumer.run(|_| Ok(())).map(drop).unwrap_err();
            assert!(matches!(refused, Error::Position(_)), "{refused}");
        }
        assert_eq!(store.read(|r| Ok(r.log().checkpoint("c")?)).unwrap(), None, "it is not registered");
    }
    let long = Duration::from_secs(3_600);
    match store.wait_for_changes(ChangeSeq(4), long) {
        Err(WatchError::Position(error)) => assert_eq!(beyond(error), (4, 3)),
        other => panic!("{other:?}"),
    }
    let r = store.begin_read().unwrap();
    match r.log().range(ChangeSeq(5)..).map(drop) {
        Err(ReadError::Position(error)) => assert_eq!(beyond(error), (4, 3)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(r.log().bookmark(ChangeSeq(4)), Err(ReadError::Position(_))));
    let refused = store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(4))?)).unwrap_err();
    assert!(matches!(
        refused,
        Error::Position(PositionError::BeyondHead { seq: ChangeSeq(4), head: ChangeSeq(3), .. })
    ));
}

pub fn a_seek_to_what_is_not_there_says_so_and_changes_nothing(engine: &dyn Engine) {
    let store = with_changes(engine, 3);
    let (tell, told) = std::sync::mpsc::channel();
    let consumer = store
        .consumer("c")
        .run(move |changes| Ok(changes.iter().try_for_each(|change| tell.send(change.seq().get()))?))
        .unwrap();
    let take =
        |n| -> Vec<u64> { (0..n).map(|_| told.recv_timeout(Duration::from_secs(20)).unwrap()).collect() };
    assert_eq!(take(3), [1, 2, 3]);
    assert!(matches!(consumer.seek(WatchFrom::After(ChangeSeq(4))), Err(WatchError::Position(_))));
    assert!(matches!(
        consumer.seek(WatchFrom::Checkpoint("no".into())),
        Err(WatchError::NoCheckpoint { .. })
    ));
    create(&store, "next");
    assert_eq!(take(1), [4]);
    assert_eq!(consumer.stop().last_error, None);
}

pub fn a_bookmark_goes_through_text_and_goes_on_where_it_was_made(engine: &dyn Engine) {
    let mut store = with_changes(engine, 5);
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
    assert_eq!(watcher.next_batch(3, Duration::ZERO).unwrap().len(), 3);
    let text = watcher.bookmark().to_string();
    drop(watcher);
    store.reopen();
    let bookmark: Bookmark = text.parse().unwrap();
    assert_eq!(store.read(|r| Ok(r.log().bookmark(ChangeSeq(3))?)).unwrap(), bookmark);
    assert_eq!(store.read(|r| Ok(r.log().resolve(&bookmark)?)).unwrap(), ChangeSeq(3));
    let mut watcher = store.watch(WatchFrom::Bookmark(bookmark), Filter::new()).unwrap();
    let seqs: Vec<_> = watcher.next_batch(9, Duration::ZERO).unwrap().iter().map(|c| c.seq().get()).collect();
    assert_eq!(seqs, [4, 5]);
}

pub fn a_bookmark_of_another_store_is_refused(engine: &dyn Engine) {
    let (one, other) = (with_changes(engine, 3), with_changes(engine, 3));
    let bookmark = one.read(|r| Ok(r.log().bookmark(ChangeSeq(2))?)).unwrap();
    let refused = other.read(|r| Ok(r.log().resolve(&bookmark)?)).unwrap_err();
    assert!(matches!(refused, Error::Position(PositionError::OtherIncarnation { .. })));
    assert!(refused.to_string().contains("head 3"), "{refused}");
}
