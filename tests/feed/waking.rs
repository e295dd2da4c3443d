//! A commit wakes those whom it may concern, and nobody else: counted, not timed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use conformance::feed::waking::{Count, poll};
use execstore::error::WatchError;
use execstore::watch::WatchFrom;
use execstore::{Change, Filter, NewExecution, Readable};
use support::TestStore;

fn new(id: &str, job: &str) -> NewExecution {
    NewExecution::new(job).id(id).state("Running")
}

/// Writers, watchers as threads and as futures, and followers: whoever waits hears of everything of his own, whatever comes
/// between his look and his wait.
#[test]
fn nothing_is_missed_while_all_come_and_go() {
    const JOBS: usize = 4;
    const EACH: usize = 150;
    let seed = std::env::var("EXECSTORE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(11_u64);
    println!("EXECSTORE_SEED={seed}");
    let store = TestStore::new();
    (0..JOBS).for_each(|job| drop(store.create(new(&format!("{job}"), "out")).unwrap()));
    let next = |dice: &mut u64| {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *dice >> 33
    };
    thread::scope(|scope| {
        let store = &*store;
        for job in 0..JOBS {
            scope.spawn(move || {
                let mut dice = seed ^ job as u64;
                for n in 0..EACH {
                    let id = format!("{job}/{n}");
                    match next(&mut dice) % 3 {
                        0 => drop(store.write(|w| Ok(w.create(new(&id, &format!("j{job}")))?)).unwrap()),
                        1 => drop(store.create(new(&id, &format!("j{job}"))).unwrap()),
                        _ => {
                            let txn = store.begin_write().unwrap();
                            txn.writer().unwrap().create(new(&id, &format!("j{job}"))).unwrap();
                            txn.writer().unwrap().append_output(job.to_string(), "o", "-").unwrap();
                            txn.commit().unwrap();
                            continue;
                        }
                    }
                    store.append_output(job.to_string(), "o", "-").unwrap();
                }
            });
            scope.spawn(move || {
                let mut watcher =
                    store.watch(WatchFrom::Oldest, Filter::new().job(format!("j{job}"))).unwrap();
                let (mut dice, mut seen) = (seed ^ 100 ^ job as u64, 0);
                while seen < EACH {
                    let most = Duration::from_micros(next(&mut dice) % 2_000);
                    let most = if next(&mut dice).is_multiple_of(2) { Duration::MAX } else { most };
                    seen += watcher.next_batch(7, most).unwrap().len();
                }
                assert_eq!(seen, EACH);
            });
            scope.spawn(move || {
                let mut watcher =
                    store.watch(WatchFrom::Oldest, Filter::new().job(format!("j{job}"))).unwrap();
                let (mut dice, mut seen) = (seed ^ 200 ^ job as u64, 0);
                while seen < EACH {
                    // Given up now and then, and begun anew.
                    let patience = next(&mut dice) % 5;
                    if let Some(change) = block_on_for(watcher.recv(), patience) {
                        change.unwrap();
                        seen += 1;
                    }
                }
            });
            scope.spawn(move || {
                let mut follower = store.follow_output(job.to_string(), "o", 0).unwrap();
                let mut seen = 0;
                while seen < EACH {
                    seen += follower.next_part(3, Duration::MAX).unwrap().bytes.len();
                }
            });
        }
    });
    assert_eq!(store.status().unwrap().waiting, 0);
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future without end, or gives it up after so many milliseconds if that is not 0.
fn block_on_for<T>(mut future: impl Future<Output = T> + Unpin, patience: u64) -> Option<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(value) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        match patience {
            0 => thread::park(),
            most => {
                thread::park_timeout(Duration::from_millis(most));
                return None;
            }
        }
    }
}

#[test]
fn a_joined_commit_wakes_all_of_them_once_it_is_told_of() {
    let store = TestStore::new();
    let count = Arc::<Count>::default();
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new().job("mine")).unwrap();
    assert!(poll(watcher.recv(), &count).is_pending());
    let join = |job: &str| {
        let txn = store.share_database().begin_write().unwrap();
        let mut writer = store.join(&txn).unwrap();
        writer.create(NewExecution::new(job)).unwrap();
        let receipt = writer.finish();
        txn.commit().unwrap();
        receipt
    };
    // Nobody tells of it; the next commit of the store's own finds the gap.
    let _ = join("mine");
    store.create(NewExecution::new("other")).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(poll(watcher.recv(), &count), Poll::Ready(Ok(change)) if change.seq().get() == 1));
    assert!(poll(watcher.recv(), &count).is_pending());
    store.notify(join("mine"));
    assert!(matches!(poll(watcher.recv(), &count), Poll::Ready(Ok(change)) if change.seq().get() == 3));
    let closed: Result<Vec<Change>, WatchError> = watcher.next_batch(1, Duration::ZERO);
    assert_eq!(closed.unwrap().len(), 0);
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3);
}

#[test]
fn whoever_waits_for_a_bucket_hears_of_joined_commits_in_a_database_of_the_callers() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let attached = Arc::new(execstore::redb::Database::create(file.path()).unwrap());
    let attached = execstore::Store::attach(attached).unwrap();
    let own = TestStore::new();
    for store in [&attached, &*own] {
        let count = Arc::<Count>::default();
        let mut watcher = store.watch_bucket_at(["a", "b"]).unwrap();
        store.write(|w| Ok(w.open_bucket("a")?.open_bucket("b")?.put("k", "v")?)).unwrap();
        assert!(poll(watcher.recv(), &count).is_ready() && poll(watcher.recv(), &count).is_pending());
        let txn = store.share_database().begin_write().unwrap();
        let mut writer = store.join(&txn).unwrap();
        writer.open_bucket("a").unwrap().open_bucket("b").unwrap().put("joined", "v").unwrap();
        let receipt = writer.finish();
        assert!(poll(watcher.recv(), &count).is_pending(), "it is not committed");
        txn.commit().unwrap();
        store.notify(receipt);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(watcher.changed(Duration::MAX).unwrap());
        let mut lazy = store.begin_write().unwrap();
        lazy.set_durability(execstore::redb::Durability::None);
        lazy.writer().unwrap().open_bucket("a").unwrap().open_bucket("b").unwrap().put("lazy", "v").unwrap();
        lazy.commit().unwrap();
        assert!(watcher.changed(Duration::MAX).unwrap());
        let len = store.read(|r| Ok(r.bucket("a")?.bucket("b")?.len())).unwrap();
        assert_eq!(len, 3);
    }
}
