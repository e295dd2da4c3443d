//! The journal's file: when it is there, when it is asked for, and whose it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod common;
mod contents;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{TestStore, create};
use contents::contents;
use execstore::redb::Database;
use execstore::{OpenError, Readable, Store};

fn journal(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-journal");
    name.into()
}

/// The files of a store as they are, under another name.
fn copy(store: &TestStore, to: &Path) {
    std::fs::copy(store.path(), to).unwrap();
    std::fs::copy(journal(&store.path()), journal(to)).unwrap();
}

#[test]
fn it_is_there_while_the_store_is_open_and_gone_after_a_clean_close() {
    let mut store = TestStore::new();
    create(&store, "e");
    assert!(journal(&store.path()).exists());
    let other = store.clone();
    drop(other);
    assert!(journal(&store.path()).exists(), "another handle is open");
    let before = contents(&store);
    let path = store.path();
    store.reopen();
    assert_eq!(contents(&store), before);
    let folder = store.into_folder();
    assert!(!journal(&path).exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // The file alone is the store: it can be moved.
    let moved = folder.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(contents(&Store::open(&moved).unwrap()), before);
}

#[test]
fn a_missing_journal_is_told_and_the_journal_put_back_is_found() {
    let store = TestStore::new();
    create(&store, "e");
    create(&store, "f");
    let before = contents(&store);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    copy(&store, &path);
    let aside = folder.path().join("aside");
    std::fs::rename(journal(&path), &aside).unwrap();
    for builder in [Store::builder(), Store::builder().set_journal(false).clone()] {
        let error = builder.open(&path).unwrap_err();
        let OpenError::JournalMissing { path: named, journal: wanted } = &error else { panic!("{error:?}") };
        assert_eq!((named, wanted), (&path, &journal(&path)));
        assert!(error.to_string().contains("put the journal back beside the file"), "{error}");
    }
    std::fs::rename(&aside, journal(&path)).unwrap();
    assert_eq!(contents(&Store::open(&path).unwrap()), before);
}

#[test]
fn what_is_not_this_stores_journal_is_refused() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let stranger = TestStore::new();
    create(&stranger, "x");
    let own = std::fs::read(journal(&store.path())).unwrap();
    let mut flipped = own.clone();
    flipped[20] ^= 1;
    let foreign = std::fs::read(journal(&stranger.path())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for wrong in [foreign, flipped, Vec::new(), b"text".to_vec(), own[..511].to_vec(), vec![0; 4096]] {
        copy(&store, &path);
        std::fs::write(journal(&path), &wrong).unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(matches!(error, OpenError::JournalMissing { .. }), "{error:?}");
        assert!(std::fs::read(journal(&path)).unwrap() == wrong, "it was left alone");
        std::fs::write(journal(&path), &own).unwrap();
        assert_eq!(contents(&Store::open(&path).unwrap()), before);
    }
}

#[test]
fn a_database_with_a_pending_journal_cannot_be_attached() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    copy(&store, &path);
    let db = Arc::new(Database::open(&path).unwrap());
    let error = Store::attach(db).unwrap_err();
    assert!(matches!(error, OpenError::JournalPending), "{error:?}");
    assert!(error.to_string().contains("open the file once with `Store::open`"), "{error}");
    assert_eq!(contents(&Store::open(&path).unwrap()), before);
    let attached = Store::attach(Arc::new(Database::open(&path).unwrap())).unwrap();
    assert_eq!(contents(&attached), before);
}

#[test]
fn a_store_without_a_journal_has_no_second_file_and_recovers_one_that_is_pending() {
    let mut without = TestStore::with(Store::builder().set_journal(false));
    create(&without, "e");
    assert!(!journal(&without.path()).exists());
    let crashed = without.crash_copy();
    assert_eq!(contents(&crashed), contents(&without));
    without.reopen();
    assert!(!journal(&without.path()).exists());

    let with = TestStore::new();
    create(&with, "e");
    create(&with, "f");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    copy(&with, &path);
    let store = Store::builder().set_journal(false).open(&path).unwrap();
    assert_eq!(contents(&store), contents(&with));
    assert!(!journal(&path).exists(), "it was applied and removed");
    create(&store, "g");
    assert!(!journal(&path).exists());
    // A crash now: the file alone is enough.
    let alone = folder.path().join("alone");
    std::fs::copy(&path, &alone).unwrap();
    assert_eq!(contents(&Store::open(&alone).unwrap()), contents(&store));
}

#[test]
fn a_journal_that_nothing_names_does_no_harm() {
    let old = TestStore::new();
    for n in 0..5 {
        create(&old, &n.to_string());
    }
    let stale = std::fs::read(journal(&old.path())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(journal(&path), &stale).unwrap();
    let store = Store::create(&path).unwrap();
    create(&store, "e");
    create(&store, "f");
    let before = contents(&store);
    let copied = folder.path().join("c");
    std::fs::copy(&path, &copied).unwrap();
    std::fs::copy(journal(&path), journal(&copied)).unwrap();
    assert_eq!(contents(&Store::open(&copied).unwrap()), before);
    drop(store);
    std::fs::write(journal(&path), &stale).unwrap();
    let store = Store::open(&path).unwrap();
    assert_eq!(contents(&store), before);
    assert_eq!(store.read(|r| r.head()).unwrap().get(), 2);
}
