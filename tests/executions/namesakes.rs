//! Things of the same name that are not the same: ids in two namespaces, and a copy of the file.

use std::sync::Arc;

use execstore::error::WriterError;
use execstore::redb::Database;
use execstore::{NewExecution, Readable, Store};
use support::{TestStore, create};

/// A copy of the file has the same store's id. Its transactions are not this store's.
#[test]
fn a_transaction_of_a_copied_file_is_refused() {
    for ahead in [false, true] {
        let store = TestStore::with(Store::builder().set_journal(false));
        create(&store, "e");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.redb");
        let copy = store.crash_copy();
        std::fs::write(&path, []).unwrap();
        let copied = copy.into_folder();
        std::fs::copy(copied.path().join("store.redb"), &path).unwrap();
        let db = Arc::new(Database::open(&path).unwrap());
        let attached = Store::attach(db.clone()).unwrap();
        assert_eq!(attached.id(), store.id());
        if ahead {
            create(&attached, "of the copy");
        }
        let before = attached.read(|r| Ok(r.log().head()?)).unwrap();
        let txn = db.begin_write().unwrap();
        match store.join(&txn) {
            Err(WriterError::ForeignTransaction { found, .. }) => assert!(found.contains("copy"), "{found}"),
            other => panic!("{:?}", other.map(drop)),
        }
        // Its own store takes it.
        drop(attached.join(&txn).unwrap());
        txn.commit().unwrap();
        assert_eq!(attached.read(|r| Ok(r.log().head()?)).unwrap(), before);
        // And this store takes its own.
        let txn = store.share_database().begin_write().unwrap();
        store.join(&txn).unwrap().create(NewExecution::new("j").id("f")).unwrap();
        store.join(&txn).unwrap().create(NewExecution::new("j").id("g")).unwrap();
        txn.commit().unwrap();
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3);
    }
}

/// While this store writes, on another thread, a copy that is behind is still told apart.
#[test]
fn an_older_copy_is_refused_also_while_this_store_writes() {
    let store = TestStore::with(Store::builder().set_journal(false));
    create(&store, "e");
    let copied = store.crash_copy().into_folder();
    create(&store, "f");
    let db = Arc::new(Database::open(copied.path().join("store.redb")).unwrap());
    let held = store.begin_write().unwrap();
    let txn = db.begin_write().unwrap();
    let refused = store.join(&txn).map(drop);
    assert!(matches!(refused, Err(WriterError::ForeignTransaction { .. })), "{refused:?}");
    drop(held);
}
