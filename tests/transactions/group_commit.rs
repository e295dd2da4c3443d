//! The group commit: who is committed with whom, who fails alone, and what a full queue does.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use execstore::NewExecution;
use support::{TestStore, create};

#[test]
fn plain_writes_and_batches_take_turns() {
    let store = TestStore::new();
    create(&store, "e");
    let barrier = Barrier::new(6);
    let counts = BTreeMap::from(["plain", "batch", "joined"].map(|kind| (kind, AtomicUsize::new(0))));
    let enough = || counts.values().all(|count| count.load(Ordering::Relaxed) >= 20);
    thread::scope(|scope| {
        for kind in ["plain", "batch", "joined"] {
            for _ in 0..2 {
                let (store, counts, barrier, enough) = (&store, &counts, &barrier, &enough);
                scope.spawn(move || {
                    barrier.wait();
                    // Every kind goes on until each of them has got somewhere: if one starved, this would not end.
                    while !enough() {
                        match kind {
                            "plain" => drop(store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap()),
                            "batch" => drop(store.batch(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap()),
                            _ => {
                                let txn = store.share_database().begin_write().unwrap();
                                let mut writer = store.join(&txn).unwrap();
                                writer.create(NewExecution::new("j")).unwrap();
                                let receipt = writer.finish();
                                txn.commit().unwrap();
                                store.notify(receipt);
                            }
                        }
                        counts[kind].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
    });
}
