//! What must not be slow besides: each row with its bound, in this process, most of it on stores in memory.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use execstore::watch::WatchFrom;
use execstore::{Filter, Json, NewExecution, OrderBy, Query, Readable, Store, Update, Writer};

pub fn all(scale: f64) {
    let million = (1_000_000.0 * scale) as u64;
    documents((16.0 * 1_048_576.0 * scale) as usize);
    followers();
    futures((50_000.0 * scale) as u64);
    queue();
    slow_source();
    heartbeats(million);
    large_store(million);
}

fn row(what: &str, value: impl std::fmt::Display, bound: &str) {
    println!("{what}: {value} (bound: {bound})");
}

fn timed<T>(act: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = act();
    (value, start.elapsed().as_secs_f64() * 1_000.0)
}

fn in_memory() -> Store {
    Store::in_memory().unwrap()
}

fn create(store: &Store, many: u64, new: impl Fn(u64) -> NewExecution) {
    for first in (0..many).step_by(10_000) {
        let create = |w: &mut Writer<'_>| {
            Ok((first..many.min(first + 10_000)).try_for_each(|n| w.create(new(n)).map(drop))?)
        };
        store.write(create).unwrap();
    }
}

/// Documents of so many bytes, full of one thing each.
fn documents(len: usize) {
    let repeated = |front: &str, unit: &str, end: &str| {
        format!("{front}{}{end}", unit.repeat((len - front.len() - end.len()) / unit.len()))
    };
    let members = |member: &dyn Fn(usize) -> String| {
        let (mut text, mut n) = (String::from("{\"first\":0"), 0);
        while text.len() + 40 < len {
            text.push(',');
            text.push_str(&member(n));
            n += 1;
        }
        text + "}"
    };
    let depth = len / 6;
    let all = [
        ("depth", format!("{}1{}", "{\"\":".repeat(depth), "}".repeat(depth))),
        ("members", members(&|n| format!("\"k{n}\":{n}"))),
        ("members with escapes", members(&|n| format!("\"\\u006b{n}\\n\":\"\""))),
        ("the same member", members(&|_| "\"\":0".into())),
        ("numbers", repeated("[0", ",1", "]")),
        ("one number", repeated("", "9", "")),
        ("escapes", repeated("\"", "\\u0041", "\"")),
        ("objects in objects", members(&|n| format!("\"o{n}\":{{\"a\":{{\"b\":{{}}}}}}"))),
    ];
    let small = Json::from_text("{\"first\":{\"a\":null},\"more\":1}").unwrap();
    for (what, text) in all {
        let (document, parsed) = timed(|| Json::from_text(&text).unwrap());
        let (merged, with_itself) = timed(|| document.merge_patch(&document).unwrap());
        black_box(merged);
        let (merged, with_small) = timed(|| document.merge_patch(&small).unwrap());
        black_box(merged);
        let value = format!(
            "checked in {parsed:.0} ms, with itself {with_itself:.0} ms, with two members {with_small:.0} ms"
        );
        row(&format!("merging {} MiB of {what}", len >> 20), value, "1,000 ms");
    }
}

/// One writer, while threads follow other streams.
fn followers() {
    for many in [0, 100, 1_000] {
        let store = in_memory();
        create(&store, many + 1, |n| NewExecution::new("j").id(n.to_string()).state("Running"));
        let stop = AtomicBool::new(false);
        let rate = thread::scope(|scope| {
            for n in 0..many {
                let (store, stop) = (&store, &stop);
                let follow = move || {
                    let mut follower = store.follow_output(n.to_string(), "stdout", 0).unwrap();
                    while !stop.load(Ordering::Relaxed) {
                        follower.next_part(4_096, Duration::from_secs(1)).unwrap();
                    }
                };
                thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, follow).unwrap();
            }
            while store.status().unwrap().waiting < many as usize {
                thread::sleep(Duration::from_millis(1));
            }
            let (id, mut commits, start) = (many.to_string(), 0, Instant::now());
            while start.elapsed() < Duration::from_secs(2) {
                store.write(|w| Ok(w.update(&id, Update::new().message("m"))?)).unwrap();
                commits += 1;
            }
            stop.store(true, Ordering::Relaxed);
            commits / 2
        });
        let what = format!("one writer, {many} threads that follow other streams");
        row(&what, format!("{rate} commits/s"), "as with none");
    }
}

/// So many futures at one doorbell.
fn futures(many: u64) {
    let store = in_memory();
    create(&store, 1, |_| NewExecution::new("j").id("e").state("Running"));
    let follow = |n: u64| store.follow_output("e", format!("o{n}"), 0).unwrap();
    let mut followers: Vec<_> = (0..many).map(follow).collect();
    let mut futures: Vec<_> = followers.iter_mut().map(|follower| Box::pin(follower.recv(1_024))).collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = || {
        timed(|| {
            for future in &mut futures {
                assert!(future.as_mut().poll(&mut context).is_pending());
            }
        })
    };
    let (first, second) = (poll().1, poll().1);
    let dropped = timed(|| drop(futures)).1;
    let value = format!("first poll {first:.0} ms, second {second:.0} ms, drop {dropped:.0} ms");
    row(&format!("{many} futures at one doorbell"), value, "no linear list");
}

fn queue() {
    let store = in_memory();
    let gate = store.begin_write().unwrap();
    let submit = |_| store.group_commit().bytes(8 << 20).refuse_when_full().submit(|_| Ok(())).ok();
    let taken: Vec<_> = (0..60).map_while(submit).collect();
    row(
        "submit with bytes and refuse_when_full, 60 times 8 MiB",
        format!("{} let in", taken.len()),
        "by size beside that by number",
    );
    drop(gate);
}

fn slow_source() {
    struct Slow(u32);
    impl std::io::Read for Slow {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            thread::sleep(Duration::from_millis(100));
            self.0 += 1;
            Ok(if self.0 > 40 { 0 } else { bytes.len().min(1_000) })
        }
    }
    let store = in_memory();
    create(&store, 2, |n| NewExecution::new("j").id(n.to_string()));
    let longest = thread::scope(|scope| {
        let put = scope.spawn(|| store.put_attachment_from("0", "a", "a/b", &mut Slow(0)).unwrap());
        let mut longest: f64 = 0.0;
        while !put.is_finished() {
            longest = longest.max(timed(|| update(&store, "1")).1);
            thread::sleep(Duration::from_millis(1));
        }
        longest
    });
    let value = format!("others wait {longest:.1} ms at the most");
    row("a source that takes 4 s in put_attachment_from", value, "staged outside");
}

fn update(store: &Store, id: &str) {
    store.write(|w| Ok(w.update(id, Update::new().message("m"))?)).unwrap();
}

/// The last modified of a store in which one execution changed this often.
fn heartbeats(many: u64) {
    let store = in_memory();
    create(&store, 10_000, |n| NewExecution::new("j").id(n.to_string()));
    for first in (0..many).step_by(10_000) {
        let beat = |w: &mut Writer<'_>| {
            Ok((first..many.min(first + 10_000))
                .try_for_each(|_| w.update("77", Update::new().message("m")).map(drop))?)
        };
        store.write(beat).unwrap();
    }
    let query = Query::new().order_by(OrderBy::Modified).newest_first().limit(50);
    let times: Vec<f64> = (0..5)
        .map(|_| {
            timed(|| {
                assert_eq!(store.read(|r| Ok(r.query(&query).rows().map(Iterator::count)?)).unwrap(), 50)
            })
            .1
        })
        .collect();
    let value = format!("{:.2} ms, the first time {:.2} ms", times[4], times[0]);
    row(&format!("the 50 last modified after {many} changes of one"), value, "what the page costs");
}

/// So many executions, each with a label value of its own, in two namespaces.
fn large_store(many: u64) {
    let store = in_memory();
    create(&store, many, |n| {
        let new = NewExecution::new("j").id(format!("e{n}")).label("value", format!("{n:07}"));
        if n == many / 2 { new.namespace("other") } else { new }
    });
    let last =
        || store.read(|r| Ok(r.label_values("value").list().map(|all| all.rev().take(10).count())?)).unwrap();
    let (found, time) = timed(last);
    assert_eq!(found, 10);
    row(&format!("the last 10 of {many} label values"), format!("{time:.3} ms"), "an index");
    let (found, time) = timed(|| store.read(|r| Ok(r.namespaces().list().map(Iterator::count)?)).unwrap());
    assert_eq!(found, 2);
    row("the namespaces that there are", format!("{time:.3} ms"), "an index");

    let longest = thread::scope(|scope| {
        let none = || store.bulk(Query::new().id_prefix("e").live().job("j").namespace("nowhere"));
        let scan = || store.bulk(Query::new().created(..execstore::Timestamp::from_nanos(0)).job("j"));
        let bulk = scope.spawn(move || timed(|| (none().delete().unwrap(), scan().delete().unwrap())));
        let mut longest: f64 = 0.0;
        while !bulk.is_finished() {
            longest = longest.max(timed(|| update(&store, "e7")).1);
            thread::sleep(Duration::from_micros(100));
        }
        let ((_, found), time) = bulk.join().unwrap();
        assert_eq!(found.found, 0);
        (longest, time)
    });
    let value = format!("another writer waits {:.1} ms at the most, it took {:.0} ms", longest.0, longest.1);
    row(&format!("bulk that finds nothing in {many}"), value, "outside the write transaction");

    let mut watcher = store.watch(WatchFrom::Oldest, Filter::new().namespace("nowhere")).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let (mut longest, mut polls) = (0.0f64, 0);
    let head = store.read(|r| Ok(r.log().head()?)).unwrap();
    while watcher.position() < head {
        let mut next = pin!(watcher.recv());
        let (polled, time) = timed(|| next.as_mut().poll(&mut context));
        assert!(matches!(polled, Poll::Pending));
        (longest, polls) = (longest.max(time), polls + 1);
    }
    let value = format!("{polls} polls, the longest {longest:.2} ms");
    row(&format!("recv().await over {many} entries that the filter drops"), value, "one scan a poll");
    let refused = Store::builder().set_maintenance(Duration::ZERO).in_memory().is_err();
    row("set_maintenance(0)", if refused { "refused" } else { "taken" }, "refused");
}
