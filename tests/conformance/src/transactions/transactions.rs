//! Transactions: rolled back, seen by themselves and by readers, joined with the caller's own tables.

use execstore::{NewExecution, Readable, Update};
use support::contents::contents;
use support::create;

use crate::Engine;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

pub fn a_write_is_seen_by_itself_and_by_nobody_else_until_it_is_committed(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let early = store.begin_read().unwrap();
    let txn = store.begin_write().unwrap();
    let mut writer = txn.writer().unwrap();
    writer.update("e", Update::to("BidAccepted")).unwrap();
    writer.create(new("f")).unwrap();
    assert_eq!(writer.get("e").unwrap().unwrap().state, "BidAccepted");
    assert_eq!(writer.by_job("j").unwrap().count(), 2);
    assert_eq!((writer.live().unwrap().count(), writer.count("New").unwrap()), (1, 1));
    assert_eq!((writer.log().head().unwrap().get(), writer.log().range(..).unwrap().count()), (3, 3));
    let during = store.begin_read().unwrap();
    drop(writer);
    txn.commit().unwrap();
    let late = store.begin_read().unwrap();
    for (reader, state, head) in [(&early, "New", 1), (&during, "New", 1), (&late, "BidAccepted", 3)] {
        assert_eq!(reader.get("e").unwrap().unwrap().state, state);
        assert_eq!(
            (reader.log().head().unwrap().get(), reader.log().range(..).unwrap().count()),
            (head, head as usize)
        );
        assert_eq!(reader.get("f").unwrap().is_some(), head == 3);
    }
}

pub fn a_transaction_without_writes_changes_nothing(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let before = contents(&store);
    store.write(|w| Ok(w.get("e")?)).unwrap();
    store.begin_write().unwrap().commit().unwrap();
    let txn = store.begin_write().unwrap();
    drop(txn.writer().unwrap());
    txn.commit().unwrap();
    assert_eq!(contents(&store), before);
}
