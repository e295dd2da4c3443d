//! Positions in the change log: one that the log has not come to, or that is of another incarnation of the store, is an
//! error that says what there is.

use execstore::error::{InputError, PositionError, ReadError, WatchError};
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Filter, Query, Readable, Store};
use support::create;

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
    let bookmark = store.read(|r| Ok(r.log().bookmark(ChangeSeq(6))?)).unwrap();
    let cursor = store.read(|r| Ok(r.query(&Query::new().limit(1)).page()?)).unwrap().next.unwrap();
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
    assert!(matches!(refused, ReadError::Input(InputError::InvalidCursor { .. })), "{refused}");
    drop(r);
    // Opened again without a word, it is what it was declared to be.
    let kept = store.read(|r| Ok(r.log().bookmark(ChangeSeq(11))?)).unwrap();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().read(|r| Ok(r.log().resolve(&kept)?)).unwrap(), ChangeSeq(11));
}
