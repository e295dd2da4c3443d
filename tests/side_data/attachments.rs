//! Attachments: put, get, replaced, listed, streamed, summed up, deleted with their execution.

use std::sync::Arc;

use execstore::attachments::NewAttachment;
use execstore::options::LargeValues;
use execstore::redb::{self, TableDefinition};
use execstore::{Json, NewExecution, Readable, Store, Update};

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

/// Damage beside one record is that record's alone, and can be written over.
#[test]
fn what_is_damaged_can_be_replaced_and_deleted() {
    type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
    const ATTACHMENTS: Table = TableDefinition::new("execstore/attachments");
    let db =
        Arc::new(redb::Builder::new().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap());
    let store = Store::builder().set_large_values(LargeValues::Attach(100)).attach(db.clone()).unwrap();
    let large = Json::from_text(&format!("{{\"a\": \"{}\"}}", "x".repeat(200))).unwrap();
    store.create(new("e").payload(large)).unwrap();
    let spoil = |key: &str| {
        let txn = db.begin_write().unwrap();
        let row = [&1u64.to_be_bytes(), key.as_bytes()].concat();
        assert!(
            txn.open_table(ATTACHMENTS)
                .unwrap()
                .insert(row.as_slice(), [7u8; 30].as_slice())
                .unwrap()
                .is_some()
        );
        txn.commit().unwrap();
        assert!(store.read(|r| Ok(r.attachments("e").get(key)?)).is_err());
    };
    for key in ["put", "streamed", "deleted"] {
        store.put_attachment("e", NewAttachment::bytes(key, bytes(10))).unwrap();
        spoil(key);
    }
    store.put_attachment("e", NewAttachment::bytes("put", bytes(20))).unwrap();
    store.write(|w| Ok(w.put_attachment_from("e", "streamed", "a/b", &mut bytes(30).as_slice())?)).unwrap();
    assert!(store.write(|w| Ok(w.delete_attachment("e", "deleted")?)).unwrap());
    assert!(store.verify().unwrap().is_clean());
    // The payload can be updated, and the execution deleted, with a damaged row beside it.
    spoil("execstore/payload/a");
    let patch = Json::from_text("{\"n\": 1}").unwrap();
    store.update("e", Update::new().merge_payload(patch)).unwrap();
    store.delete("e").unwrap();
    assert!(store.verify().unwrap().is_clean());
}
