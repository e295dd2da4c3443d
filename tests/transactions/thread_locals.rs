//! Whatever a thread-local holds of a store is let go of when its thread ends, and the process lives.

use std::any::Any;
use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use execstore::watch::WatchFrom;
use execstore::{Filter, NewExecution, Readable, Store};
use support::create;
use support::waits::open_when_free;

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

fn keep(what: impl Any) {
    KEPT.with_borrow_mut(|kept| kept.push(Box::new(what)));
}

/// Something that uses the store while the thread-locals of its thread go.
struct WritesAtTheEnd(Store);

impl Drop for WritesAtTheEnd {
    fn drop(&mut self) {
        self.0.write(|w| Ok(w.create(NewExecution::new("j").id("write"))?)).unwrap();
        self.0.batch(|w| Ok(w.create(NewExecution::new("j").id("batch"))?)).unwrap();
        self.0.submit(|w| Ok(w.create(NewExecution::new("j").id("submit"))?)).unwrap().wait().unwrap();
        assert!(self.0.begin_read().unwrap().get("submit").unwrap().is_some());
    }
}

type Case = (&'static str, fn(Store));

#[test]
fn what_a_thread_local_holds_is_let_go_of_when_the_thread_ends() {
    let cases: [Case; 9] = [
        ("a store", |store| keep(store)),
        ("a store whose database was lent", |store| {
            let _ = store.share_database();
            keep(store);
        }),
        ("a read transaction", |store| keep(store.begin_read().unwrap())),
        ("a write transaction", |store| {
            let txn = store.begin_write().unwrap();
            txn.writer().unwrap().create(NewExecution::new("j")).unwrap();
            keep(txn);
        }),
        ("a watcher, a follower and visits", |store| {
            keep(store.watch(WatchFrom::Oldest, Filter::new()).unwrap());
            keep(store.follow_output("e", "o", 0).unwrap());
            let visits = store.track_visits();
            visits.visit("e");
            keep(visits);
        }),
        ("a consumer", |store| {
            keep(store.consumer("c").run(|_| Ok(())).unwrap());
            keep(store);
        }),
        ("something queued", |store| {
            keep(store.submit(|w| Ok(w.create(NewExecution::new("j").id("queued"))?)).unwrap());
            keep(store);
        }),
        ("a store that trims itself", |store| keep(store)),
        ("something that writes", |store| keep(WritesAtTheEnd(store))),
    ];
    for (what, case) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        let mut builder = Store::builder();
        builder.set_maintenance(Duration::from_millis(1));
        let store = builder.create_new(&path).unwrap();
        create(&store, "e");
        // The thread's own things go after what this one registers first.
        thread::spawn(move || case(store)).join().unwrap_or_else(|_| panic!("{what}"));
        let store = open_when_free(&path);
        assert!(store.verify().unwrap().is_clean(), "{what}");
        let reader = store.begin_read().unwrap();
        assert!(reader.get("e").unwrap().is_some(), "{what}");
        assert_eq!(reader.get("queued").unwrap().is_some(), what == "something queued");
        assert_eq!(reader.get("batch").unwrap().is_some(), what == "something that writes");
    }
}
