//! Whoever waits for a bucket hears of every commit that touches it, and of no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use execstore::buckets::{BucketMut, BucketWatcher};
use execstore::error::WatchError;
use execstore::{Error, NewEvent, NewExecution, Readable, Store, Update};

use crate::Engine;
use crate::feed::waking::{Count, poll};

fn has_changed(watcher: &mut BucketWatcher) -> bool {
    let changed = watcher.changed(Duration::ZERO).unwrap();
    assert!(!watcher.changed(Duration::ZERO).unwrap(), "it was told");
    changed
}

fn in_b<T>(store: &Store, act: impl FnOnce(&mut BucketMut<'_, '_>) -> T) {
    store
        .write(|w| {
            act(&mut w.open_bucket("b")?);
            Ok(())
        })
        .unwrap();
}

pub fn whatever_touches_a_bucket_is_told_once(engine: &dyn Engine) {
    type Act = (&'static str, fn(&mut BucketMut<'_, '_>), bool);
    let acts: [Act; 15] = [
        ("it is made", |_| {}, true),
        ("it is opened", |_| {}, false),
        ("put", |b| assert!(b.put("k", "1").unwrap()), true),
        ("put again", |b| assert!(!b.put("k", "1").unwrap()), true),
        ("read", |b| assert!(b.get("k").unwrap().is_some() && b.contains_key("k").unwrap()), false),
        ("deleted what is not there", |b| assert!(!b.delete("none").unwrap()), false),
        ("delete", |b| assert!(b.delete("k").unwrap()), true),
        ("sequence", |b| assert_eq!(b.next_sequence().unwrap(), 1), true),
        ("an inner one is made", |b| drop(b.open_bucket("inner").unwrap()), true),
        ("in the inner one", |b| assert!(b.open_bucket("inner").unwrap().put("k", "").unwrap()), false),
        ("an inner one is deleted", |b| assert!(b.delete_bucket("inner").unwrap()), true),
        ("many", |b| ["a", "c", "e"].iter().for_each(|k| assert!(b.put(k, k).unwrap())), true),
        ("take", |b| assert!(b.take("c").unwrap().is_some()), true),
        ("pop_first_through", |b| assert!(b.pop_first_through("b").unwrap().is_some()), true),
        ("pop_last", |b| assert!(b.pop_last().unwrap().is_some() && b.pop_first().unwrap().is_none()), true),
    ];
    let store = engine.store();
    let mut watcher = store.watch_bucket("b").unwrap();
    assert!(!has_changed(&mut watcher));
    for (what, act, touches) in acts {
        in_b(&store, act);
        assert_eq!(has_changed(&mut watcher), touches, "{what}");
    }
    in_b(&store, |b| b.put("k", "").unwrap());
    in_b(&store, |b| b.put("k", "").unwrap());
    // One that is made now hears of nothing that was, and a clone of what the first was not told yet.
    let (mut late, mut clone) = (store.watch_bucket("b").unwrap(), watcher.clone());
    assert_eq!([&mut late, &mut watcher, &mut clone].map(has_changed), [false, true, true]);
    assert!(store.delete_bucket("b").unwrap());
    assert_eq!([&mut late, &mut watcher, &mut clone].map(has_changed), [true; 3]);
}

pub fn what_others_touch_wakes_nobody(engine: &dyn Engine) {
    let store = engine.store();
    store.create(NewExecution::new("j").id("e").state("Running")).unwrap();
    in_b(&store, |b| drop(b.open_bucket("inner").unwrap()));
    let count = Arc::<Count>::default();
    let mut watchers: Vec<_> = [&["b"][..], &["b", "other"], &["other", "b"], &["b", "inner", "b"]]
        .iter()
        .cycle()
        .take(400)
        .map(|path| store.watch_bucket_at(*path).unwrap())
        .collect();
    for watcher in &mut watchers {
        assert!(poll(watcher.recv(), &count).is_pending());
    }
    assert_eq!(store.status().unwrap().waiting, 400);
    for _ in 0..20 {
        store.update("e", Update::new().message("m")).unwrap();
        store.append_events("e", [NewEvent::new("t")]).unwrap();
        store.append_output("e", "o", "x").unwrap();
        store.write(|w| Ok(w.open_bucket("a")?.put("k", "v")?)).unwrap();
        in_b(&store, |b| b.open_bucket("inner").unwrap().put("k", "v").unwrap());
        let failed = store.write(|w| {
            w.open_bucket("b")?.put("k", "v")?;
            Err::<(), _>(Error::caller("no"))
        });
        assert!(failed.is_err());
    }
    assert!(!watchers[0].clone().changed(Duration::ZERO).unwrap());
    let woken = || (store.status().unwrap().woken, count.0.load(Ordering::SeqCst));
    assert_eq!(woken(), (0, 0));
    // A quarter of them.
    in_b(&store, |b| b.put("k", "v").unwrap());
    assert_eq!(woken(), (100, 100));
    // They are called once, until they have come.
    in_b(&store, |b| b.put("k", "v").unwrap());
    assert_eq!(woken(), (100, 100));
    for (n, watcher) in watchers.iter_mut().enumerate() {
        let polled = poll(watcher.recv(), &count);
        assert_eq!(polled.is_ready(), n % 4 == 0, "{n}: {polled:?}");
    }
    drop(watchers);
    assert_eq!(store.status().unwrap().waiting, 0);
}

pub fn one_in_others_goes_with_each_of_them(engine: &dyn Engine) {
    let store = engine.store();
    let path = ["b", "inner", "inmost"];
    let make = || in_b(&store, |b| drop(b.open_bucket("inner").unwrap().open_bucket("inmost").unwrap()));
    let mut watcher = store.watch_bucket_at(path).unwrap();
    make();
    assert!(has_changed(&mut watcher));
    in_b(&store, |b| assert!(b.delete_bucket("inner").unwrap()));
    assert!(has_changed(&mut watcher));
    make();
    assert!(has_changed(&mut watcher));
    assert!(store.delete_bucket("b").unwrap());
    assert!(has_changed(&mut watcher));
    // Names lie apart however they are put together.
    store
        .write(|w| {
            w.open_bucket("b/inner")?.open_bucket("inmost")?.put("k", "v")?;
            w.open_bucket("inmost")?.open_bucket("inner")?.open_bucket("b")?;
            Ok(())
        })
        .unwrap();
    assert!(!has_changed(&mut watcher));
    for refused in [store.watch_bucket(""), store.watch_bucket_at([""; 0]), store.watch_bucket_at(["b", ""])]
    {
        assert!(matches!(refused, Err(WatchError::Input(_))), "{refused:?}");
    }
}

pub fn every_kind_of_transaction_is_heard_of(engine: &dyn Engine) {
    let store = engine.store();
    // One that had begun before anybody waited for a bucket.
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().open_bucket("b").unwrap().put("k", "").unwrap();
    let mut watcher = store.watch_bucket("b").unwrap();
    assert!(matches!(watcher.changed(Duration::MAX), Err(WatchError::Reentrant(_))));
    txn.writer().unwrap().create(NewExecution::new("j")).unwrap();
    txn.commit().unwrap();
    assert!(has_changed(&mut watcher));
    store.batch(|w| Ok(w.open_bucket("b")?.put("batch", "")?)).unwrap();
    assert!(has_changed(&mut watcher));
    store.submit(|w| Ok(w.open_bucket("b")?.put("submit", "")?)).unwrap().wait().unwrap();
    assert!(has_changed(&mut watcher));
    let count = Arc::<Count>::default();
    assert!(poll(watcher.recv(), &count).is_pending());
    store.write(|w| Ok(w.open_bucket("b")?.put("woken", "")?)).unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(poll(watcher.recv(), &count), Poll::Ready(Ok(()))));
    store
        .write(|_| {
            assert!(matches!(watcher.changed(Duration::ZERO), Err(WatchError::Reentrant(_))));
            Ok(())
        })
        .unwrap();
}

/// Producers put, consumers wait and take: everything is taken once, and whoever waits ends.
pub fn a_queue_of_many_threads_is_emptied(engine: &dyn Engine) {
    const PRODUCERS: usize = 4;
    const CONSUMERS: usize = 5;
    const EACH: usize = 60;
    let store = engine.store();
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (store, taken) = (&*store, &taken);
        let watcher = store.watch_bucket_at(["engine", "queue"]).unwrap();
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|consumer| {
                let mut watcher = watcher.clone();
                scope.spawn(move || {
                    let (mut own, count) = (Vec::new(), Arc::<Count>::default());
                    loop {
                        let empty = || store.read(|r| Ok(r.bucket("engine")?.bucket("queue")?.is_empty()));
                        while !empty().unwrap() {
                            let row = store
                                .batch(|w| Ok(w.open_bucket("engine")?.open_bucket("queue")?.pop_first()?))
                                .unwrap();
                            if let Some(row) = row {
                                own.push(row.value);
                                if taken.fetch_add(1, Ordering::SeqCst) + 1 == PRODUCERS * EACH {
                                    // The others looked before this was counted.
                                    store
                                        .write(|w| {
                                            let mut engine = w.open_bucket("engine")?;
                                            Ok(engine.open_bucket("queue")?.next_sequence()?)
                                        })
                                        .unwrap();
                                }
                            }
                        }
                        if taken.load(Ordering::SeqCst) == PRODUCERS * EACH {
                            return own;
                        }
                        // As a future or as a thread.
                        if consumer % 2 == 0 || poll(watcher.recv(), &count).is_pending() {
                            assert!(watcher.changed(Duration::MAX).unwrap());
                        }
                    }
                })
            })
            .collect();
        for producer in 0..PRODUCERS {
            scope.spawn(move || {
                for n in 0..EACH {
                    let put = move |w: &mut execstore::Writer<'_>| {
                        let mut engine = w.open_bucket("engine")?;
                        let mut queue = engine.open_bucket("queue")?;
                        let place = queue.next_sequence()?;
                        queue.put(place.to_be_bytes(), format!("{producer}/{n}"))?;
                        Ok(())
                    };
                    if n % 3 == 0 { store.write(put).unwrap() } else { store.batch(put).unwrap() }
                }
            });
        }
        let mut all: Vec<_> = consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), PRODUCERS * EACH);
    });
    assert_eq!(store.status().unwrap().waiting, 0);
}
