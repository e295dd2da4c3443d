//! Trimming the change log: in how many transactions.

use execstore::options::LogRetention;
use execstore::{ChangeSeq, NewExecution, Store};
use support::TestStore;
use support::gate::Gate;

/// Alone, so that every sync is one of its own: a transaction for each thousand entries at most.
#[test]
fn one_call_trims_it_all_in_bounded_transactions() {
    let disk = Gate::default();
    let mut builder = Store::builder();
    builder.set_log_retention(LogRetention::new().max_count(10));
    let store = builder.create_file_with_backend(disk.clone()).unwrap();
    for _ in 0..5 {
        store
            .write(|w| Ok((0..1_000).try_for_each(|_| w.create(NewExecution::new("j")).map(drop))?))
            .unwrap();
    }
    let before = disk.syncs();
    assert_eq!(store.maintain().unwrap().trimmed, 4_990);
    let syncs = disk.syncs() - before;
    assert!(syncs >= 5, "{syncs}");
}

/// Which changes of a block of 1,024 are last ones is in a row of its own.
#[test]
fn what_is_known_of_a_block_of_entries_goes_with_the_last_of_them() {
    let store = TestStore::new();
    store.write(|w| Ok((0..3_000).try_for_each(|_| w.create(NewExecution::new("j")).map(drop))?)).unwrap();
    let blocks = || {
        let sizes = store.begin_read().unwrap().table_sizes().unwrap();
        sizes.iter().find(|size| size.table == "execstore/last_change_bits").unwrap().rows
    };
    for (up_to, left) in [(0, 2), (1_022, 2), (1_023, 1), (2_046, 1), (2_047, 0)] {
        store.write(|w| Ok(w.trim_changes(ChangeSeq(up_to))?)).unwrap();
        store.maintain().unwrap();
        assert_eq!(blocks(), left, "trimmed up to {up_to}");
        assert!(store.verify().unwrap().is_clean());
    }
}
