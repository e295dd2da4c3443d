//! Positions in the change log: one that the log has not come to, or that is of another incarnation of the store, is an
//! error that says what there is.

use std::time::Duration;

use execstore::error::{PositionError, ReadError, WatchError, WriteError};
use execstore::log::Bookmark;
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, Filter, Query, Readable, Store};
use support::{TestStore, create};

/// A store with the changes 1 to `n`.
fn with_changes(n: usize) -> TestStore {
    let store = TestStore::new();
    (0..n).for_each(|i| drop(create(&store, &i.to_string())));
    store
}

fn beyond(error: PositionError) -> (u64, u64) {
    match error {
        PositionError::BeyondHead { seq, head, .. } => (seq.get(), head.get()),
        other => panic!("{other}"),
    }
}

#[test]
fn a_position_beyond_the_head_is_an_error_wherever_one_is_given() {
    let store = with_changes(3);
    for (start, seq) in [
        (WatchFrom::After(ChangeSeq(4)), 4),
        (WatchFrom::After(ChangeSeq(u64::MAX)), u64::MAX),
        (WatchFrom::At(ChangeSeq(5)), 4),
        (
            WatchFrom::Bookmark(Bookmark::new(
                store.read(|r| Ok::<_, ReadError>(r.incarnation())).unwrap(),
                9.into(),
            )),
            9,
        ),
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
            let refused = consumer.run(|_| Ok::<_, Error>(())).map(drop).unwrap_err();
            assert!(matches!(refused, Error::Watch(WatchError::Position(_))), "{refused}");
        }
        assert_eq!(store.read(|r| r.log().checkpoint("c")).unwrap(), None, "it is not registered");
    }
    let long = Duration::from_secs(3_600);
    match store.wait_for_changes(ChangeSeq(4), long) {
        Err(Error::Read(ReadError::Position(error))) => assert_eq!(beyond(error), (4, 3)),
        other => panic!("{other:?}"),
    }
    let r = store.begin_read().unwrap();
    match r.log().range(ChangeSeq(5)..).map(drop) {
        Err(ReadError::Position(error)) => assert_eq!(beyond(error), (4, 3)),
        other => panic!("{other:?}"),
    }
    assert!(matches!(r.log().bookmark(ChangeSeq(4)), Err(ReadError::Position(_))));
    let refused = store.write(|w| w.set_checkpoint("c", ChangeSeq(4))).unwrap_err();
    assert!(matches!(refused, Error::Write(WriteError::CheckpointBeyondHead { seq: 4, head: 3 })));
}

#[test]
fn a_seek_to_what_is_not_there_says_so_and_changes_nothing() {
    let store = with_changes(3);
    let (tell, told) = std::sync::mpsc::channel();
    let consumer = store
        .consumer("c")
        .run(move |changes| changes.iter().try_for_each(|change| tell.send(change.seq().get())))
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

#[test]
fn a_bookmark_goes_through_text_and_goes_on_where_it_was_made() {
    let mut store = with_changes(5);
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
    assert_eq!(watcher.next_batch(3, Duration::ZERO).unwrap().len(), 3);
    let text = watcher.bookmark().to_string();
    drop(watcher);
    store.reopen();
    let bookmark: Bookmark = text.parse().unwrap();
    assert_eq!(store.read(|r| r.log().bookmark(ChangeSeq(3))).unwrap(), bookmark);
    assert_eq!(store.read(|r| r.log().resolve(&bookmark)).unwrap(), ChangeSeq(3));
    let mut watcher = store.watch(WatchFrom::Bookmark(bookmark), Filter::new()).unwrap();
    let seqs: Vec<_> = watcher.next_batch(9, Duration::ZERO).unwrap().iter().map(|c| c.seq().get()).collect();
    assert_eq!(seqs, [4, 5]);
}

/// An older copy is put back, and goes on to where the positions that were kept mean other changes.
#[test]
fn what_was_kept_before_a_declared_restore_is_refused_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("store.redb"), folder.path().join("copy.redb"));
    let store = Store::create_new(&path).unwrap();
    create(&store, "a");
    create(&store, "b");
    drop(store);
    std::fs::copy(&path, &copy).unwrap();
    let store = Store::open(&path).unwrap();
    (0..5).for_each(|n| drop(create(&store, &n.to_string())));
    let bookmark = store.read(|r| r.log().bookmark(ChangeSeq(6))).unwrap();
    let cursor = store.read(|r| r.query(&Query::new().limit(1)).page()).unwrap().next.unwrap();
    drop(store);

    std::fs::rename(&copy, &path).unwrap();
    let store = Store::builder().declare_restored().open(&path).unwrap();
    (0..9).for_each(|n| drop(create(&store, &format!("other {n}"))));
    let r = store.begin_read().unwrap();
    match r.log().resolve(&bookmark).unwrap_err() {
        ReadError::Position(PositionError::OtherIncarnation { bookmark: given, incarnation, head }) => {
            assert_eq!((given, head), (bookmark, ChangeSeq(11)));
            assert_eq!(incarnation, r.incarnation());
            assert_ne!(incarnation, given.incarnation());
        }
        other => panic!("{other}"),
    }
    let refused = store.watch(WatchFrom::Bookmark(bookmark), Filter::new());
    assert!(matches!(refused, Err(WatchError::Position(PositionError::OtherIncarnation { .. }))));
    let refused = r.query(&Query::new().limit(1).after(cursor)).page().unwrap_err();
    assert!(matches!(refused, ReadError::InvalidCursor { .. }), "{refused}");
    drop(r);
    // Opened again without a word, it is what it was declared to be.
    let kept = store.read(|r| r.log().bookmark(ChangeSeq(11))).unwrap();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().read(|r| r.log().resolve(&kept)).unwrap(), ChangeSeq(11));
}

#[test]
fn a_bookmark_of_another_store_is_refused() {
    let (one, other) = (with_changes(3), with_changes(3));
    let bookmark = one.read(|r| r.log().bookmark(ChangeSeq(2))).unwrap();
    let refused = other.read(|r| r.log().resolve(&bookmark)).unwrap_err();
    assert!(matches!(refused, Error::Read(ReadError::Position(PositionError::OtherIncarnation { .. }))));
    assert!(refused.to_string().contains("head 3"), "{refused}");
}
