//! Calls that would wait for the very thread that makes them are refused, whatever call it is and wherever it is made.

use conformance::transactions::reentrance::{all_refused, calls, waiters};
use execstore::Error;
use execstore::error::BeginError;
use support::{TestStore, create};

#[test]
fn a_joined_writer_is_a_write_of_its_thread() {
    let store = TestStore::new();
    create(&store, "e");
    let prepared = waiters(&store);
    let txn = store.share_database().begin_write().unwrap();
    let writer = store.join(&txn).unwrap();
    all_refused("a joined writer", calls(&store, prepared));
    // The writer has gone, the transaction has not.
    let receipt = writer.finish();
    for call in [store.batch(|_| Ok(())), store.write(|_| Ok(()))] {
        assert!(matches!(call, Err(Error::Begin(BeginError::WriterHeld { .. }))), "{call:?}");
    }
    txn.commit().unwrap();
    store.notify(receipt);
    create(&store, "after");
}
