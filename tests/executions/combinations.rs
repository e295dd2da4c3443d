//! Options that have no meaning together: refused before anything is done, whoever takes them; all others do what each says.

use std::time::Duration;

use execstore::error::{InputError, OpenError};
use execstore::options::LogRetention;
use execstore::{Readable, Store};
use support::create;

#[test]
fn settings_that_cannot_be_are_refused_by_all_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::create_new(&path).unwrap());
    let before = std::fs::read(&path).unwrap();
    let mut builder = Store::builder();
    builder.set_maintenance(Duration::ZERO);
    let other = folder.path().join("other");
    let calls = [
        builder.open(&path).map(drop),
        builder.open_or_create(&path).map(drop),
        builder.open_read_only(&path).map(drop),
        builder.open_at_checkpoint(&path).map(drop),
        builder.compact(&path).map(drop),
        builder.create_new(&other).map(drop),
        builder.in_memory().map(drop),
    ];
    for (n, call) in calls.iter().enumerate() {
        assert!(matches!(call, Err(OpenError::Input(InputError::Invalid { .. }))), "{n}: {call:?}");
    }
    assert!(!other.exists());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn settings_that_have_nothing_to_work_on_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::create_new(&path).unwrap();
    create(&store, "e");
    store.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut builder = Store::builder();
    builder.set_maintenance(Duration::from_micros(1)).declare_restored().set_journal_size(0);
    builder.set_log_retention(LogRetention::new().max_count(0));
    let store = builder.open_read_only(&path).unwrap();
    assert!(store.read(|r| Ok(r.get("e")?)).unwrap().is_some());
    for _ in 0..2_000 {
        assert_eq!(store.status().unwrap().maintenance_error, None);
    }
    drop(store);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A journal of no size is one of the least size; without a journal its size does not matter.
    let sizes = [(true, 0), (true, 64 << 10), (false, 0), (false, 64 << 20)].map(|(journal, size)| {
        let path = folder.path().join(format!("{journal}-{size}"));
        drop(Store::builder().set_journal(journal).set_journal_size(size).create_new(&path).unwrap());
        std::fs::metadata(&path).unwrap().len()
    });
    assert!(sizes[0] == sizes[1] && sizes[2] == sizes[3] && sizes[0] > sizes[2], "{sizes:?}");
}
