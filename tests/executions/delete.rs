//! Deleting executions: the condition, what goes, and what the change log keeps.

use execstore::redb::{ReadableDatabase, ReadableTableMetadata, TableHandle};
use execstore::{NewEvent, NewExecution, Readable};
use support::{TestStore, create, json};

fn rows(store: &TestStore, table: &str) -> u64 {
    let txn = store.share_database().begin_read().unwrap();
    let handle = txn.list_tables().unwrap().find(|found| found.name() == table).unwrap();
    txn.open_untyped_table(handle).unwrap().len().unwrap()
}

#[test]
fn record_index_rows_and_events_go() {
    let store = TestStore::new();
    create(&store, "stays");
    let events = [NewEvent::new("a"), NewEvent::new("b")];
    let new = NewExecution::new("j").id("e").state("Running").payload(json("[1]"));
    store.write(|w| Ok(w.create(new.events(events.to_vec()))?)).unwrap();
    let last = store.write(|w| Ok(w.append_events("e", events.to_vec())?)).unwrap();
    let deleted = store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(deleted, last, "the last record is given back");

    let reader = store.begin_read().unwrap();
    assert!(reader.get("e").unwrap().is_none());
    assert_eq!(reader.events("e", ..).unwrap().count(), 0);
    assert_eq!(reader.by_job("j").unwrap().map(|e| e.unwrap().id.to_string()).collect::<Vec<_>>(), ["stays"]);
    assert_eq!((reader.live().unwrap().count(), reader.count("Running").unwrap()), (0, 0));
    assert_eq!(reader.count("New").unwrap(), 1);
    // The job keeps the row of the execution that stays, and the row of its counters.
    for (table, left) in [("ids", 1), ("executions", 1), ("jobs", 2), ("states", 1), ("events", 0)] {
        assert_eq!(rows(&store, &format!("execstore/{table}")), left, "{table}");
    }
}
