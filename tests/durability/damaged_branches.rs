//! Pages that name other pages, damaged: what redb would do with them can end a process, so the cases run in child processes.

use std::collections::BTreeSet;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use execstore::error::{DamagedPage, OpenError, ReadError, StorageError};
use execstore::{Error, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::TestStore;
use support::children::child;
use support::contents::contents;

const PAGE: usize = 4096;
const FILE: &str = "EXECSTORE_BRANCH_FILE";

/// A store whose larger tables have branches.
fn filled() -> TestStore {
    let store = TestStore::new();
    store
        .write(|w| {
            for n in 0..120 {
                let new = NewExecution::new(format!("job {}", n / 10)).id(id(n)).label("of", n.to_string());
                w.create(new.message("m".repeat(200)).event(NewEvent::new("e").message("t".repeat(100))))?;
            }
            Ok(())
        })
        .unwrap();
    store
}

fn id(n: u64) -> String {
    format!("execution {n}")
}

/// Where redb's image begins in a store's file.
fn image(bytes: &[u8]) -> usize {
    (0..bytes.len() / PAGE).find(|page| bytes[page * PAGE..].starts_with(b"redb\x1a\n\xa9\r\n")).unwrap()
        * PAGE
}

/// The places of the pages that say that they are branches, and how many pages each of them names.
fn branches(bytes: &[u8]) -> Vec<(usize, usize)> {
    let keys = |at: usize| usize::from(u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]));
    let pages = (image(bytes) / PAGE + 1..bytes.len() / PAGE).map(|page| page * PAGE);
    let branches = pages.filter(|at| bytes[*at] == 2 && (1..150).contains(&keys(*at)));
    branches.map(|at| (at, keys(at) + 1)).collect()
}

/// Writes to everything, and says what went wrong first.
fn write(store: &Store) -> Option<Error> {
    let mut first = None;
    for round in 0..3 {
        let written = store.write(|w| {
            for n in (round..120).step_by(7).filter(|n| !(40..43).contains(n)) {
                w.update(id(n), Update::new().message("x".repeat(300)).event(NewEvent::new("late")))?;
            }
            if w.get(id(round + 40))?.is_some() {
                w.delete(id(round + 40))?;
            }
            w.create(NewExecution::new("new").label("of", "new"))?;
            Ok(w.trim_changes(execstore::ChangeSeq(30 * (round + 1)))?)
        });
        first = first.or(written.err());
    }
    first
}

/// The page that an error names as damaged.
fn damaged(error: &Error) -> Option<&DamagedPage> {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref())
}

/// Whether the damage is there before the file is opened, or comes about while it is open.
const WHEN: [&str; 2] = ["before", "while it is open"];

/// Opens a file in which some bytes are others. With its own assertions redb reads every page when it opens one, so there damage that was there
/// before is met at once.
fn open(path: &Path, whole: &[u8], when: &str, changes: &[(usize, Vec<u8>)]) -> Result<Store, OpenError> {
    let change = |file: &mut [u8]| {
        changes.iter().for_each(|(at, bytes)| file[*at..at + bytes.len()].copy_from_slice(bytes));
    };
    let mut damaged = whole.to_vec();
    change(&mut damaged);
    let mut builder = Store::builder();
    if when == WHEN[0] {
        std::fs::write(path, damaged).unwrap();
        return builder.open(path);
    }
    std::fs::write(path, whole).unwrap();
    // Each page is read from the file each time.
    let store = builder.set_cache_size(0).open(path)?;
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for (at, bytes) in changes {
        file.seek(SeekFrom::Start(*at as u64)).unwrap();
        file.write_all(bytes).unwrap();
    }
    Ok(store)
}

#[test]
#[ignore = "the child of the tests below"]
fn child_that_writes() {
    let Some(whole) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    // redb may go round in circles.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(300));
        std::process::exit(9);
    });
    let bytes = std::fs::read(&whole).unwrap();
    let first = image(&bytes) + PAGE;
    // Back to pages that are about to be changed, and on to those that will be made first.
    let unused =
        (first..bytes.len()).step_by(PAGE).filter(|at| bytes[*at..at + PAGE].iter().all(|byte| *byte == 0));
    let branches = branches(&bytes);
    let to: Vec<_> = branches.iter().map(|(at, _)| *at).chain(unused.take(6)).collect();
    let path = whole.with_extension("damaged");
    for when in WHEN {
        for (at, named) in branches.iter().copied() {
            for to in &to {
                println!("\ncase: the branch at {at} names the page at {to}, {when}");
                let to = (to - first) / PAGE;
                let name = |which| (at + 8 + 16 * named + 8 * which, (to as u64).to_le_bytes().to_vec());
                match open(&path, &bytes, when, &(0..named).map(name).collect::<Vec<_>>()) {
                    Ok(store) => {
                        let _ = store.begin_read().map(|reader| reader.table_sizes());
                        if let Some(page) = write(&store).as_ref().and_then(damaged) {
                            println!("\nREFUSED {}", page.part);
                        }
                    }
                    Err(OpenError::Damaged { .. }) => println!("\nNOT OPENED"),
                    Err(other) => panic!("{other:?}"),
                }
                // Whoever only looks, at each page of each table too; and whoever has all of them moved.
                if let Ok(store) = Store::builder().open_read_only(&path) {
                    let _ = store.begin_read().map(|reader| reader.table_sizes());
                    let _ = store.verify();
                }
                let _ = Store::builder().compact(&path);
            }
        }
    }
    println!("\nEND");
}

/// Has each branch of a file name each page of the file, and writes to what opens. Gives the tables of which damage was named.
fn lead_anywhere(file: &Path) -> BTreeSet<String> {
    let output = child(module_path!(), "child_that_writes").env(FILE, file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().rfind(|line| line.starts_with("case")).unwrap_or_default();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(text.lines().any(|line| line == "END"), "{:?} after {last}: {error}", output.status);
    let refused = text.lines().filter_map(|line| line.strip_prefix("REFUSED "));
    refused.map(str::to_owned).collect()
}

/// Not on a disk, where there is something else.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Before, redb panicked over a page that it was changing already, and once more in unwinding: that ended the process.
#[test]
fn a_branch_that_leads_anywhere_ends_no_process_that_writes() {
    let store = filled();
    let path = store.path();
    let _folder = store.into_folder();
    let folder = folder();
    let copy = folder.path().join("closed");
    std::fs::copy(path, &copy).unwrap();
    let refused = lead_anywhere(&copy);
    for table in ["executions", "events", "jobs", "changes"] {
        assert!(refused.contains(&format!("the table execstore/{table}")), "{refused:?}");
    }
}

#[test]
fn nor_one_that_opens_a_file_that_was_not_closed() {
    let mut store = filled();
    store.reopen();
    assert!(write(&store).is_none());
    let folder = folder();
    let crashed = folder.path().join("crashed");
    std::fs::copy(store.path(), &crashed).unwrap();
    lead_anywhere(&crashed);
}

/// What reading a store says of a damaged page, and how much could be read beside it.
fn read(store: &Store) -> (BTreeSet<(String, u64)>, usize) {
    let (mut named, mut sound) = (BTreeSet::new(), 0);
    let mut note = |error: ReadError| match error {
        ReadError::Storage(StorageError::DamagedPage(page)) => drop(named.insert((page.part, page.start))),
        other => panic!("{other:?}"),
    };
    let reader = store.begin_read().unwrap();
    for n in 0..120 {
        match reader.get(id(n)) {
            Ok(found) => sound += usize::from(found.is_some()),
            Err(error) => note(error),
        }
        match reader.events(id(n), ..).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(found) => sound += found.len(),
            Err(error) => note(error),
        }
        let query = Query::new().label("of", n.to_string());
        match reader.query(&query).page() {
            Ok(found) => sound += found.executions.len(),
            Err(error) => note(error),
        }
    }
    match reader.log().range(..).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(found) => sound += found.len(),
        Err(error) => note(error),
    }
    (named, sound)
}

#[test]
fn a_damaged_branch_is_named_and_the_rest_can_be_read() {
    let store = filled();
    let path = store.path();
    let _folder = store.into_folder();
    let whole = std::fs::read(&path).unwrap();
    let before = contents(&Store::builder().open_read_only(&path).unwrap());
    let mut tables = BTreeSet::new();
    for (when, (at, _)) in
        WHEN.into_iter().flat_map(|when| branches(&whole).into_iter().map(move |at| (when, at)))
    {
        // A part of the checksum that it has of the first page that it names.
        let change = (at + 8, vec![whole[at + 8] ^ 1]);
        let Ok(store) = open(&path, &whole, when, &[change]) else { continue };
        let (named, sound) = read(&store);
        // A page that is not in use any more, or of a table that is not looked at here.
        let Some((part, start)) = named.first().cloned() else { continue };
        assert_eq!((named.len(), start as usize), (1, at - image(&whole)), "{named:?}");
        assert!(sound > 0);
        let error = write(&store).unwrap();
        let page = damaged(&error).unwrap_or_else(|| panic!("{part}: {error:?}"));
        assert_eq!((&page.part, page.start, page.len), (&part, start, PAGE as u64));
        assert!(error.to_string().contains(&part), "{error}");
        // Nobody waits for somebody who failed, and everybody reads as before.
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| store.create(NewExecution::new("job 1")).unwrap_err());
            let error = writing.join().unwrap();
            let stopped = matches!(error, Error::Storage(StorageError::Poisoned { .. }));
            assert!(stopped || damaged(&error) == Some(page), "{part}: {error:?}");
            assert_eq!(scope.spawn(|| read(&store)).join().unwrap(), (named.clone(), sound));
        });
        assert_eq!(read(&store), (named, sound));
        drop(store);
        // What is damaged is not needed by somebody who only looks for rows.
        if !cfg!(debug_assertions) {
            assert!(contents(&Store::builder().open_read_only(&path).unwrap()) == before, "{part}");
            assert!(Store::open(&path).is_ok(), "it was let go of");
        }
        tables.insert((when, part));
    }
    for when in WHEN.into_iter().skip(usize::from(cfg!(debug_assertions))) {
        for table in ["executions", "events", "changes"] {
            assert!(tables.contains(&(when, format!("the table execstore/{table}"))), "{tables:?}");
        }
    }
}
