//! What the change log stores: no payload twice.

use execstore::redb::{ReadableDatabase, ReadableTableMetadata, TableHandle};
use execstore::{ChangeKind, NewEvent, NewExecution, Readable, Store, Update};
use support::{TestStore, big_payload, create, json};

fn stored_bytes(store: &Store, table: &str) -> (u64, u64) {
    let txn = store.share_database().begin_read().unwrap();
    let handle = txn.list_tables().unwrap().find(|found| found.name() == table).unwrap();
    let table = txn.open_untyped_table(handle).unwrap();
    (table.len().unwrap(), table.stats().unwrap().stored_bytes())
}

#[test]
fn a_change_that_leaves_the_payload_alone_does_not_store_it_again() {
    for size in [900, 100 * 1024] {
        let store = TestStore::new();
        let payload = big_payload(size);
        store.write(|w| Ok(w.create(NewExecution::new("j").id("e").payload(payload.clone()))?)).unwrap();
        let before =
            (stored_bytes(&store, "execstore/payloads"), stored_bytes(&store, "execstore/changes").1);
        for n in 0..100 {
            let edit = match n % 4 {
                0 => Update::new().message(n.to_string()),
                1 => Update::new().label("n", n.to_string()),
                // The same payload is no new one.
                2 => Update::new().payload(payload.clone()),
                _ => Update::new().merge_payload(json("{}")),
            };
            store.write(|w| Ok(w.update("e", edit.event(NewEvent::new("t")))?)).unwrap();
        }
        let after = (stored_bytes(&store, "execstore/payloads"), stored_bytes(&store, "execstore/changes").1);
        assert_eq!(before.0, after.0, "no payload was written, of {size} bytes");
        assert!(after.1 - before.1 < 30 * 1024, "the log grew by {} bytes", after.1 - before.1);
        assert_eq!(before.0.0, u64::from(size > 1024));
    }
}

#[test]
fn each_payload_is_stored_once_however_often_it_is_superseded() {
    let store = TestStore::new();
    create(&store, "e");
    store
        .write(|w| {
            for n in 0..50 {
                let payload = json(&format!("\"{}\"", char::from(b'a' + n % 26).to_string().repeat(10_000)));
                w.update("e", Update::new().payload(payload))?;
                w.update("e", Update::new().message(n.to_string()))?;
            }
            Ok(w.delete("e")?)
        })
        .unwrap();
    let (rows, bytes) = stored_bytes(&store, "execstore/payloads");
    assert_eq!(rows, 51, "null and fifty more");
    assert!((500_000..560_000).contains(&bytes), "{bytes}");
    let reader = store.begin_read().unwrap();
    for change in reader.log().range(..).unwrap() {
        let change = change.unwrap();
        assert_eq!(
            reader.log().payload_before(&change).unwrap().is_none(),
            change.kind() == ChangeKind::Created
        );
        assert_eq!(
            reader.log().payload_after(&change).unwrap().is_none(),
            change.kind() == ChangeKind::Deleted
        );
    }
}
