//! What carries what it was made for: the incarnation of an execution, and that of the store.

use execstore::{Readable, Store};

#[test]
fn a_declared_restore_makes_another_incarnation_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let incarnation = |store: &Store| store.read(|r| Ok(r.incarnation())).unwrap();
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
