//! Transactions: rolled back, seen by themselves and by readers, joined with the caller's own tables.

use std::sync::Arc;

use execstore::error::{WriteError, WriterError};
use execstore::redb::backends::InMemoryBackend;
use execstore::redb::{
    Database, Durability, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction,
};
use execstore::{ChangeSeq, Error, NewExecution, Readable, Store, Update};
use support::contents::contents;
use support::gate::Gate;
use support::{TestStore, create};

const BILLS: TableDefinition<'_, &str, u64> = TableDefinition::new("bills");

fn bill(txn: &WriteTransaction, id: &str, amount: u64) {
    txn.open_table(BILLS).unwrap().insert(id, amount).unwrap();
}

fn billed(db: &Database, id: &str) -> Option<u64> {
    let txn = db.begin_read().unwrap();
    let table = txn.open_table(BILLS).ok()?;
    table.get(id).unwrap().map(|amount| amount.value())
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

#[test]
fn what_is_dropped_aborted_or_failed_is_rolled_back() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let write = |txn: &execstore::WriteTxn| {
        let mut writer = txn.writer().unwrap();
        writer.create(new("lost")).unwrap();
        writer.update("e", Update::to("Failed")).unwrap();
        writer.set_checkpoint("w", ChangeSeq(3)).unwrap();
    };
    let txn = store.begin_write().unwrap();
    write(&txn);
    drop(txn);
    assert_eq!(contents(&store), before, "dropped");
    let txn = store.begin_write().unwrap();
    write(&txn);
    bill(txn.enter_redb(), "e", 1);
    txn.abort().unwrap();
    assert_eq!(contents(&store), before, "aborted");
    assert_eq!(billed(store.share_database(), "e"), None);
    let failed = store.write(|w| {
        w.delete("e")?;
        Ok(w.delete("e")?)
    });
    assert!(matches!(failed, Err(Error::Write(WriteError::NotFound { .. }))));
    assert_eq!(contents(&store), before, "the closure failed");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write(|w| -> Result<(), Error> {
            w.delete("e")?;
            panic!("on purpose")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(contents(&store), before, "the closure panicked");
    create(&store, "next");
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 2);
}

#[test]
fn writers_follow_each_other_in_one_transaction_but_two_at_once_are_refused() {
    let store = TestStore::new();
    let txn = store.begin_write().unwrap();
    let mut first = txn.writer().unwrap();
    first.create(new("a")).unwrap();
    for second in [txn.writer(), store.join(txn.enter_redb())] {
        match second {
            Err(WriterError::WriterInUse) => {}
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("two writers at once"),
        }
    }
    first.create(new("b")).unwrap();
    drop(first);
    let mut joined = store.join(txn.enter_redb()).unwrap();
    assert!(matches!(txn.writer(), Err(WriterError::WriterInUse)));
    assert!(matches!(store.join(txn.enter_redb()), Err(WriterError::WriterInUse)));
    joined.create(new("c")).unwrap();
    drop(joined);
    txn.writer().unwrap().create(new("d")).unwrap();
    txn.commit().unwrap();
    let copy = store.crash_copy();
    for store in [&store, &copy] {
        let reader = store.begin_read().unwrap();
        let ids: Vec<_> = reader.by_job("j").unwrap().map(|e| e.unwrap().id.to_string()).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
    }
}

#[test]
fn a_commit_that_does_not_wait_is_kept_by_the_next_one_that_does() {
    for journal in [true, false] {
        let store = TestStore::with(Store::builder().set_journal(journal));
        create(&store, "first");
        for id in ["lazy-1", "lazy-2"] {
            let mut txn = store.begin_write().unwrap();
            txn.set_durability(Durability::None);
            txn.writer().unwrap().create(new(id)).unwrap();
            txn.commit().unwrap();
            assert!(store.read(|r| Ok(r.get(id)?)).unwrap().is_some(), "visible at once");
        }
        create(&store, "last");
        let copy = store.crash_copy();
        let ids: Vec<_> = ["first", "lazy-1", "lazy-2", "last"].into();
        let reader = copy.begin_read().unwrap();
        assert!(ids.iter().all(|id| reader.get(id).unwrap().is_some()), "journal {journal}");
    }
}

fn memory() -> Arc<Database> {
    Arc::new(execstore::redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap())
}

#[test]
fn the_callers_tables_change_with_ours_or_not_at_all() {
    let mut store = TestStore::new();
    create(&store, "e");
    for (commit, state, amount) in [(false, "New", None), (true, "BidAccepted", Some(12))] {
        let txn = store.begin_write().unwrap();
        txn.writer().unwrap().update("e", Update::to("BidAccepted")).unwrap();
        bill(txn.enter_redb(), "e", 12);
        if commit {
            txn.commit().unwrap();
        }
        let copy = store.crash_copy();
        for store in [&store, &copy] {
            assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().state, state);
            assert_eq!(billed(store.share_database(), "e"), amount);
        }
    }
    // The caller's tables alone, in a transaction of ours.
    let txn = store.begin_write().unwrap();
    bill(txn.enter_redb(), "e", 13);
    txn.commit().unwrap();
    assert_eq!(billed(store.crash_copy().share_database(), "e"), Some(13));
    store.reopen();
    assert_eq!(billed(store.share_database(), "e"), Some(13));
}

#[test]
fn ours_is_written_within_the_callers_transaction() {
    let db = memory();
    let attached = Store::attach(db.clone()).unwrap();
    let own = TestStore::new();
    for (store, db) in [(&attached, &*db), (&*own, own.share_database())] {
        // Committed, then aborted.
        let txn = db.begin_write().unwrap();
        bill(&txn, "a", 1);
        let mut writer = store.join(&txn).unwrap();
        writer.create(new("a")).unwrap();
        writer.create(new("b")).unwrap();
        let receipt = writer.finish();
        assert_eq!(receipt.changes(), Some(ChangeSeq(1)..=ChangeSeq(2)));
        txn.commit().unwrap();
        store.notify(receipt);
        let before = contents(store);

        let txn = db.begin_write().unwrap();
        bill(&txn, "lost", 1);
        store.join(&txn).unwrap().delete("a").unwrap();
        txn.abort().unwrap();
        assert_eq!(contents(store), before);
        assert_eq!((billed(db, "a"), billed(db, "lost")), (Some(1), None));

        let txn = db.begin_write().unwrap();
        let receipt = store.join(&txn).unwrap().finish();
        assert_eq!((receipt.changes(), receipt.head()), (None, ChangeSeq(2)));
        drop(txn);
        store.write(|w| Ok(w.create(new("c"))?)).unwrap();
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3);
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn a_transaction_of_another_database_is_refused_without_a_trace() {
    let store = TestStore::new();
    let names = |db: &Database| -> Vec<String> {
        let txn = db.begin_read().unwrap();
        txn.list_tables().unwrap().map(|table| table.name().to_owned()).collect()
    };
    // A database without a store.
    let bare = memory();
    let txn = bare.begin_write().unwrap();
    bill(&txn, "x", 1);
    match store.join(&txn) {
        Err(WriterError::ForeignTransaction { expected, found }) => {
            assert_eq!((expected, found), (store.id(), "no store".to_owned()));
        }
        _ => panic!("it was not refused"),
    }
    txn.commit().unwrap();
    assert_eq!(names(&bare), ["bills"]);
    // Another store.
    let db = memory();
    let other = Store::attach(db.clone()).unwrap();
    create(&other, "e");
    let before = contents(&other);
    let txn = db.begin_write().unwrap();
    match store.join(&txn) {
        Err(WriterError::ForeignTransaction { found, .. }) => {
            assert_eq!(found, format!("store {}", other.id()))
        }
        _ => panic!("it was not refused"),
    }
    // The transaction can still be used by its owner.
    other.join(&txn).unwrap().create(new("f")).unwrap();
    txn.commit().unwrap();
    assert_ne!(contents(&other), before);
    assert!(other.verify().unwrap().is_clean());
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 0);
}

/// What it reads is shared by those who read after it, until the commit.
#[test]
fn who_reads_while_a_commit_is_under_way_hides_it_from_nobody() {
    let gate = Gate::default();
    let store = Store::builder().create_file_with_backend(gate.clone()).unwrap();
    create(&store, "first");
    gate.shut();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| create(&store, "second"));
        gate.wait_for_sync();
        assert!(store.get("first").unwrap().is_some());
        gate.open();
        writing.join().unwrap();
    });
    assert!(store.get("second").unwrap().is_some());
}
