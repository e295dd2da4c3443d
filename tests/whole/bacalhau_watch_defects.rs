//! The known defects of Bacalhau's event store and watchers, each as a test of what is right.

use std::time::{Duration, Instant};

use execstore::error::{PositionError, StorageError, WatchError};
use execstore::options::LogRetention;
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, Filter, NewExecution, Readable, Store};
use support::waits::until_waiting;
use support::{TestStore, create};

fn keeping(entries: u64) -> TestStore {
    TestStore::with(Store::builder().set_log_retention(LogRetention::new().max_count(entries)))
}

fn with_changes(store: &Store, n: usize) {
    store.write(|w| Ok((0..n).try_for_each(|_| w.create(NewExecution::new("j")).map(drop))?)).unwrap();
}

fn head(store: &Store) -> u64 {
    store.read(|r| Ok(r.log().head()?)).unwrap().get()
}

#[test]
fn gc_latest_the_head_survives_a_full_trim_and_a_restart() {
    let mut store = keeping(0);
    with_changes(&store, 7);
    assert_eq!(store.maintain().unwrap().trimmed, 7);
    assert_eq!(head(&store), 7);
    store.reopen();
    assert_eq!(head(&store), 7);
    let mut latest = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    create(&store, "e");
    assert_eq!(latest.next_batch(10, Duration::ZERO).unwrap()[0].seq().get(), 8);
}

#[test]
fn gc_gap_who_was_overtaken_is_told_and_does_not_get_the_next_entries() {
    let store = keeping(3);
    with_changes(&store, 10);
    let mut watcher = store.watch(WatchFrom::After(ChangeSeq(2)), Filter::new()).unwrap();
    store.maintain().unwrap();
    let told = watcher.next_batch(10, Duration::ZERO);
    assert!(
        matches!(told, Err(WatchError::Position(PositionError::Trimmed { oldest: ChangeSeq(8), .. }))),
        "{told:?}"
    );
    let told = store.read(|r| Ok(r.log().range(ChangeSeq(3)..).map(drop)?));
    assert!(
        matches!(
            told,
            Err(Error::Position(PositionError::Trimmed { requested: ChangeSeq(3), oldest: ChangeSeq(8) }))
        ),
        "{told:?}"
    );
}

#[test]
fn gc_cp0_a_checkpoint_of_0_holds_the_log_back() {
    let store = keeping(0);
    with_changes(&store, 5);
    store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(0))?)).unwrap();
    let done = store.maintain().unwrap();
    assert_eq!((done.trimmed, done.held_by.as_deref()), (0, Some("c")));
}

#[test]
fn gc_new_a_consumer_is_protected_from_the_moment_it_is_registered() {
    let store = keeping(0);
    with_changes(&store, 5);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let consumer = store
        .consumer("c")
        .run(move |changes| {
            held.recv().ok();
            Ok(changes.iter().try_for_each(|change| tell.send(change.seq().get()))?)
        })
        .unwrap();
    // It has handled and saved nothing yet.
    assert_eq!(store.maintain().unwrap().trimmed, 0);
    drop(release);
    let seen: Vec<_> = (0..5).map(|_| told.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    drop(consumer);
    assert_eq!(store.maintain().unwrap().trimmed, 5);
}

#[test]
fn gc_none_without_any_checkpoint_the_log_is_trimmed_too() {
    let store = keeping(2);
    with_changes(&store, 5);
    assert_eq!(store.maintain().unwrap().trimmed, 3);
}

#[test]
fn gc_rate_one_run_trims_all_there_is_to_trim() {
    let store = keeping(0);
    (0..12).for_each(|_| with_changes(&store, 1_000));
    assert_eq!(store.maintain().unwrap().trimmed, 12_000);
}

#[test]
fn ctx_every_wait_has_an_end_that_the_caller_sets() {
    let store = TestStore::new();
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    let began = Instant::now();
    assert!(watcher.next_batch(1, Duration::from_millis(20)).unwrap().is_empty());
    assert!(store.wait_for_changes(ChangeSeq(0), Duration::from_millis(20)).is_ok());
    assert!(began.elapsed() < Duration::from_secs(20));
    // A future that is dropped stops waiting and loses nothing; a full queue can refuse instead of waiting.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        assert!(tokio::time::timeout(Duration::from_millis(20), watcher.recv()).await.is_err());
        create(&store, "e");
        assert_eq!(watcher.recv().await.unwrap().seq().get(), 1);
    });
    assert!(store.group_commit().refuse_when_full().batch(|w| Ok(w.create(NewExecution::new("j"))?)).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn close_leak_no_thread_outlives_its_store() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let mut builder = Store::builder();
    builder.set_maintenance(Duration::from_secs(600)).set_log_retention(LogRetention::new().max_count(1));
    let open = || {
        let store = builder.in_memory().unwrap();
        store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap().wait().unwrap();
        let consumer = store.consumer("c").run(|_| Ok(())).unwrap();
        (store, consumer)
    };
    // Other tests come and go: what leaks in fifty rounds shows all the same.
    let before = threads();
    for _ in 0..50 {
        let (store, _consumer) = open();
        store.close().unwrap();
    }
    assert!(threads() < before + 50, "{} threads, {before} before", threads());
}

#[test]
fn close_poll_a_long_poll_under_way_is_ended() {
    let store = TestStore::new();
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    let polling = std::thread::spawn(move || {
        let began = Instant::now();
        (watcher.next_batch(1, Duration::from_secs(600)), began.elapsed())
    });
    until_waiting(&store, 1);
    Store::clone(&store).close().unwrap();
    let (ended, took) = polling.join().unwrap();
    assert!(
        matches!(ended, Err(WatchError::Storage(StorageError::Closed))) && took < Duration::from_secs(60)
    );
    drop(store.into_folder());
}
