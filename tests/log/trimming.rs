//! Trimming the change log: in how many transactions.

use std::sync::atomic::Ordering;

use execstore::options::LogRetention;
use execstore::{NewExecution, Store};
use support::memory::Counted;

/// Alone, so that every sync is one of its own: a transaction for each thousand entries at most.
#[test]
fn one_call_trims_it_all_in_bounded_transactions() {
    let disk = Counted::default();
    let mut builder = Store::builder();
    builder.set_log_retention(LogRetention::new().max_count(10));
    let store = builder.create_file_with_backend(disk.clone()).unwrap();
    for _ in 0..5 {
        store
            .write(|w| Ok((0..1_000).try_for_each(|_| w.create(NewExecution::new("j")).map(drop))?))
            .unwrap();
    }
    let before = disk.syncs.load(Ordering::SeqCst);
    assert_eq!(store.maintain().unwrap().trimmed, 4_990);
    let syncs = disk.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs >= 5, "{syncs}");
}
