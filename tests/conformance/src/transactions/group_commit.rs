//! The group commit: who is committed with whom, who fails alone, and what a full queue does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use execstore::error::{BatchError, WriteError};
use execstore::options::GroupCommitOptions;
use execstore::{Error, Execution, Expect, NewEvent, NewExecution, Readable, Store, Update, Writer};
use support::waits::{Watched, until};

use crate::Engine;

fn new(id: impl std::fmt::Display) -> NewExecution {
    NewExecution::new("j").id(id.to_string())
}

/// Occupies the store's writer, so that what comes queues up.
struct Held(Option<execstore::WriteTxn>);

impl Held {
    fn new(store: &Store) -> Self {
        Self(Some(store.begin_write().unwrap()))
    }

    /// Lets the queue go on.
    fn release(mut self) {
        drop(self.0.take());
    }
}

/// What one caller's closure does, to be tried in every company.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Good,
    /// Refused before anything is written.
    Refused,
    /// Fails after it wrote something.
    HalfDone,
    Panics,
    PanicsHalfDone,
}

fn act(deed: Deed, n: usize) -> impl FnMut(&mut Writer<'_>) -> Result<usize, Error> + Send + 'static {
    move |w| {
        if deed == Deed::Panics {
            panic!("on purpose: {n}");
        }
        if deed == Deed::Refused {
            w.update("nobody", Update::new())?;
        }
        w.create(new(format!("{n}/1")).event(NewEvent::new("t")))?;
        match deed {
            Deed::HalfDone => return Err(Error::Caller(format!("half done: {n}").into())),
            Deed::PanicsHalfDone => panic!("half done on purpose: {n}"),
            _ => {}
        }
        w.create(new(format!("{n}/2")))?;
        w.update(format!("{n}/1"), Update::to("BidAccepted"))?;
        Ok(n)
    }
}

fn check(deed: Deed, n: usize, result: &Result<usize, Error>) {
    match (deed, result) {
        (Deed::Good, Ok(got)) => assert_eq!(*got, n),
        (Deed::Refused, Err(Error::Write(WriteError::NotFound { .. }))) => {}
        (Deed::HalfDone, Err(Error::Caller(error))) => {
            assert_eq!(error.to_string(), format!("half done: {n}"))
        }
        (Deed::Panics | Deed::PanicsHalfDone, Err(Error::Batch(BatchError::Panicked { message }))) => {
            assert!(message.ends_with(&format!("on purpose: {n}")), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

pub fn who_fails_fails_alone_in_every_company(engine: &dyn Engine) {
    use Deed::{Good, HalfDone, Panics, PanicsHalfDone, Refused};
    let companies: &[&[Deed]] = &[
        &[Good],
        &[HalfDone],
        &[PanicsHalfDone],
        &[Good, HalfDone, Good],
        &[HalfDone, Good, Good],
        &[Good, Good, PanicsHalfDone],
        &[Refused, Good, Panics, Good],
        &[HalfDone, HalfDone, Good, PanicsHalfDone, Refused, Good, HalfDone],
    ];
    for company in companies {
        let store = engine.store();
        let held = Held::new(&store);
        let pending: Vec<_> =
            company.iter().enumerate().map(|(n, deed)| store.submit(act(*deed, n)).unwrap()).collect();
        assert!(pending.iter().all(|pending| !pending.is_ready()), "nothing is answered before its commit");
        held.release();
        let results: Vec<_> = pending.into_iter().map(|pending| pending.wait()).collect();
        let mut good = Vec::new();
        for ((n, deed), result) in company.iter().enumerate().zip(&results) {
            check(*deed, n, result);
            if *deed == Good {
                good.push(n);
            }
        }
        let reader = store.begin_read().unwrap();
        assert_eq!(reader.by_job("j").unwrap().count(), good.len() * 2, "{company:?}");
        // Each one's three operations are together, in the order of submission.
        let ids: Vec<_> = reader
            .log()
            .range(..)
            .unwrap()
            .map(|change| change.unwrap().execution_id().unwrap().to_string())
            .collect();
        let expected: Vec<_> =
            good.iter().flat_map(|n| [format!("{n}/1"), format!("{n}/2"), format!("{n}/1")]).collect();
        assert_eq!(ids, expected, "{company:?}");
    }
}

pub fn a_caller_alone_has_the_same_contract(engine: &dyn Engine) {
    let store = engine.store();
    for (n, deed) in
        [Deed::Good, Deed::Refused, Deed::HalfDone, Deed::Panics, Deed::PanicsHalfDone, Deed::Good]
            .into_iter()
            .enumerate()
    {
        check(deed, n, &store.batch(act(deed, n)));
    }
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 6);
}

pub fn many_threads_share_commits_and_all_get_their_own_result(engine: &dyn Engine) {
    let store = engine.store();
    let (threads, each) = (16, 40);
    let runs = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for t in 0..threads {
            let (store, runs) = (&store, runs.clone());
            scope.spawn(move || {
                for n in 0..each {
                    let runs = runs.clone();
                    let made: Execution = store
                        .batch(move |w| {
                            runs.fetch_add(1, Ordering::Relaxed);
                            Ok(w.create(new(format!("{t}/{n}")))?)
                        })
                        .unwrap();
                    assert_eq!(made.id, format!("{t}/{n}").as_str());
                    // It is there for everybody once the call has returned.
                    assert_eq!(store.read(|r| Ok(r.get(&made.id)?)).unwrap().unwrap(), made);
                }
            });
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), threads * each, "nobody ran twice, since nobody failed");
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), (threads * each) as u64);
}

pub fn the_calls_without_a_closure_do_what_the_writer_does(engine: &dyn Engine) {
    let store = engine.store();
    let made = store.create(new("e").event(NewEvent::new("a"))).unwrap();
    assert_eq!((made.revision.get(), made.event_count), (1, 1));
    let moved = store.update("e", Update::to("Failed").expect(Expect::new().revision(1))).unwrap();
    assert_eq!(moved.state, "Failed");
    assert!(matches!(
        store.update("e", Update::new().expect(Expect::new().revision(1))),
        Err(Error::Write(WriteError::Conflict { .. }))
    ));
    let more = store.append_events("e", [NewEvent::new("b")]).unwrap();
    assert_eq!(more.event_count, 2);
    assert_eq!(store.delete_if("e", &Expect::new().state("Failed")).unwrap(), more);
    assert!(store.read(|r| Ok(r.get("e")?)).unwrap().is_none());
}

/// Who submits more than there is room for comes to wait for room, and goes on whenever there is some.
pub fn whoever_waits_for_room_in_the_queue_goes_on_once_there_is_some(engine: &dyn Engine) {
    const MANY: usize = 200;
    let mut builder = Store::builder();
    builder.set_group_commit(GroupCommitOptions::new().max_queue(2).max_members(1));
    let store = engine.store_with(&builder);
    let (held, own, (done, is_done)) = (Held::new(&store), Store::clone(&store), channel());
    // Not in a scope: it may hang.
    let submitting = thread::spawn(move || {
        for n in 0..MANY {
            let pending = own.submit(move |w| Ok(w.create(new(n))?));
            pending.map(drop).unwrap();
        }
        done.send(()).unwrap();
    });
    until("the queue is full", || store.status().unwrap().queued == 2);
    held.release();
    is_done.recv_timeout(Duration::from_secs(60)).expect("nobody told it that there is room");
    submitting.join().unwrap();
    store.batch(|_| Ok(())).unwrap();
    assert_eq!(store.read(|r| Ok(r.by_job("j")?.count())).unwrap(), MANY);
}

pub fn a_full_queue_makes_callers_wait_or_tells_them(engine: &dyn Engine) {
    let store = engine
        .store_with(Store::builder().set_group_commit(GroupCommitOptions::new().max_queue(3).max_members(1)));
    let held = Held::new(&store);
    // One is taken out of the queue and waits for the writer; three fill it.
    let first = store.submit(|w| Ok(w.create(new("first"))?)).unwrap();
    until("it is taken out", || store.status().unwrap().queued == 0);
    let mut queued = Vec::new();
    let full = loop {
        match store.group_commit().refuse_when_full().submit(|w| Ok(w.create(NewExecution::new("j"))?)) {
            Ok(pending) => queued.push(pending),
            Err(error) => break error,
        }
        assert!(queued.len() <= 3);
    };
    assert!(matches!(full, BatchError::QueueFull { maximum: 3 }), "{full}");
    let again = store.group_commit().refuse_when_full().batch(|w| Ok(w.create(new("refused"))?));
    assert!(matches!(again, Err(Error::Batch(BatchError::QueueFull { .. }))), "{again:?}");
    let (tell, told) = channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            tell.send(Watched::here()).unwrap();
            store.submit(|w| Ok(w.create(new("late"))?)).unwrap().wait()
        });
        told.recv().unwrap().until_it_waits();
        assert!(!waiting.is_finished());
        held.release();
        waiting.join().unwrap().unwrap();
    });
    first.wait().unwrap();
    queued.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    assert!(store.read(|r| Ok(r.get("refused")?)).unwrap().is_none(), "what was refused left no trace");
    store.batch(|w| Ok(w.create(new("after"))?)).unwrap();
}

pub fn a_batch_within_a_batch_is_refused_and_the_outer_one_goes_on(engine: &dyn Engine) {
    let store = engine.store();
    let inner = Store::clone(&store);
    let result = store.batch(move |w| {
        let refused = inner.batch(|w| Ok(w.create(new("inner"))?));
        assert!(matches!(refused, Err(Error::Reentrant(_))));
        assert!(matches!(inner.submit(|w| Ok(w.create(new("i"))?)), Err(BatchError::Reentrant(_))));
        Ok(w.create(new("outer"))?)
    });
    result.unwrap();
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 1);
}

pub fn a_delay_gathers_those_who_come_one_by_one(engine: &dyn Engine) {
    // It ends early once as many are there as a commit takes.
    let settings = GroupCommitOptions::new().max_delay(Duration::from_secs(60)).max_members(5);
    let store = engine.store_with(Store::builder().set_group_commit(settings));
    let pending: Vec<_> = (0..5)
        .map(|n| {
            // One by one: each is seen in the queue before the next comes.
            until("it is in the queue", || store.status().unwrap().queued >= n);
            let outside = Store::clone(&store);
            let run = move |w: &mut Writer<'_>| {
                w.create(new(n))?;
                // On a thread of its own, which is not within the closure.
                let head = move || outside.read(|r| Ok(r.log().head()?));
                thread::spawn(head).join().unwrap()
            };
            store.submit(run).unwrap()
        })
        .collect();
    let heads: Vec<_> = pending.into_iter().map(|pending| pending.wait().unwrap().get()).collect();
    assert_eq!(heads, [0; 5], "one commit for all of them");
}

pub fn the_order_is_the_order_of_submission(engine: &dyn Engine) {
    let store = engine.store();
    let pending: Vec<_> =
        (0..200).map(|n| store.submit(move |w| Ok(w.create(new(format!("{n:03}")))?)).unwrap()).collect();
    pending.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    let reader = store.begin_read().unwrap();
    let ids: Vec<_> = reader.by_job("j").unwrap().map(|e| e.unwrap().id.to_string()).collect();
    assert!(ids.is_sorted() && ids.len() == 200);
}

pub fn a_result_can_be_awaited_under_tokio(engine: &dyn Engine) {
    let store = engine.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let pending: Vec<_> =
            (0..20).map(|n| store.submit(move |w| Ok(w.create(new(n))?)).unwrap()).collect();
        for (n, pending) in pending.into_iter().enumerate() {
            assert_eq!(pending.await.unwrap().id, n.to_string().as_str());
        }
        let failed = store.submit(|w| Ok(w.create(new(3))?)).unwrap().await;
        assert!(matches!(failed, Err(Error::Write(WriteError::AlreadyExists { .. }))));
    });
}
