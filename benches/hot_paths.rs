//! Micro-benchmarks of the hot paths, in memory, so that the disk has no say: `cargo bench --bench hot_paths`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use execstore::redb::Durability;
use execstore::{ChangeSeq, Json, NewEvent, NewExecution, Query, Readable, Store, Update, WriteTxn};

const EXECUTIONS: usize = 20_000;

fn payload() -> Json {
    Json::from_text(&format!("{{\"command\":\"{}\"}}", "x".repeat(700))).unwrap()
}

fn new_execution(n: usize) -> NewExecution {
    NewExecution::new(format!("job-{}", n / 4))
        .id(format!("execution-{n}"))
        .node_id("0190163d-8694-739b-aea5-966c26f8ad90")
        .state("BidAccepted")
        .payload(payload())
}

fn filled() -> Store {
    let store = Store::in_memory().unwrap();
    for batch in 0..EXECUTIONS / 1_000 {
        let fill = store.write(|w| {
            for n in batch * 1_000..(batch + 1) * 1_000 {
                let events: Vec<_> =
                    (0..5).map(|e| NewEvent::new("topic").message(format!("event {e}"))).collect();
                w.create(new_execution(n).events(events))?;
            }
            Ok(())
        });
        fill.unwrap();
    }
    store
}

fn lazy_write(store: &Store) -> WriteTxn {
    let mut txn = store.begin_write().unwrap();
    txn.set_durability(Durability::None);
    txn
}

fn reads(c: &mut Criterion) {
    let store = filled();
    let reader = store.begin_read().unwrap();
    let mut n = 0;
    let mut next = move || {
        n = (n + 7_919) % EXECUTIONS;
        n
    };
    c.bench_function("get", |b| {
        b.iter(|| black_box(reader.get(format!("execution-{}", next())).unwrap().unwrap()));
    });
    c.bench_function("get in a transaction of its own", |b| {
        b.iter(|| store.begin_read().unwrap().get(format!("execution-{}", next())).unwrap().unwrap());
    });
    c.bench_function("the four executions of a job", |b| {
        b.iter(|| reader.by_job(format!("job-{}", next() / 4)).unwrap().map(Result::unwrap).count());
    });
    c.bench_function("the five events of an execution", |b| {
        b.iter(|| reader.events(format!("execution-{}", next()), ..).unwrap().map(Result::unwrap).count());
    });
    c.bench_function("a page of 50", |b| {
        b.iter(|| reader.query(&Query::new().limit(50)).page().unwrap().executions.len());
    });
    c.bench_function("counts", |b| b.iter(|| reader.counts().unwrap()));
    c.bench_function("1,000 entries of the change log", |b| {
        b.iter(|| reader.log().range(ChangeSeq(1)..=ChangeSeq(1_000)).unwrap().map(Result::unwrap).count());
    });
}

fn writes(c: &mut Criterion) {
    let store = filled();
    let mut n = EXECUTIONS;
    c.bench_function("create, within a transaction", |b| {
        let txn = lazy_write(&store);
        let mut writer = txn.writer().unwrap();
        b.iter_batched(
            || {
                n += 1;
                (new_execution(n), [NewEvent::new("created").message("by the benchmark")])
            },
            |(new, events)| writer.create(new.events(events)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    c.bench_function("update, within a transaction", |b| {
        let txn = lazy_write(&store);
        let mut writer = txn.writer().unwrap();
        let mut n = 0;
        b.iter(|| {
            n = (n + 1) % EXECUTIONS;
            let update = Update::new().message("updated");
            let events = [NewEvent::new("updated").message("by the benchmark")];
            writer.update(format!("execution-{n}"), update.events(events)).unwrap()
        });
    });
    c.bench_function("update, in a transaction of its own, not waiting for the disk", |b| {
        let mut n = 0;
        b.iter(|| {
            n = (n + 1) % EXECUTIONS;
            let txn = lazy_write(&store);
            let update = Update::new().message("updated");
            txn.writer()
                .unwrap()
                .update(format!("execution-{n}"), update.event(NewEvent::new("updated")))
                .unwrap();
            txn.commit().unwrap();
        });
    });
}

criterion_group!(hot_paths, reads, writes);
criterion_main!(hot_paths);
