//! A storage that fails stops the store from writing: whoever waits is woken and told why, and a call tells everybody else.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use execstore::consumer::{ConsumerState, Retry};
use execstore::error::{BeginError, CommitError, StorageError, WatchError};
use execstore::options::LogRetention;
use execstore::redb::{ReadableTable, TableDefinition};
use execstore::status::Health;
use execstore::watch::WatchFrom;
use execstore::{ChangeSeq, Error, Filter, NewExecution, Store, Timestamp};

use support::faulty::Faulty;
use support::waits::{until, until_waiting};

const LONG: Duration = Duration::from_secs(3_600);

/// A store whose disk can be broken, with one execution.
fn store() -> (Faulty, Store) {
    let faulty = Faulty::new(Vec::new(), None);
    let store = Store::builder().create_file_with_backend(faulty.disk()).unwrap();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e"))?)).unwrap();
    (faulty, store)
}

/// Breaks the disk; the next write finds out.
fn poison(faulty: &Faulty, store: &Store) {
    faulty.break_now();
    let failed = store.write(|w| Ok(w.create(NewExecution::new("j"))?));
    assert!(failed.is_err());
}

fn told(error: &Error) -> bool {
    let Error::Storage(StorageError::Poisoned { reason: Some(reason) }) = error else { return false };
    matches!(**reason, StorageError::Journal(_) | StorageError::Database(_))
}

struct Thread(thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Thread(thread::current())));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        thread::park();
    }
}

#[test]
fn whoever_waits_is_told_and_sees_first_what_was_committed() {
    let (faulty, store) = store();
    assert!(store.health().is_sound());
    type Wait = fn(&Store) -> Result<(), Error>;
    let waits: [Wait; 7] = [
        |store| {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new())?;
            assert_eq!(watcher.next_batch(9, LONG)?.len(), 1);
            Ok(watcher.next_batch(9, LONG).map(drop)?)
        },
        |store| {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().job("other"))?;
            Ok(watcher.next_batch(9, LONG).map(drop)?)
        },
        |store| {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new())?;
            let mut changes = watcher.iter();
            changes.next().unwrap()?;
            let error = changes.next().unwrap().map(drop);
            assert!(changes.next().is_none());
            Ok(error?)
        },
        |store| {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new())?;
            block_on(watcher.recv())?;
            Ok(block_on(watcher.recv()).map(drop)?)
        },
        |store| Ok(store.wait_for_changes(ChangeSeq(1), LONG).map(drop)?),
        |store| Ok(store.follow_output("e", "o", 0)?.next_part(9, LONG).map(drop)?),
        |store| Ok(block_on(store.follow_output("e", "o", 0)?.recv(9)).map(drop)?),
    ];
    thread::scope(|scope| {
        let threads: Vec<_> = waits.iter().map(|wait| scope.spawn(|| wait(&store))).collect();
        until_waiting(&store, waits.len());
        poison(&faulty, &store);
        for (at, thread) in threads.into_iter().enumerate() {
            let error = thread.join().unwrap().unwrap_err();
            assert!(told(&error), "wait {at}: {error}");
        }
    });
    assert!(matches!(store.health(), Health::Poisoned(StorageError::Journal(_) | StorageError::Database(_))));
    // Whoever comes later is told at once.
    for (at, wait) in waits.iter().enumerate() {
        let error = wait(&store).unwrap_err();
        assert!(told(&error), "wait {at}: {error}");
    }
}

#[test]
fn consumers_end_and_say_that_the_store_is_poisoned() {
    let (faulty, store) = store();
    let (seen, sees) = channel();
    let idle = store.consumer("idle").run(move |_| Ok(seen.send(())?)).unwrap();
    let backs_off = store
        .consumer("backs off")
        .retry(Retry::new().initial(LONG).ceiling(LONG))
        .run(|_| Err::<(), _>("not today".into()))
        .unwrap();
    let within = store.consumer("within").start_at(WatchFrom::Latest).run_in_transaction(|_, _| Ok(()));
    let within = within.unwrap();
    sees.recv().unwrap();
    until("one backs off, one is through", || {
        backs_off.stats().state == ConsumerState::BackingOff && idle.stats().position.get() == 1
    });
    poison(&faulty, &store);
    for consumer in [idle, backs_off, within] {
        until("it is poisoned", || consumer.stats().state == ConsumerState::Poisoned);
        let stats = consumer.stop();
        assert_eq!(stats.state, ConsumerState::Poisoned);
        assert!(stats.last_error.is_some_and(|error| error.contains("failed")));
    }
}

#[test]
fn writers_in_the_line_and_in_the_queue_are_told() {
    let (faulty, store) = store();
    let held = store.begin_write().unwrap();
    held.writer().unwrap().create(NewExecution::new("j")).unwrap();
    let queued: Vec<_> =
        (0..5).map(|_| store.submit(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap()).collect();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| store.begin_write().map(drop))).collect();
        faulty.break_now();
        let failed = held.commit();
        assert!(matches!(failed, Err(CommitError::RolledBack(_) | CommitError::Unknown(_))), "{failed:?}");
        for thread in waiting {
            assert!(matches!(
                thread.join().unwrap(),
                Err(BeginError::Storage(StorageError::Poisoned { .. }))
            ));
        }
    });
    for pending in queued {
        // Those who were in time to hear of the sync that failed do not know what became of them.
        let error = pending.wait().unwrap_err();
        let told = matches!(
            error,
            Error::Storage(StorageError::Poisoned { .. })
                | Error::Commit(CommitError::Unknown(StorageError::Journal(_)))
        );
        assert!(told, "{error}");
    }
    assert!(matches!(store.maintain(), Ok(_) | Err(Error::Storage(StorageError::Poisoned { .. }))));
}

#[test]
fn an_error_that_is_over_is_not_kept() {
    let (_, store) = store();
    let mut times = 0;
    let retry = Retry::new().initial(Duration::from_millis(1));
    let consumer = store.consumer("c").retry(retry).run(move |_| {
        times += 1;
        if times < 3 { Err("not yet".into()) } else { Ok(()) }
    });
    let consumer = consumer.unwrap();
    until("it is handled", || consumer.stats().handled > 0);
    let stats = consumer.stats();
    assert_eq!((stats.failures, stats.last_error), (2, None));
}

#[test]
fn whoever_waits_is_told_of_a_close() {
    let (_, store) = store();
    let other = store.clone();
    store.update("e", execstore::Update::to("BidAccepted")).unwrap();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut follower = other.follow_output("e", "o", 0).unwrap();
            let parts = [block_on(follower.recv(9)).map(drop), follower.next_part(9, LONG).map(drop)];
            parts.map(|part| matches!(part, Err(WatchError::Storage(StorageError::Closed))))
        });
        until_waiting(&other, 1);
        store.close().unwrap();
        assert_eq!(thread.join().unwrap(), [true, true]);
    });
    assert!(matches!(other.health(), Health::Closed));
    assert!(other.begin_read().is_err());
}

#[test]
fn a_maintenance_that_fails_says_so() {
    let (faulty, now) = (Faulty::new(Vec::new(), None), Arc::new(AtomicI64::new(1)));
    let clock = now.clone();
    let mut builder = Store::builder();
    builder.set_clock(move || Timestamp::from_nanos(clock.load(Ordering::SeqCst)));
    builder.set_log_retention(LogRetention::new().max_age(Duration::from_nanos(10)));
    builder.set_maintenance(Duration::from_millis(1));
    let store = builder.create_file_with_backend(faulty.disk()).unwrap();
    store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    poison(&faulty, &store);
    assert_eq!(store.status().unwrap().maintenance_error, None, "there was nothing to do");
    now.store(1_000, Ordering::SeqCst);
    until("it has failed", || store.status().unwrap().maintenance_error.is_some());
}

/// The file as such is sound: nothing but the store itself would refuse the next write.
#[test]
fn whoever_waited_while_the_store_stopped_writes_nothing() {
    let meta: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("execstore/meta");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_new(folder.path().join("s")).unwrap();
    // The row that names the journal, of which the first commit begins a round.
    let txn = store.share_database().begin_write().unwrap();
    {
        let mut table = txn.open_table(meta).unwrap();
        let key = table.first().unwrap().map(|(key, _)| key.value().to_vec()).unwrap();
        table.insert(key.as_slice(), [0; 9].as_slice()).unwrap();
    }
    txn.commit().unwrap();
    let held = store.begin_write().unwrap();
    held.writer().unwrap().create(NewExecution::new("j")).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| store.begin_write().map(drop));
        until("another waits", || store.status().unwrap().writers_waiting == 1);
        assert!(held.commit().is_err());
        let told = waiting.join().unwrap();
        assert!(
            matches!(told, Err(BeginError::Storage(StorageError::Poisoned { reason: Some(_) }))),
            "{told:?}"
        );
    });
}
