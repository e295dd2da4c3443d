//! Consumers: what they are given, what they save, and what they do when something fails.

use std::time::Duration;

use execstore::redb::{ReadableDatabase, ReadableTable, TableDefinition};
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Filter, Readable, Store};
use support::{TestStore, create};

fn with_changes(n: usize) -> TestStore {
    let store = TestStore::new();
    (1..=n).for_each(|i| drop(create(&store, &i.to_string())));
    store
}

fn checkpoint(store: &Store, name: &str) -> Option<u64> {
    store.read(|r| Ok(r.log().checkpoint(name)?)).unwrap().map(ChangeSeq::get)
}

const BILLS: TableDefinition<u64, &str> = TableDefinition::new("bills");

#[test]
fn a_table_of_the_callers_own_can_be_written_beside() {
    // The caller's own tables are not the writer's: exactly once there goes through a transaction of one's own.
    let store = with_changes(3);
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
    let changes = watcher.next_batch(10, Duration::ZERO).unwrap();
    let txn = store.begin_write().unwrap();
    {
        let mut bills = txn.enter_redb().open_table(BILLS).unwrap();
        for change in &changes {
            bills.insert(change.seq().get(), change.execution_id().unwrap().as_str()).unwrap();
        }
        drop(bills);
        txn.writer().unwrap().set_checkpoint("bills", watcher.position()).unwrap();
    }
    txn.commit().unwrap();
    assert_eq!(checkpoint(&store, "bills"), Some(3));
    let rows =
        store.share_database().begin_read().unwrap().open_table(BILLS).unwrap().iter().unwrap().count();
    assert_eq!(rows, 3);
}
