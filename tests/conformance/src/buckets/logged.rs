//! Buckets whose rows are in the change log, in order with everything else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use execstore::buckets::{BucketMut, key, parse_key};
use execstore::error::{InputError, WatchError, WriteError};
use execstore::integrity::LogProof;
use execstore::watch::WatchFrom;
use execstore::{
    Change, ChangeKind, ChangeSeq, Error, Filter, NewExecution, OrderBy, Query, Readable, Store, Update,
};
use support::buckets::Logged;

use crate::Engine;
use crate::feed::waking::{Count, poll};

fn logged(store: &Store, name: &str) {
    store.write(|w| Ok(w.open_bucket(name)?.set_logged(true)?)).unwrap();
}

fn changes(store: &Store) -> Vec<Change> {
    store.read(|r| Ok(r.log().range(..)?.collect::<Result<_, _>>()?)).unwrap()
}

fn said(store: &Store) -> Vec<String> {
    let say = |change: &Change| match (change.execution_id(), Logged::of(change)) {
        (Some(id), None) => format!("{} {id}", change.kind()),
        (None, Some(Logged { path, row: None, .. })) => format!("{} {}", change.kind(), path.join("/")),
        (None, Some(Logged { path, row: Some((key, value, was_there)), .. })) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = value.map_or(String::new(), |value| format!("={}", text(&value)));
            let again = if was_there { " again" } else { "" };
            format!("{} {}:{}{value}{again}", change.kind(), path.join("/"), text(&key))
        }
        both => panic!("{both:?}"),
    };
    changes(store).iter().map(say).collect()
}

fn act(store: &Store, act: impl FnOnce(&mut BucketMut<'_, '_>) -> Result<(), WriteError>) {
    store.write(|w| Ok(act(&mut w.open_bucket("b")?)?)).unwrap();
}

pub fn rows_stand_in_order_among_executions(engine: &dyn Engine) {
    let mut store = engine.store();
    act(&store, |b| b.put("before", "").map(drop));
    store
        .write(|w| {
            let mut b = w.open_bucket("b")?;
            assert!(!b.is_logged());
            b.set_logged(true)?;
            assert!(b.is_logged());
            b.put("a", "1")?;
            w.create(NewExecution::new("j").id("e"))?;
            let mut b = w.open_bucket("b")?;
            for k in ["a", "b", "c", "d", "f"] {
                b.put(k, "2")?;
            }
            assert!(b.delete("a")? && !b.delete("a")? && b.take("none")?.is_none());
            assert!(b.take("before")?.is_some() && b.pop_first_through("a")?.is_none());
            assert!(
                b.pop_first()?.is_some() && b.pop_last()?.is_some() && b.pop_first_through("c")?.is_some()
            );
            b.next_sequence()?;
            b.open_bucket("inner")?.put("not logged", "")?;
            w.update("e", Update::new().message("m"))?;
            w.open_bucket("other")?.put("not logged", "")?;
            Ok(())
        })
        .unwrap();
    store.delete("e").unwrap();
    assert!(store.delete_bucket("b").unwrap() && store.delete_bucket("other").unwrap());
    let expected = [
        "row put b:a=1",
        "created e",
        "row put b:a=2 again",
        "row put b:b=2",
        "row put b:c=2",
        "row put b:d=2",
        "row put b:f=2",
        "row deleted b:a again",
        "row deleted b:before again",
        "row deleted b:b again",
        "row deleted b:f again",
        "row deleted b:c again",
        "updated e",
        "deleted e",
        "bucket deleted b",
    ];
    assert_eq!(said(&store), expected);
    let all = changes(&store);
    assert!(all.iter().zip(1..).all(|(change, seq)| change.seq().get() == seq));
    store.reopen();
    assert_eq!(changes(&store), all);
    assert_eq!(changes(&store.crash_copy()), all);
    let r = store.begin_read().unwrap();
    let row = &all[0];
    assert_eq!(
        (row.execution_id(), row.job_id(), row.revision(), row.incarnation()),
        (None, None, None, None)
    );
    assert_eq!((row.before(), row.after(), row.events(), row.payload_changed()), (None, None, None, false));
    assert_eq!((row.state_before(), row.state_after()), (None, None));
    assert_eq!(r.log().execution_before(row).unwrap(), None);
    assert_eq!(r.log().execution_after(row).unwrap(), None);
    assert_eq!((all[1].bucket(), all[1].row()), (None, None));
    // The new one of the name is not logged.
    drop(r);
    act(&store, |b| {
        assert!(!b.is_logged());
        b.put("k", "").map(drop)
    });
    assert_eq!(changes(&store), all);
}

pub fn what_is_rolled_back_or_unlogged_leaves_no_entry(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    let refused = store.write(|w| {
        let mut b = w.open_bucket("b")?;
        b.put("k", "v")?;
        b.set_logged(false)?;
        Err::<(), _>(Error::caller("no"))
    });
    assert!(refused.is_err());
    let refused = store.batch(|w| {
        w.open_bucket("b")?.put("k", "v")?;
        Err::<(), _>(Error::caller("no"))
    });
    assert!(refused.is_err() && said(&store).is_empty());
    act(&store, |b| {
        assert!(b.is_logged());
        b.put("k", "1")?;
        b.set_logged(false)?;
        b.put("k", "2")?;
        b.set_logged(true)?;
        b.put("k", "3").map(drop)
    });
    assert_eq!(said(&store), ["row put b:k=1", "row put b:k=3 again"]);
    assert!(store.read(|r| Ok(r.bucket("b")?.is_logged())).unwrap());
    act(&store, |b| b.set_logged(false));
    assert!(store.delete_bucket("b").unwrap());
    assert_eq!(said(&store).len(), 2);
}

/// Whoever deletes what a logged bucket lies in need not know of it.
pub fn one_in_others_is_logged_to_its_end(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            let mut outer = w.open_bucket("outer")?;
            let mut inner = outer.open_bucket("inner")?;
            let mut inmost = inner.open_bucket("inmost")?;
            inmost.set_logged(true)?;
            inmost.put("k", "v")?;
            // What was known before it was marked is written again.
            inner.put("k", "v")?;
            outer.put("k", "v")?;
            outer.open_bucket("beside")?.put("k", "v")?;
            assert!(outer.delete_bucket("beside")?);
            Ok(())
        })
        .unwrap();
    let count = Arc::<Count>::default();
    let filter = |path: &[&str]| Filter::new().bucket_at(path);
    let mut inmost = store.watch(WatchFrom::Latest, filter(&["outer", "inner", "inmost"])).unwrap();
    let mut others: Vec<_> = [&["inner"][..], &["outer", "beside"], &["outer", "inner", "inmost", "k"]]
        .into_iter()
        .map(|path| store.watch(WatchFrom::Latest, filter(path)).unwrap())
        .collect();
    assert!(poll(inmost.recv(), &count).is_pending());
    assert!(store.write(|w| Ok(w.open_bucket("outer")?.delete_bucket("inner")?)).unwrap());
    let gone = inmost.next_batch(9, Duration::MAX).unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].bucket().unwrap().join("/"), "outer/inner");
    assert!(others[0].next_batch(9, Duration::ZERO).unwrap().is_empty());
    assert!(others[1].next_batch(9, Duration::ZERO).unwrap().is_empty());
    // What lies within goes with it.
    assert_eq!(others[2].next_batch(9, Duration::ZERO).unwrap().len(), 1);
    assert!(store.delete_bucket("outer").unwrap());
    let expected = ["row put outer/inner/inmost:k=v", "bucket deleted outer/inner", "bucket deleted outer"];
    assert_eq!(said(&store), expected);
}

pub fn filters_tell_rows_from_executions(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    logged(&store, "c");
    for name in ["b", "c"] {
        store.write(|w| Ok(w.open_bucket(name)?.put(name, vec![7; 5_000])?)).unwrap();
        store.create(NewExecution::new("j").id(name).label("l", "1").state("Running")).unwrap();
    }
    store.write(|w| Ok(w.open_bucket("b")?.delete("b")?)).unwrap();
    store.delete_bucket("b").unwrap();
    let seqs = |filter: Filter| -> Vec<u64> {
        let mut watcher = store.watch(WatchFrom::Oldest, filter.clone()).unwrap();
        let found = watcher.next_batch(100, Duration::ZERO).unwrap();
        assert_eq!(watcher.position().get(), 6);
        let plain = changes(&store).into_iter().filter(|change| filter.matches(change)).collect::<Vec<_>>();
        assert_eq!(found, plain);
        assert!(found.iter().all(|c| c.bucket().is_none() || filter.matched(c).is_none()));
        found.iter().map(|change| change.seq().get()).collect()
    };
    assert_eq!(seqs(Filter::new()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(seqs(Filter::new().bucket("b")), [1, 5, 6]);
    assert_eq!(seqs(Filter::new().bucket("b").bucket_at(["c"])), [1, 3, 5, 6]);
    assert_eq!(seqs(Filter::new().bucket("b").kind(ChangeKind::RowDeleted)), [5]);
    assert_eq!(seqs(Filter::new().kinds([ChangeKind::RowPut, ChangeKind::Created])), [1, 2, 3, 4]);
    let of_executions = [
        Filter::new().job("j"),
        Filter::new().executions(["b", "c"]),
        Filter::new().namespace("default"),
        Filter::new().label("l", "1"),
        Filter::new().entered("Running"),
        Filter::new().matching(Query::new().live()).including_left(),
    ];
    for filter in of_executions {
        assert_eq!(seqs(filter.clone()), [2, 4], "{filter:?}");
        for both in [filter.clone().bucket("b"), filter.kind(ChangeKind::RowPut)] {
            let refused = store.watch(WatchFrom::Oldest, both);
            assert!(matches!(refused, Err(WatchError::Input(InputError::Invalid { .. }))), "{refused:?}");
        }
    }
    for refused in [
        Filter::new().bucket("b").kind(ChangeKind::Updated),
        Filter::new().bucket(""),
        Filter::new().bucket_at([""; 0]),
    ] {
        assert!(store.watch(WatchFrom::Oldest, refused).is_err());
    }
}

pub fn only_their_watchers_are_woken(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    let count = Arc::<Count>::default();
    let mut b = store.watch(WatchFrom::Latest, Filter::new().bucket("b")).unwrap();
    let mut job = store.watch(WatchFrom::Latest, Filter::new().job("j")).unwrap();
    let mut c = store.watch(WatchFrom::Latest, Filter::new().bucket("c")).unwrap();
    for watcher in [&mut b, &mut job, &mut c] {
        assert!(poll(watcher.recv(), &count).is_pending());
    }
    let woken = || store.status().unwrap().woken;
    store.write(|w| Ok(w.open_bucket("c")?.put("not logged", "")?)).unwrap();
    store.create(NewExecution::new("other")).unwrap();
    assert_eq!(woken(), 0);
    act(&store, |b| b.put("k", "v").map(drop));
    assert_eq!(woken(), 1);
    assert!(poll(b.recv(), &count).is_ready());
    assert!(poll(job.recv(), &count).is_pending() && poll(c.recv(), &count).is_pending());
    store.create(NewExecution::new("j")).unwrap();
    assert!(poll(job.recv(), &count).is_ready());
}

/// A copy of the rows, kept by a consumer with its position.
pub fn a_consumer_keeps_a_copy_of_the_rows(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    let copy = |changes: &[Change], w: &mut execstore::Writer<'_>| {
        let mut copy = w.open_bucket("copy")?;
        for row in changes.iter().filter_map(Change::row) {
            match &row.value {
                Some(value) => drop(copy.put(&row.key, value)?),
                None => assert!(copy.delete(&row.key)?),
            }
            copy.next_sequence()?;
        }
        Ok(())
    };
    let consumer =
        || store.consumer("copy").filter(Filter::new().bucket("b")).run_in_transaction(copy).unwrap();
    let mut plain = BTreeMap::new();
    for part in 0..4_u64 {
        let running = consumer();
        for n in 0..40_u64 {
            let row = key(&(n * 7 % 13, part));
            store.batch(move |w| Ok(w.open_bucket("b")?.put(&row, n.to_be_bytes())?)).unwrap();
            plain.insert((n * 7 % 13, part), n.to_be_bytes().to_vec());
            if n % 5 == 0 {
                let first = store.write(|w| Ok(w.open_bucket("b")?.pop_first()?)).unwrap().unwrap();
                let parts: (u64, u64) = parse_key(&first.key).unwrap();
                assert_eq!(plain.remove(&parts), Some(first.value));
                store.create(NewExecution::new("j")).unwrap();
            }
        }
        running.stop();
    }
    let last = consumer();
    support::waits::until("it has them all", || last.stats().lag == 0);
    last.stop();
    let r = store.begin_read().unwrap();
    let rows =
        |name: &str| -> Vec<_> { r.bucket(name).unwrap().iter().unwrap().map(|row| row.unwrap()).collect() };
    assert_eq!(rows("copy"), rows("b"));
    assert_eq!(rows("copy").len(), plain.len());
    // Each change once.
    assert_eq!(r.bucket("copy").unwrap().sequence(), 4 * 48);
}

/// More than a block of the log, in which lists in the order of change find executions.
pub fn lists_in_the_order_of_change_pass_over_rows(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    store.create(NewExecution::new("j").id("a")).unwrap();
    let puts = |many: u64| {
        store
            .write(|w| {
                let mut b = w.open_bucket("b")?;
                (0..many).try_for_each(|n| b.put(n.to_be_bytes(), "").map(drop))?;
                Ok(())
            })
            .unwrap();
    };
    puts(1_500);
    store.create(NewExecution::new("j").id("b")).unwrap();
    puts(2_500);
    store.create(NewExecution::new("j").id("c")).unwrap();
    puts(3);
    let ids = |query: Query| -> Vec<String> {
        let r = store.begin_read().unwrap();
        let page = r.query(&query).page().unwrap();
        assert!(page.damaged.is_empty());
        page.executions.iter().map(|execution| execution.id.to_string()).collect()
    };
    let all = || Query::new().order_by(OrderBy::Modified);
    for trimmed in [0, 700, 2_000, 4_000] {
        if trimmed > 0 {
            store.trim_changes(ChangeSeq(trimmed)).unwrap();
            store.maintain().unwrap();
        }
        assert_eq!(ids(all()), ["c", "b", "a"]);
        assert_eq!(ids(all().oldest_first()), ["a", "b", "c"]);
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{report}");
    }
    assert_eq!(changes(&store).len(), 1_500 + 2_500 + 6 - 4_000);
}

pub fn a_tamper_evident_log_covers_rows(engine: &dyn Engine) {
    let mut settings = Store::builder();
    settings.set_tamper_evident(true);
    let store = engine.store_with(&settings);
    logged(&store, "b");
    act(&store, |b| {
        b.put("k", "v")?;
        b.put([0, 255], "")?;
        b.delete("k").map(drop)
    });
    store.create(NewExecution::new("j").id("e")).unwrap();
    store.delete_bucket("b").unwrap();
    let mut exported = Vec::new();
    store.read(|r| r.log().export(.., &mut exported)).unwrap();
    let proof = LogProof::check(&exported[..]).unwrap();
    let head = store.read(|r| Ok(r.log().chain_head()?)).unwrap().unwrap();
    assert_eq!((proof.head, proof.after.seq.get()), (head, 0));
    let text = String::from_utf8(exported).unwrap();
    assert!(
        text.contains(r#""key":"aw==","kind":"row put""#) && text.contains(r#""value":"dg==""#),
        "{text}"
    );
    for (from, to) in
        [("\"dg==\"", "\"dw==\""), ("[\"b\"]", "[\"c\"]"), ("\"was_there\":true", "\"was_there\":false")]
    {
        assert!(LogProof::check(text.replacen(from, to, 1).as_bytes()).is_err(), "{from}");
    }
    store.trim_changes(ChangeSeq(2)).unwrap();
    store.maintain().unwrap();
    assert!(store.verify().unwrap().is_clean());
}

pub fn entries_of_rows_come_back_from_their_json(engine: &dyn Engine) {
    let store = engine.store();
    logged(&store, "b");
    act(&store, |b| {
        b.put([0, 255], "v")?;
        b.put("k", "")?;
        b.delete("k").map(drop)
    });
    store.delete_bucket("b").unwrap();
    for change in changes(&store) {
        let text = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&text).unwrap(), change, "{text}");
    }
}
