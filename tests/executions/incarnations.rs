//! What carries what it was made for: the incarnation of an execution, and that of the store.

use execstore::{Incarnation, Query, Readable, Store};
use support::{TestStore, create};

#[test]
fn an_id_that_is_made_again_has_another_incarnation() {
    let store = TestStore::new();
    let first = create(&store, "e");
    assert_ne!(first.incarnation, Incarnation(0));
    assert_eq!(store.read(|r| r.get("e")).unwrap().unwrap().incarnation, first.incarnation);
    store.delete("e").unwrap();
    let second = create(&store, "e");
    assert!(second.incarnation > first.incarnation);
    store
        .read(|r| {
            let of_log: Vec<_> = r
                .log()
                .range(..)?
                .map(|change| change.map(|change| change.incarnation()))
                .collect::<Result<_, _>>()?;
            assert_eq!(of_log, [first.incarnation, first.incarnation, second.incarnation]);
            for found in r.query(&Query::new()).summaries()? {
                assert_eq!(found?.incarnation, second.incarnation);
            }
            Ok::<_, execstore::error::ReadError>(())
        })
        .unwrap();
}

#[test]
fn a_declared_restore_makes_another_incarnation_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let incarnation =
        |store: &Store| store.read(|r| Ok::<_, execstore::error::ReadError>(r.incarnation())).unwrap();
    for evident in [false, true] {
        let mut builder = Store::builder();
        builder.set_tamper_evident(evident);
        let made = incarnation(&builder.create_new(&path).unwrap());
        assert_eq!(incarnation(&builder.open(&path).unwrap()), made);
        let restored = builder.clone().declare_restored().open(&path).unwrap();
        let other = incarnation(&restored);
        assert_ne!(other, made);
        assert!(restored.verify().unwrap().is_clean());
        drop(restored);
        assert_eq!(incarnation(&builder.open(&path).unwrap()), other);
        std::fs::remove_file(&path).unwrap();
    }
}
