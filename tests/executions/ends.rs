//! An end can always be recorded: long texts, lowered limits and damage beside it do not keep an execution from it.

use std::sync::Arc;

use conformance::executions::ends::running;
use execstore::attachments::NewAttachment;
use execstore::error::ReadError;
use execstore::redb::backends::InMemoryBackend;
use execstore::redb::{self, Database, ReadableTable, TableDefinition};
use execstore::tasks::{TaskState, TaskUpdate};
use execstore::{Error, NewEvent, Query, Readable, Store, Update};
use support::{create, json};
type Pairs = TableDefinition<'static, &'static [u8; 16], &'static [u8]>;

fn database() -> Arc<Database> {
    Arc::new(redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap())
}

/// Alters the last byte of every row of a table.
fn spoil(db: &Database, table: &str) {
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(Pairs::new(Box::leak(table.to_owned().into_boxed_str()))).unwrap();
        let rows: Vec<([u8; 16], Vec<u8>)> = table
            .iter()
            .unwrap()
            .map(|row| row.map(|(key, value)| (*key.value(), value.value().to_vec())).unwrap())
            .collect();
        assert!(!rows.is_empty());
        for (key, mut value) in rows {
            *value.last_mut().unwrap() ^= 1;
            table.insert(&key, value.as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
}

#[test]
fn a_damaged_payload_stops_no_end_and_no_delete() {
    let db = database();
    let store = Store::attach(db.clone()).unwrap();
    for id in ["ended", "deleted", "bulk", "replaced", "merged", "events"] {
        running(&store, id, 5_000);
    }
    spoil(&db, "execstore/payloads");
    let damaged = |id: &str| match store.get(id) {
        Err(ReadError::Damaged(damage)) => damage.table,
        other => panic!("{other:?}"),
    };
    assert_eq!(damaged("ended"), "execstore/payloads");
    let ended = store.update("ended", Update::to("Failed").message("why")).unwrap();
    assert_eq!((ended.state.as_str(), ended.message.as_deref()), ("Failed", Some("why")));
    assert_eq!(store.append_events("events", [NewEvent::new("t")]).unwrap().event_count, 1);
    // It is still damaged, not gone, and never taken for something else.
    assert_eq!(damaged("ended"), "execstore/payloads");
    let merged = store.update("merged", Update::new().merge_payload(json("{}")));
    assert!(matches!(merged, Err(Error::Damaged(_))));
    let replaced = store.update("replaced", Update::to("Completed").payload(json("[1]"))).unwrap();
    let now = store.get("replaced").unwrap().unwrap();
    assert_eq!((now.header(), now.payload_json().as_str()), (&replaced, "[1]"));
    assert_eq!(store.delete("deleted").unwrap().state, "Running");
    let report = store.bulk(Query::new().state("Running")).update(Update::to("Cancelled")).unwrap();
    assert_eq!((report.changed, report.refused), (3, 0));
    assert_eq!(store.bulk(Query::new()).delete().unwrap().changed, 5);
    assert_eq!(
        store
            .read(|r| Ok(r
                .query(&Query::new())
                .rows()?
                .map(|row| row.map(drop))
                .collect::<Result<Vec<_>, _>>()?))
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn damaged_neighbours_stop_no_end_and_no_delete() {
    for table in ["tasks", "chunks", "events"] {
        let db = database();
        let store = Store::attach(db.clone()).unwrap();
        for id in ["ended", "deleted"] {
            running(&store, id, 10);
            store.append_events(id, [NewEvent::new("t")]).unwrap();
            store.put_task(id, TaskUpdate::started("n")).unwrap();
            store.append_output(id, "stdout", "text").unwrap();
            store.put_attachment(id, NewAttachment::bytes("k", vec![7; 5_000])).unwrap();
        }
        spoil(&db, &format!("execstore/{table}"));
        let end = [NewEvent::new("end")];
        assert_eq!(store.update("ended", Update::to("Failed").events(end.to_vec())).unwrap().event_count, 2);
        store.append_output("ended", "stdout", " and more").unwrap();
        store.put_task("ended", TaskUpdate::finished("another")).unwrap();
        store.delete("deleted").unwrap();
        store.delete("ended").unwrap();
        assert!(store.verify().unwrap().is_clean(), "{table}");
    }
}

#[test]
fn output_goes_on_behind_a_damaged_chunk() {
    let db = database();
    let store = Store::attach(db.clone()).unwrap();
    create(&store, "e");
    store.append_output("e", "stdout", "lost").unwrap();
    spoil(&db, "execstore/chunks");
    assert_eq!(store.append_output("e", "stdout", " kept").unwrap().length, 9);
    store.append_output("e", "stdout", " too").unwrap();
    let r = store.begin_read().unwrap();
    assert!(matches!(r.outputs("e").read("stdout", 0, 99), Err(ReadError::Damaged(_))));
    assert_eq!(r.outputs("e").read("stdout", 4, 99).unwrap().unwrap().bytes, b" kept too");
}

#[test]
fn damaged_sums_of_nodes_are_counted_again() {
    let db = database();
    let store = Store::attach(db.clone()).unwrap();
    create(&store, "e");
    for name in ["a", "b", "c"] {
        store.put_task("e", TaskUpdate::started(name)).unwrap();
    }
    let progress: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new("execstore/task_counts");
    let txn = db.begin_write().unwrap();
    txn.open_table(progress).unwrap().insert(&1u64.to_be_bytes(), [7u8; 12].as_slice()).unwrap();
    txn.commit().unwrap();
    assert!(store.read(|r| Ok(r.tasks("e").progress()?)).is_err());
    store.put_task("e", TaskUpdate::finished("b")).unwrap();
    store.put_task("e", TaskUpdate::started("d")).unwrap();
    let sums = store.read(|r| Ok(r.tasks("e").progress()?)).unwrap();
    assert_eq!((sums.running, sums.finished, sums.total()), (3, 1, 4));
    assert_eq!(store.read(|r| Ok(r.tasks("e").get("b")?)).unwrap().unwrap().state, TaskState::Finished);
    assert!(store.verify().unwrap().is_clean());
}
