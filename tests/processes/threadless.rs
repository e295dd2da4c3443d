//! Where the system gives no thread: what needs none goes on, what needs one says so by its own error, and nothing is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use execstore::error::StorageError;
use execstore::{Error, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::children::child;

const FOLDER: &str = "EXECSTORE_TEST_THREADLESS";

/// Runs a test of this file in a process in which no thread can be started: each would need a stack that there is not.
fn without_threads(test: &str, folder: &Path) {
    let output = child(module_path!(), test)
        .env("RUST_MIN_STACK", (1u64 << 62).to_string())
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn path() -> PathBuf {
    assert!(std::thread::Builder::new().spawn(|| ()).is_err(), "there are threads after all");
    Path::new(&std::env::var(FOLDER).unwrap()).join("s")
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn is_thread<T>(result: Result<T, impl Into<Error>>) -> bool {
    matches!(result.map_err(Into::into), Err(Error::Storage(StorageError::Thread { .. })))
}

#[test]
fn a_store_works_and_closes_without_threads() {
    let folder = tempfile::tempdir().unwrap();
    without_threads("all_that_needs_no_thread", folder.path());
    let store = Store::open(folder.path().join("s")).unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(r.query(&Query::new()).count().unwrap(), 2);
    assert!(r.log().checkpoints().unwrap().is_empty(), "a consumer that never ran has no checkpoint");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
#[ignore = "run by another test, without threads"]
fn all_that_needs_no_thread() {
    let path = path();
    let mut builder = Store::builder();
    builder.set_maintenance(Duration::from_secs(1)).set_removal_step(1);
    let store = builder.create_new(&path).unwrap();
    store.create(new("a")).unwrap();
    store.batch(|w| Ok(w.create(new("b")).map(drop)?)).unwrap();
    store.create(new("c").events(vec![NewEvent::new("t"); 20])).unwrap();
    store.delete("c").unwrap();
    assert!(store.status().unwrap().maintenance_error.unwrap().contains("no thread"));
    assert!(is_thread(store.submit(|w| Ok(w.create(new("never")).map(drop)?)).map(drop)));
    assert!(is_thread(store.consumer("c").run(|_| Ok(())).map(drop)));
    // What was deleted can be removed by the caller.
    assert!(store.status().unwrap().removals > 0);
    store.maintain().unwrap();
    assert_eq!(store.status().unwrap().removals, 0);
    store.close().unwrap();
    // Once more, by letting go of it.
    let store = Store::open(&path).unwrap();
    store.update("a", Update::new().message("m")).unwrap();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().read(|r| Ok(r.get("a")?)).unwrap().unwrap().revision.get(), 2);
}

#[test]
fn a_close_that_needs_a_thread_says_so_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    without_threads("a_close_beside_a_transaction", folder.path());
    let store = Store::open(folder.path().join("s")).unwrap();
    assert!(store.read(|r| Ok(r.get("a")?)).unwrap().is_some());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
#[ignore = "run by another test, without threads"]
fn a_close_beside_a_transaction() {
    let store = Store::create_new(path()).unwrap();
    store.create(new("a")).unwrap();
    let other = store.clone();
    let mine = other.share_database().begin_write().unwrap();
    assert!(is_thread(store.create(new("b"))));
    let closed = store.close();
    assert!(matches!(closed, Err(StorageError::Thread { .. })), "{closed:?}");
    let text = closed.unwrap_err().to_string();
    assert!(text.contains("no thread could be started") && !text.contains("journal"), "{text}");
    mine.abort().unwrap();
    drop(other);
}
