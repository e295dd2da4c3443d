//! A commit wakes those whom it may concern, and nobody else: counted, not timed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use execstore::error::WatchError;
use execstore::outputs::OutputCap;
use execstore::watch::{WatchFrom, Watcher};
use execstore::{
    Change, ChangeKind, ChangeSeq, Error, Filter, NewEvent, NewExecution, Query, Readable, Store, Update,
};
use support::{TestStore, create};

#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<T>(future: impl Future<Output = T>, count: &Arc<Count>) -> Poll<T> {
    let waker = Waker::from(count.clone());
    std::pin::pin!(future).poll(&mut Context::from_waker(&waker))
}

fn woken(store: &Store) -> u64 {
    store.status().unwrap().woken
}

fn new(id: &str, job: &str) -> NewExecution {
    NewExecution::new(job).id(id).state("Running")
}

#[test]
fn a_thousand_followers_of_other_streams_are_left_alone() {
    let store = TestStore::new();
    for id in ["mine", "other"] {
        store.create(new(id, "j")).unwrap();
    }
    let count = Arc::<Count>::default();
    let mut followers: Vec<_> = (0..1_000)
        .map(|n| {
            // Of other executions, of other streams of the same one, and of what is not there yet.
            let (id, name) = [("other", "o"), ("mine", "other"), ("nobody", "o")][n % 3];
            store.follow_output(id, format!("{name}{}", n / 3), 0).unwrap()
        })
        .collect();
    for follower in &mut followers {
        assert!(poll(follower.next(10), &count).is_pending());
    }
    assert_eq!(store.status().unwrap().waiting, 1_000);
    for _ in 0..100 {
        store.append_output("mine", "o", "x").unwrap();
        store.append_events("mine", [NewEvent::new("t")]).unwrap();
        store.update("other", Update::new().message("m")).unwrap();
        store.create(NewExecution::new("j")).unwrap();
    }
    assert_eq!((woken(&store), count.0.load(Ordering::SeqCst)), (0, 0));
    // One of them is concerned, then all of an execution that ends, and one that begins.
    store.append_output("other", "o0", "y").unwrap();
    assert_eq!(woken(&store), 1);
    assert!(matches!(poll(followers[0].next(10), &count), Poll::Ready(Ok(part)) if part.bytes == b"y"));
    store.update("other", Update::to("Completed")).unwrap();
    assert_eq!(woken(&store), 1 + 333);
    assert!(matches!(poll(followers[3].next(10), &count), Poll::Ready(Ok(part)) if part.bytes.is_empty()));
    assert!(followers[3].has_ended());
    store.create(new("nobody", "j")).unwrap();
    assert_eq!(woken(&store), 1 + 333 + 333);
    store.write(|w| w.cap_output("nobody", "o1", OutputCap::All)).unwrap();
    drop(followers);
    assert_eq!(store.status().unwrap().waiting, 0);
}

#[test]
fn watchers_are_woken_for_what_their_filters_may_let_through() {
    let store = TestStore::new();
    store.create(new("e", "j").namespace("n").label("a", "1")).unwrap();
    let filters = [
        Filter::new().job("other"),
        Filter::new().execution("other").kind(ChangeKind::Deleted),
        Filter::new().namespaces(["other", "another"]),
        Filter::new().label("a", "2"),
        Filter::new().entered("Failed"),
        Filter::new().matching(Query::new().job("other")),
        Filter::new().matching(Query::new().id("other")),
    ];
    let count = Arc::<Count>::default();
    let mut watchers: Vec<Watcher> = filters
        .iter()
        .cycle()
        .take(700)
        .map(|f| store.watch(WatchFrom::Latest, f.clone()).unwrap())
        .collect();
    let wait = |watchers: &mut [Watcher]| {
        watchers.iter_mut().for_each(|watcher| assert!(poll(watcher.next(), &count).is_pending()));
    };
    wait(&mut watchers);
    for _ in 0..50 {
        store.update("e", Update::new().message("m")).unwrap();
        store.append_events("e", [NewEvent::new("t")]).unwrap();
    }
    assert_eq!(woken(&store), 0);
    // They need not read what did not concern them, and are not behind a trim of it.
    store.write(|w| w.trim_changes(ChangeSeq(80))).unwrap();
    wait(&mut watchers);
    assert!(watchers.iter().all(|watcher| watcher.position().get() == 101));
    // A label that goes, a state that comes: a hundred of the seven hundred each time.
    for (update, expected) in [
        (Update::new().label("a", "2"), 100),
        (Update::new().remove_label("a"), 200),
        (Update::to("Failed"), 300),
    ] {
        store.update("e", update).unwrap();
        assert_eq!(woken(&store), expected);
        for watcher in &mut watchers {
            while poll(watcher.next(), &count).is_ready() {}
        }
    }
    store.create(new("other", "other").namespace("another")).unwrap();
    assert_eq!(woken(&store), 800);
}

#[test]
fn one_poll_looks_at_a_bounded_part_of_the_log() {
    let store = TestStore::new();
    for n in 0..30 {
        store
            .write(|w| {
                for m in 0..100 {
                    w.create(NewExecution::new("j").id(format!("{n}/{m}")))?;
                }
                Ok::<_, Error>(())
            })
            .unwrap();
    }
    create(&store, "last");
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().execution("last")).unwrap();
    let count = Arc::<Count>::default();
    let mut polls = 0;
    let last: Change = loop {
        let before = watcher.position().get();
        let polled = poll(watcher.next(), &count);
        polls += 1;
        // It has itself polled again.
        match polled {
            Poll::Ready(change) => break change.unwrap(),
            Poll::Pending => assert_eq!(count.0.load(Ordering::SeqCst), polls),
        }
        assert!(watcher.position().get() - before <= 512);
    };
    assert_eq!((last.seq().get(), polls >= 6), (3_001, true));
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
                        0 => drop(store.write(|w| w.create(new(&id, &format!("j{job}")))).unwrap()),
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
                    if let Some(change) = block_on_for(watcher.next(), patience) {
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
    assert!(poll(watcher.next(), &count).is_pending());
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
    assert!(matches!(poll(watcher.next(), &count), Poll::Ready(Ok(change)) if change.seq().get() == 1));
    assert!(poll(watcher.next(), &count).is_pending());
    store.notify(join("mine"));
    assert!(matches!(poll(watcher.next(), &count), Poll::Ready(Ok(change)) if change.seq().get() == 3));
    let closed: Result<Vec<Change>, WatchError> = watcher.next_batch(1, Duration::ZERO);
    assert_eq!(closed.unwrap().len(), 0);
    assert_eq!(store.read(|r| r.log().head()).unwrap().get(), 3);
}
