//! Futures and streams behave as they do elsewhere: what they can be moved into, and what becomes of them when they are dropped, or polled
//! again.

use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use execstore::buckets::{BucketWatcher, RecvChanged};
use execstore::error::BatchError;
use execstore::group_commit::Pending;
use execstore::outputs::{OutputFollower, RecvPart};
use execstore::watch::{Recv, WatchFrom, Watcher};
use execstore::{ChangeSeq, Error, Filter, NewExecution, Store, Update};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn created(store: &Store, id: &str) {
    store.create(NewExecution::new("j").id(id).state("Running")).unwrap();
}

fn watch(store: &Store) -> Watcher {
    store.watch(WatchFrom::Oldest, Filter::new()).unwrap()
}

#[test]
fn they_can_be_moved_to_any_executor() {
    fn is<T: Send + Sync + Unpin>() {}
    fn is_awaited<T: IntoFuture + Send + Unpin>() {}
    is::<Watcher>();
    is::<OutputFollower>();
    is::<BucketWatcher>();
    is_awaited::<RecvChanged<'static>>();
    is_awaited::<Pending<String>>();
    is_awaited::<Recv<'static>>();
    is_awaited::<RecvPart<'static>>();
}

#[test]
fn a_result_is_given_once() {
    let store = Store::in_memory().unwrap();
    let submit = |id: &'static str| {
        store.submit(move |w| w.create(NewExecution::new("j").id(id)).map(drop).map_err(Error::from)).unwrap()
    };
    let is_taken = |result: Result<(), Error>| matches!(result, Err(Error::Batch(BatchError::Taken)));
    let mut pending = submit("a");
    while poll(Pin::new(&mut pending)).map(Result::unwrap).is_pending() {
        std::thread::yield_now();
    }
    // It is not pending for ever, and the answer stays the same.
    for _ in 0..2 {
        let Poll::Ready(again) = poll(Pin::new(&mut pending)) else { panic!("it is pending for ever") };
        assert!(is_taken(again));
    }
    assert!(pending.is_ready() && is_taken(pending.wait()));
    // A poll that found nothing yet takes nothing.
    let mut pending = submit("b");
    if poll(Pin::new(&mut pending)).is_pending() {
        pending.wait().unwrap();
    }
    assert!(store.get("b").unwrap().is_some());
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    let store = Store::in_memory().unwrap();
    let mut watcher = watch(&store);
    assert!(poll(pin!(watcher.recv())).is_pending());
    ["a", "b"].iter().for_each(|id| created(&store, id));
    // Made and dropped without a poll.
    drop(watcher.recv());
    assert_eq!(watcher.position().get(), 0);
    let mut follower = store.follow_output("a", "o", 0).unwrap();
    assert!(poll(pin!(follower.recv(9))).is_pending());
    store.append_output("a", "o", "x").unwrap();
    drop(follower.recv(9));

    let mut bucket = store.watch_bucket("b").unwrap();
    assert!(poll(pin!(bucket.recv())).is_pending());
    store.write(|w| Ok(w.open_bucket("b")?.put("k", "v")?)).unwrap();
    drop(bucket.recv());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        // The other branch wins, each time.
        for _ in 0..3 {
            tokio::select! {
                biased;
                () = std::future::ready(()) => {}
                change = watcher.recv() => panic!("{change:?}"),
            }
        }
        assert_eq!(watcher.recv().await.unwrap().execution_id().unwrap(), &"a");
        assert_eq!(watcher.recv().await.unwrap().execution_id().unwrap(), &"b");
        assert!(tokio::time::timeout(Duration::from_millis(1), watcher.recv()).await.is_err());
        assert_eq!(follower.recv(9).await.unwrap().bytes, b"x");
        tokio::time::timeout(Duration::MAX, bucket.recv()).await.unwrap().unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), bucket.recv()).await.is_err());
    });
    assert_eq!(watcher.position().get(), 2);
}

/// After an error it goes on from where it was told.
#[test]
fn a_watcher_goes_on_after_an_error() {
    let store = Store::in_memory().unwrap();
    let mut watcher = watch(&store);
    watcher.seek(&WatchFrom::After(ChangeSeq(0))).unwrap();
    ["a", "b", "c"].iter().for_each(|id| created(&store, id));
    store.trim_changes(ChangeSeq(2)).unwrap();
    assert!(watcher.iter().next().unwrap().is_err());
    assert!(matches!(poll(pin!(watcher.recv())), Poll::Ready(Err(_))));
    watcher.seek(&WatchFrom::Oldest).unwrap();
    assert_eq!(watcher.iter().next().unwrap().unwrap().seq().get(), 3);
    store.update("a", Update::new().message("m")).unwrap();
    assert!(matches!(poll(pin!(watcher.recv())), Poll::Ready(Ok(change)) if change.seq().get() == 4));
}

#[cfg(feature = "stream")]
mod streams {
    use futures_core::Stream;

    use super::*;

    fn next<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
        Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn seq<E: std::fmt::Debug>(polled: Poll<Option<Result<execstore::Change, E>>>) -> u64 {
        let Poll::Ready(Some(change)) = polled else { panic!("{polled:?}") };
        change.unwrap().seq().get()
    }

    #[test]
    fn a_watcher_is_a_stream_of_changes() {
        let store = Store::in_memory().unwrap();
        let mut watcher = watch(&store);
        assert!(next(&mut watcher).is_pending());
        ["a", "b", "c"].iter().for_each(|id| created(&store, id));
        assert_eq!((seq(next(&mut watcher)), seq(next(&mut watcher))), (1, 2));
        // The two ways of reading share one position.
        assert_eq!(watcher.position().get(), 2);
        assert!(matches!(poll(pin!(watcher.recv())), Poll::Ready(Ok(change)) if change.seq().get() == 3));
        assert!(next(&mut watcher).is_pending());
        // It ends with the store, and stays there.
        drop(store);
        for _ in 0..2 {
            assert!(matches!(next(&mut watcher), Poll::Ready(None)));
        }
    }

    #[test]
    fn a_stream_gives_an_error_once_and_ends_until_it_is_told_where_to_go_on() {
        let store = Store::in_memory().unwrap();
        let mut watcher = watch(&store);
        watcher.seek(&WatchFrom::After(ChangeSeq(0))).unwrap();
        ["a", "b", "c"].iter().for_each(|id| created(&store, id));
        store.trim_changes(ChangeSeq(2)).unwrap();
        assert!(matches!(next(&mut watcher), Poll::Ready(Some(Err(_)))));
        for _ in 0..2 {
            assert!(matches!(next(&mut watcher), Poll::Ready(None)));
        }
        watcher.seek(&WatchFrom::Oldest).unwrap();
        assert_eq!(seq(next(&mut watcher)), 3);
        assert!(next(&mut watcher).is_pending());
    }

    #[test]
    fn a_follower_is_a_stream_of_parts() {
        let store = Store::in_memory().unwrap();
        created(&store, "e");
        let mut follower = store.follow_output("e", "o", 0).unwrap();
        assert!(next(&mut follower).is_pending());
        store.append_output("e", "o", vec![7; 100_000]).unwrap();
        store.update("e", Update::to("Completed")).unwrap();
        let mut lengths = Vec::new();
        while let Poll::Ready(Some(part)) = next(&mut follower) {
            lengths.push(part.unwrap().bytes.len());
        }
        assert!(lengths.iter().all(|len| *len <= 64 * 1024) && lengths.iter().sum::<usize>() == 100_000);
        for _ in 0..2 {
            assert!(matches!(next(&mut follower), Poll::Ready(None)));
        }
    }

    #[test]
    fn a_stream_wakes_who_polled_it() {
        let store = Store::in_memory().unwrap();
        let mut watcher = watch(&store);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let writer = store.clone();
        let seen = runtime.block_on(async {
            let writing = std::thread::spawn(move || created(&writer, "a"));
            let change = std::future::poll_fn(|cx| Pin::new(&mut watcher).poll_next(cx)).await;
            writing.join().unwrap();
            change.unwrap().unwrap().seq().get()
        });
        assert_eq!(seen, 1);
    }
}
