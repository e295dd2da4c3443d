//! How large the file is: what is replaced and deleted is used again, and given back.

use execstore::error::WriteError;
use execstore::redb::{Durability, ReadableDatabase, TableDefinition, TableHandle};
use execstore::{Json, NewExecution, Readable, Store, Update, Writer};
use support::{TestStore, json};

fn payload(n: u64) -> Json {
    json(&format!("{{\"fill\":\"{}\"}}", format!("{n:010}").repeat(80)))
}

fn file(store: &TestStore) -> u64 {
    std::fs::metadata(store.path()).unwrap().len()
}

/// What of the file is on the disk: without its holes, where the system says so.
fn taken(store: &TestStore) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(store.path()).unwrap()) * 512;
    #[cfg(not(unix))]
    file(store)
}

/// The file without what the journal's region takes, whatever is in it.
fn image(store: &TestStore) -> u64 {
    file(store) - file(&TestStore::new())
}

/// What the rows take.
fn stored(store: &Store) -> u64 {
    store.begin_read().unwrap().table_sizes().unwrap().iter().map(|size| size.stored_bytes).sum()
}

/// A transaction that does not wait for the disk, to have many of them.
fn lazily(store: &Store, write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>) {
    let mut txn = store.begin_write().unwrap();
    txn.set_durability(Durability::None);
    write(&mut txn.writer().unwrap()).unwrap();
    txn.commit().unwrap();
}

fn created(executions: u64) -> TestStore {
    let store = TestStore::new();
    for batch in 0..executions / 1_000 {
        lazily(&store, |w| {
            (0..1_000).try_for_each(|n| {
                let n = batch * 1_000 + n;
                w.create(NewExecution::new("j").id(n.to_string()).payload(payload(n))).map(drop)
            })
        });
    }
    store
}

#[test]
fn a_store_that_updates_does_not_keep_a_third_copy() {
    let store = created(10_000);
    for n in 0..20_000u64 {
        lazily(&store, |w| {
            let id = (n * 7_919 % 10_000).to_string();
            w.update(id, Update::new().payload(payload(n))).map(drop)
        });
    }
    let (taken, file, stored) = (taken(&store), file(&store), stored(&store));
    println!("{} KiB of {} KiB for {} KiB", taken / 1024, file / 1024, stored / 1024);
    assert!(taken < stored * 7 / 2, "{} KiB of {} KiB for {} KiB", taken / 1024, file / 1024, stored / 1024);
    // Whether redb has to double its file depends on how far its thread lags behind, and the new half is a hole.
    assert!(file < stored * 7, "{} KiB for {} KiB", file / 1024, stored / 1024);
}

#[test]
fn a_close_gives_back_what_updates_and_deletions_have_left() {
    let mut store = created(10_000);
    for n in 0..10_000u64 {
        lazily(&store, |w| {
            let id = (n * 7_919 % 10_000).to_string();
            w.update(id, Update::new().payload(payload(n))).map(drop)
        });
    }
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    assert!(len < live * 3 / 2 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);

    thin_out(&store, 10_000);
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    assert!(len < live * 3 / 2 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);
}

/// Deletes nine of ten, and forgets the log of before.
fn thin_out(store: &Store, executions: u64) {
    let head = store.begin_read().unwrap().log().head().unwrap();
    for batch in 0..executions.div_ceil(1_000) {
        lazily(store, |w| {
            let mut gone = (batch * 1_000..executions.min((batch + 1) * 1_000)).filter(|n| n % 10 > 0);
            gone.try_for_each(|n| w.delete(n.to_string()).map(drop))
        });
    }
    store.write(|w| Ok(w.trim_changes(head)?)).unwrap();
    store.maintain().unwrap();
}

#[test]
fn a_close_gives_back_what_deletions_have_left_in_a_large_file_too() {
    const EXECUTIONS: u64 = 3_000;
    let mut store = TestStore::new();
    let payload = json(&format!("\"{}\"", "x".repeat(120 << 10)));
    for batch in 0..EXECUTIONS / 100 {
        lazily(&store, |w| {
            (batch * 100..(batch + 1) * 100).try_for_each(|n| {
                let new = NewExecution::new("j").id(n.to_string()).payload(payload.clone());
                w.create(new).map(drop)
            })
        });
    }
    assert!(file(&store) > 300 << 20);
    thin_out(&store, EXECUTIONS);
    // The entries of the deletions need the payloads.
    let head = store.begin_read().unwrap().log().head().unwrap();
    store.write(|w| Ok(w.trim_changes(head)?)).unwrap();
    store.maintain().unwrap();
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    assert!(len < live * 3 / 2 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);
}

const SPARE: TableDefinition<'_, u64, &str> = TableDefinition::new("execstore/packing");

fn has_spare(store: &Store) -> bool {
    let txn = store.share_database().begin_read().unwrap();
    txn.list_tables().unwrap().any(|table| table.name() == SPARE.name())
}

#[test]
fn what_lies_where_tables_are_written_anew_is_harmless_and_goes() {
    let mut store = created(5_000);
    let txn = store.begin_write().unwrap();
    txn.enter_redb().open_table(SPARE).unwrap().insert(1, "of other types").unwrap();
    txn.commit().unwrap();
    store.reopen();
    assert!(store.verify().unwrap().is_clean() && has_spare(&store));
    store.reopen();
    thin_out(&store, 5_000);
    store.reopen();
    let (len, live) = (image(&store), stored(&store));
    assert!(len < live * 3 / 2 + (1 << 20), "{} KiB for {} KiB", len / 1024, live / 1024);
    assert!(!has_spare(&store));
}

#[test]
fn a_table_that_is_damaged_stays_as_it_is() {
    let mut store = created(5_000);
    store.reopen();
    let builder = Store::builder();
    let folder = store.into_folder();
    let path = folder.path().join("store.redb");
    // A payload that stays: its record does not match its checksum.
    let mut bytes = std::fs::read(&path).unwrap();
    let text = format!("{:010}", 2_500).repeat(80);
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at + 400] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store = builder.open(&path).unwrap();
    let before = store.verify().unwrap().to_string();
    assert!(before.contains("execstore/executions"), "{before}");
    let head = store.begin_read().unwrap().log().head().unwrap();
    lazily(&store, |w| {
        let mut gone = (0..5_000_u64).filter(|n| n % 10 > 0);
        gone.try_for_each(|n| w.delete(n.to_string()).map(drop))
    });
    store.write(|w| Ok(w.trim_changes(head)?)).unwrap();
    store.maintain().unwrap();
    let before = store.verify().unwrap().to_string();
    drop(store);
    let store = builder.open(&path).unwrap();
    assert_eq!(store.verify().unwrap().to_string(), before);
    assert!(store.read(|r| Ok(r.get("2500")?)).is_err());
    assert_eq!(store.read(|r| Ok(r.get("2510")?)).unwrap().unwrap().payload_json(), &payload(2_510));
}
