//! A commit wakes those whom it may concern, and nobody else: counted, not timed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use execstore::outputs::OutputCap;
use execstore::watch::{WatchFrom, Watcher};
use execstore::{Change, ChangeKind, ChangeSeq, Filter, NewEvent, NewExecution, Query, Store, Update};
use support::create;

use crate::Engine;

#[derive(Default)]
pub struct Count(pub AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub fn poll<T>(future: impl Future<Output = T>, count: &Arc<Count>) -> Poll<T> {
    let waker = Waker::from(count.clone());
    std::pin::pin!(future).poll(&mut Context::from_waker(&waker))
}

fn woken(store: &Store) -> u64 {
    store.status().unwrap().woken
}

fn new(id: &str, job: &str) -> NewExecution {
    NewExecution::new(job).id(id).state("Running")
}

pub fn a_thousand_followers_of_other_streams_are_left_alone(engine: &dyn Engine) {
    let store = engine.store();
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
        assert!(poll(follower.recv(10), &count).is_pending());
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
    assert!(matches!(poll(followers[0].recv(10), &count), Poll::Ready(Ok(part)) if part.bytes == b"y"));
    store.update("other", Update::to("Completed")).unwrap();
    assert_eq!(woken(&store), 1 + 333);
    assert!(matches!(poll(followers[3].recv(10), &count), Poll::Ready(Ok(part)) if part.bytes.is_empty()));
    assert!(followers[3].has_ended());
    store.create(new("nobody", "j")).unwrap();
    assert_eq!(woken(&store), 1 + 333 + 333);
    store.write(|w| Ok(w.cap_output("nobody", "o1", OutputCap::All)?)).unwrap();
    drop(followers);
    assert_eq!(store.status().unwrap().waiting, 0);
}

pub fn watchers_are_woken_for_what_their_filters_may_let_through(engine: &dyn Engine) {
    let store = engine.store();
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
        watchers.iter_mut().for_each(|watcher| assert!(poll(watcher.recv(), &count).is_pending()));
    };
    wait(&mut watchers);
    for _ in 0..50 {
        store.update("e", Update::new().message("m")).unwrap();
        store.append_events("e", [NewEvent::new("t")]).unwrap();
    }
    assert_eq!(woken(&store), 0);
    // They need not read what did not concern them, and are not behind a trim of it.
    store.write(|w| Ok(w.trim_changes(ChangeSeq(80))?)).unwrap();
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
            while poll(watcher.recv(), &count).is_ready() {}
        }
    }
    store.create(new("other", "other").namespace("another")).unwrap();
    assert_eq!(woken(&store), 800);
}

pub fn one_poll_looks_at_a_bounded_part_of_the_log(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..30 {
        store
            .write(|w| {
                for m in 0..100 {
                    w.create(NewExecution::new("j").id(format!("{n}/{m}")))?;
                }
                Ok(())
            })
            .unwrap();
    }
    create(&store, "last");
    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().execution("last")).unwrap();
    let count = Arc::<Count>::default();
    let mut polls = 0;
    let last: Change = loop {
        let before = watcher.position().get();
        let polled = poll(watcher.recv(), &count);
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
