//! Damaged files: opening one never panics, and gives an error or a store that is sound.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use execstore::error::OpenError;
use execstore::redb::backends::FileBackend;
use execstore::{Builder, NewEvent, NewExecution, Readable, Store, Update};
use support::contents::contents;
use support::{TestStore, big_payload};

/// The bytes of a store that was closed, with a little of everything.
fn bytes() -> Vec<u8> {
    let store = filled(&Store::builder());
    let path = store.path();
    let _folder = store.into_folder();
    std::fs::read(path).unwrap()
}

fn filled(builder: &Builder) -> TestStore {
    let store = TestStore::with(builder);
    for n in 0..40 {
        store
            .write(|w| {
                let id = n.to_string();
                w.create(
                    NewExecution::new("j").id(&id).payload(big_payload(n * 100)).event(NewEvent::new("t")),
                )?;
                Ok(w.update(&id, Update::to("Failed"))?)
            })
            .unwrap();
    }
    store
}

/// Opens, reads, writes and closes: `true` if the store opened.
fn try_open(path: &Path, content: &[u8]) -> bool {
    std::fs::write(path, content).unwrap();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let store = match Store::open(path) {
            Ok(store) => store,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        if let Ok(report) = store.verify() {
            assert!(report.is_clean(), "it opened, and is not sound: {report}");
        }
        let _ = store.write(|w| Ok(w.create(NewExecution::new("j"))?));
        let _ = store.read(|r| Ok(r.live().map(Iterator::count)?));
        true
    }));
    opened.unwrap_or_else(|_| panic!("{} panicked", path.display()))
}

#[test]
fn a_truncated_file_is_an_error_or_a_good_store() {
    let whole = bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    assert!(try_open(&path, &whole));
    let mut lengths: Vec<_> = (0..24).map(|n| whole.len() * n / 24).collect();
    lengths.extend([1, 8, 9, 10, 63, 64, 65, 320, 511, 512, 513, 4095, 4096, 4097, 8192, whole.len() - 1]);
    for len in lengths {
        let opened = try_open(&path, &whole[..len]);
        assert!(!opened || len > 4096, "opened with {len} of {} bytes", whole.len());
    }
}

#[test]
fn a_flipped_byte_in_the_header_is_an_error_or_a_good_store() {
    let whole = bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for place in 0..320 {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        let opened = try_open(&path, &flipped);
        assert!(!opened || place >= 9 || whole.starts_with(b"execstore"), "opened without its magic number");
    }
}

/// The table of redb's own that the damage is said to be of, and nothing else is told.
fn own_table<T>(opened: &Result<T, OpenError>) -> Option<String> {
    let Err(OpenError::Damaged { reason, .. }) = opened else { return None };
    let (_, rest) = reason.split_once("redb's own table ")?;
    Some(rest.split_once(", is not what redb wrote").unwrap().0.to_owned())
}

/// redb takes the pages of its own tables as they are, and panics in unwinding over its lists of freed pages in the next commit: that ended
/// the process. So every page is damaged once, and whatever is opened is closed again.
fn damage_each_page(builder: &Builder, whole: &[u8], pending: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    put(whole);
    let before = contents(&builder.open_read_only(&path).unwrap());
    let at_checkpoint = contents(&builder.open_at_checkpoint(&path).unwrap());
    let (mut tables, mut read) = (BTreeSet::new(), BTreeSet::new());
    let used = |page: &usize| whole[page * 4096..(page + 1) * 4096].iter().any(|byte| *byte != 0);
    for page in (0..whole.len() / 4096).filter(used) {
        let mut damaged = whole.to_vec();
        // How many entries the page has.
        damaged[page * 4096 + 2] ^= 0x20;
        put(&damaged);
        let opened = builder.open(&path);
        let Some(table) = own_table(&opened) else { continue };
        assert!(std::fs::read(&path).unwrap() == damaged, "a refused file was changed");
        for (with_journal, expected) in [(true, &before), (false, &at_checkpoint)] {
            let opened = match with_journal {
                true => builder.open_read_only(&path),
                false => builder.open_at_checkpoint(&path),
            };
            match opened {
                Ok(store) => {
                    assert!(contents(&store) == *expected, "page {page}, of {table}");
                    // A commit past the store, in memory, meets the damage and is refused, too.
                    let txn = store.share_database().begin_write().unwrap();
                    assert!(txn.commit().is_err());
                    read.insert((table.clone(), with_journal));
                }
                refused => assert_eq!(own_table(&refused).as_ref(), Some(&table)),
            }
            assert_eq!(own_table(&builder.open(&path)).as_ref(), Some(&table), "it is let go of");
        }
        if whole.starts_with(b"redb") {
            let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let opened = builder.create_with_backend(FileBackend::new(file).unwrap());
            assert_eq!(own_table(&opened), Some(table.clone()));
        }
        assert!(std::fs::read(&path).unwrap() == damaged, "a refused file was changed");
        tables.insert(table);
    }
    assert!(tables.contains("of tables") && tables.contains("allocator_state"), "{tables:?}");
    let lists: Vec<_> = tables.iter().filter(|table| table.ends_with("_unreachable")).collect();
    assert!(!lists.is_empty(), "{tables:?}");
    // With its own assertions redb reads every page when it opens a file; else the lists are read by commits alone.
    for list in lists {
        let readable =
            [(true, !pending), (false, true)].map(|(journal, good)| ((list.clone(), journal), good));
        for (reading, good) in readable {
            assert_eq!(read.contains(&reading), good && !cfg!(debug_assertions), "{reading:?}");
        }
    }
}

#[test]
fn a_damaged_page_of_redbs_own_tables_is_refused_and_ends_no_process() {
    damage_each_page(&Store::builder(), &bytes(), false);
}

#[test]
fn and_of_a_file_without_a_journal() {
    let mut builder = Store::builder();
    builder.set_journal(false);
    let store = filled(&builder);
    let path = store.path();
    let _folder = store.into_folder();
    damage_each_page(&builder, &std::fs::read(path).unwrap(), false);
}

#[test]
fn and_of_a_file_that_was_not_closed() {
    let mut store = filled(&Store::builder());
    store.reopen();
    for n in 0..3 {
        store.write(|w| Ok(w.delete(n.to_string())?)).unwrap();
    }
    let crashed = std::fs::read(store.path()).unwrap();
    damage_each_page(&Store::builder(), &crashed, true);
}
