//! Calls that would wait for the very thread that makes them are refused, whatever call it is and wherever it is made.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use execstore::error::{BatchError, BeginError, WatchError};
use execstore::options::GroupCommitOptions;
use execstore::outputs::OutputFollower;
use execstore::watch::{WatchFrom, Watcher};
use execstore::{ChangeSeq, Error, Filter, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::create;

use crate::{Engine, TestStore};

const LONG: Duration = Duration::from_secs(3_600);

fn new() -> NewExecution {
    NewExecution::new("j")
}

pub type Call = (&'static str, Result<(), Error>);

/// What [`calls`] wait with. A store is not read within a closure that writes to it, so it is made outside.
pub struct Waiters {
    watcher: Watcher,
    follower: OutputFollower,
    head: ChangeSeq,
}

pub fn waiters(store: &Store) -> Waiters {
    Waiters {
        watcher: store.watch(WatchFrom::Latest, Filter::new()).unwrap(),
        follower: store.follow_output("e", "none", 0).unwrap(),
        head: store.read(|r| Ok(r.log().head()?)).unwrap(),
    }
}

/// Every call that waits for a write of the store, under the name of the call.
pub fn calls(store: &Store, waiters: Waiters) -> Vec<Call> {
    let Waiters { mut watcher, mut follower, head } = waiters;
    let visits = store.track_visits();
    visits.visit("e");
    vec![
        ("begin_write", store.begin_write().map(drop).map_err(Error::from)),
        ("write", store.write(|_| Ok(()))),
        ("batch", store.batch(|_| Ok(()))),
        ("try_batch", store.group_commit().refuse_when_full().batch(|_| Ok(()))),
        ("create", store.create(new()).map(drop)),
        ("update", store.update("e", Update::new()).map(drop)),
        ("append_events", store.append_events("e", [NewEvent::new("t")]).map(drop)),
        ("delete", store.delete("e").map(drop)),
        ("append_output", store.append_output("e", "o", "x").map(drop)),
        ("bulk", store.bulk(Query::new()).update(Update::new()).map(drop)),
        ("bulk, named", store.bulk(Query::new()).name("n").delete().map(drop)),
        ("forget_bulk", store.forget_bulk("n").map(drop)),
        ("flush", visits.flush().map(drop)),
        ("consumer", store.consumer("c").run(|_| Ok(())).map(drop)),
        ("consumer in a transaction", { store.consumer("c").run_in_transaction(|_, _| Ok(())).map(drop) }),
        ("wait_for_changes", store.wait_for_changes(head, LONG).map(drop).map_err(Error::from)),
        ("next_batch", watcher.next_batch(1, LONG).map(drop).map_err(Error::from)),
        ("iter", watcher.iter().next().unwrap().map(drop).map_err(Error::from)),
        ("next_part", follower.next_part(1, LONG).map(drop).map_err(Error::from)),
    ]
}

#[track_caller]
pub fn all_refused(place: &str, calls: Vec<Call>) {
    for (call, result) in calls {
        let reentrant = matches!(result, Err(Error::Reentrant(_)));
        assert!(reentrant, "{call} in {place}: {result:?}");
    }
}

fn retention() -> execstore::Builder {
    let mut builder = Store::builder();
    builder.set_log_retention(execstore::options::LogRetention::new().max_count(0));
    builder
}

pub fn every_write_and_every_wait_within_a_write_is_refused(engine: &dyn Engine) {
    let store = engine.store_with(&retention());
    create(&store, "e");

    let held = store.begin_write().unwrap();
    all_refused("a WriteTxn", calls(&store, waiters(&store)));
    assert!(matches!(store.maintain(), Err(Error::Reentrant(_))));
    drop(held);

    let within = waiters(&store);
    let within = store.write(|_| Ok(calls(&store, within))).unwrap();
    all_refused("write", within);

    let (own, within) = (Store::clone(&store), waiters(&store));
    all_refused("batch", store.batch(move |_| Ok(calls(&own, within))).unwrap());

    let (own, within) = (Store::clone(&store), waiters(&store));
    let pending = store.submit(move |_| Ok(calls(&own, within))).unwrap();
    all_refused("submit", pending.wait().unwrap());

    let (own, within, (tell, told)) = (Store::clone(&store), Mutex::new(Some(waiters(&store))), channel());
    let consumer = store.consumer("own").run_in_transaction(move |_, _| {
        if let Some(within) = within.lock().unwrap().take() {
            tell.send(calls(&own, within))?;
        }
        Ok(())
    });
    all_refused("a handler in a transaction", told.recv().unwrap());
    consumer.unwrap().stop();

    // Nothing of all that was done, and nothing is left behind.
    assert_eq!(store.read(|r| Ok(r.log().checkpoints()?)).unwrap().len(), 1);
    create(&store, "after");
    assert!(store.maintain().unwrap().trimmed > 0);
}

pub fn what_was_submitted_cannot_be_waited_for_within_a_write_and_is_committed_after_it(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_group_commit(GroupCommitOptions::new().max_queue(2));
    let store = engine.store_with(&builder);
    let held = store.begin_write().unwrap();
    let submit = |id: &'static str| store.submit(move |w| Ok(w.create(new().id(id))?));
    let first = submit("first").unwrap();
    let second = submit("second").unwrap();
    assert!(matches!(first.wait(), Err(Error::Reentrant(_))));
    // No room: to wait for it would be to wait for this thread. The thread that commits may hold some already.
    let mut refused = false;
    for _ in 0..4 {
        refused |= matches!(submit("more"), Err(BatchError::Reentrant(_)));
    }
    assert!(refused);
    drop(held);
    assert_eq!(second.wait().unwrap().id, "second");
    assert!(store.read(|r| Ok(execstore::Readable::get(r, "first")?)).unwrap().is_some());
}

pub fn futures_polled_within_a_closure_are_refused_and_beside_a_write_transaction_they_wait(
    engine: &dyn Engine,
) {
    let store = engine.store();
    create(&store, "e");
    let mut context = Context::from_waker(Waker::noop());
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    let polled = store.write(|_| {
        let mut pending = store.submit(|w| Ok(w.create(new().id("queued"))?)).unwrap();
        let commit = pin!(&mut pending).poll(&mut context).map(|result| result.map(drop));
        Ok((commit, pin!(watcher.recv()).poll(&mut context)))
    });
    let (commit, next) = polled.unwrap();
    assert!(matches!(commit, Poll::Ready(Err(Error::Reentrant(_)))), "{commit:?}");
    assert!(matches!(next, Poll::Ready(Err(WatchError::Reentrant(_)))), "{next:?}");
    // Another task of the same thread may hold a transaction and end it later.
    store.batch(|_| Ok(())).unwrap();
    let mut watcher = store.watch(WatchFrom::Latest, Filter::new()).unwrap();
    let held = store.begin_write().unwrap();
    let mut pending = store.submit(|w| Ok(w.create(new().id("later"))?)).unwrap();
    assert!(pin!(&mut pending).poll(&mut context).is_pending());
    assert!(pin!(watcher.recv()).poll(&mut context).is_pending());
    drop(held);
    assert_eq!(pending.wait().unwrap().id, "later");
}

/// One closure of each store at the same time, each of which then writes to the next store.
fn circle(
    engine: &dyn Engine,
    write: impl Fn(&Store, &Store, Arc<Barrier>) -> Result<(), Error> + Copy + Send + Sync,
) {
    let stores: Vec<TestStore> = (0..3).map(|_| engine.store()).collect();
    let all_within = Arc::new(Barrier::new(stores.len()));
    let results: Vec<Result<(), Error>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..stores.len())
            .map(|n| {
                let (own, next) = (&stores[n], &stores[(n + 1) % stores.len()]);
                let all_within = all_within.clone();
                scope.spawn(move || write(own, next, all_within))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let refused = |r: &&Result<(), Error>| matches!(r, Err(Error::Reentrant(_)));
    assert!(results.iter().any(|r| refused(&r)), "{results:?}");
    assert!(results.iter().all(|r| r.is_ok() || refused(&r)), "{results:?}");
    assert!(results.iter().any(|r| r.is_ok()), "{results:?}");
    stores.iter().for_each(|store| drop(create(store, "after")));
}

pub fn stores_that_wait_for_each_other_in_a_circle_are_refused_once(engine: &dyn Engine) {
    circle(engine, |own, next, all_within| {
        own.write(|_| {
            all_within.wait();
            next.write(|w| Ok(w.create(new())?)).map(drop)
        })
    });
    circle(engine, |own, next, all_within| {
        let next = next.clone();
        // A closure of the group commit may run again: only the first run waits for the others.
        let mut first = true;
        own.batch(move |_| {
            if std::mem::take(&mut first) {
                all_within.wait();
            }
            next.batch(|w| Ok(w.create(new())?)).map(drop)
        })
    });
    circle(engine, |own, next, all_within| {
        let held = own.begin_write()?;
        all_within.wait();
        let made = next.submit(|w| Ok(w.create(new())?))?.wait().map(drop);
        drop(held);
        made
    });
}

pub fn who_waits_longer_than_the_limit_for_one_transaction_is_told_what_it_is(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_write_limit(Duration::from_millis(30));
    let store = engine.store_with(&builder);
    // The closure waits for another thread by its own means, which the store cannot see.
    let other = Store::clone(&store);
    let refused = store.write(|_| {
        let thread = thread::spawn(move || {
            let queued = other.submit(|w| Ok(w.create(new().id("queued"))?)).unwrap();
            [other.begin_write().map(drop).map_err(Error::from), queued.wait().map(drop)]
        });
        Ok(thread.join().unwrap())
    });
    for result in refused.unwrap() {
        let Err(Error::Begin(BeginError::WriterHeld { by, held })) = result else { panic!("{result:?}") };
        assert_eq!((by, held >= Duration::from_millis(30)), ("a closure of Store::write", true));
    }
    create(&store, "after");
    assert!(store.read(|r| Ok(execstore::Readable::get(r, "queued")?)).unwrap().is_none());
}

pub fn a_thread_that_holds_one_store_may_use_another(engine: &dyn Engine) {
    let (a, b) = (engine.store(), engine.store());
    let mut watcher = b.watch(WatchFrom::Oldest, Filter::new()).unwrap();
    a.write(|w| {
        b.create(new().id("e"))?;
        let pending = b.submit(|w| Ok(w.create(new())?))?;
        assert_eq!(watcher.next_batch(1, LONG).unwrap().len(), 1);
        pending.wait()?;
        w.create(new()).map_err(Error::from)
    })
    .unwrap();
    assert_eq!(watcher.next_batch(9, LONG).unwrap().len(), 1);
}
