//! Handles and threads: what may be shared, and what readers see while a writer works.

use std::sync::atomic::{AtomicBool, Ordering};

use execstore::*;
use support::create;

use crate::Engine;

pub fn readers_see_whole_transactions_only(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            w.create(NewExecution::new("pair").id("left"))?;
            Ok(w.create(NewExecution::new("pair").id("right"))?)
        })
        .unwrap();
    let done = AtomicBool::new(false);
    let looked: u64 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut turns, mut last) = (0, 0);
                    while !done.load(Ordering::Relaxed) || turns == 0 {
                        let reader = store.begin_read().unwrap();
                        let left = reader.get("left").unwrap().unwrap();
                        let right = reader.get("right").unwrap().unwrap();
                        assert_eq!((left.revision, &left.message), (right.revision, &right.message));
                        assert_eq!(left.payload_json(), right.payload_json());
                        // Every number that can be counted agrees with every other.
                        let counted: u64 = reader.counts().unwrap().iter().map(|(_, count)| count).sum();
                        let listed =
                            reader.query(&Query::new().limit(10_000)).page().unwrap().executions.len();
                        let others = reader.by_job("other").unwrap().count() as u64;
                        assert_eq!((counted, listed as u64), (others + 2, others + 2));
                        assert_eq!(others % 3, 0, "they come by three");
                        assert_eq!(reader.events("left", ..).unwrap().count() as u64, left.event_count);
                        let head = reader.log().head().unwrap().get();
                        assert!(head >= last, "a later reader sees no less");
                        assert_eq!(reader.log().range(ChangeSeq(head)..).unwrap().count(), 1);
                        last = head;
                        turns += 1;
                    }
                    turns
                })
            })
            .collect();
        for n in 0..150 {
            let edit = || Update::new().message(n.to_string()).payload(support::big_payload(n * 20));
            store
                .write(|w| {
                    w.update("left", edit().event(NewEvent::new("t")))?;
                    for k in 0..3 {
                        w.create(NewExecution::new("other").id(format!("{n}-{k}")).state("Running"))?;
                    }
                    if n % 2 == 1 {
                        for k in 0..3 {
                            w.update(format!("{n}-{k}"), Update::to("Failed"))?;
                            w.delete(format!("{}-{k}", n - 1))?;
                        }
                    }
                    Ok(w.update("right", edit())?)
                })
                .unwrap();
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(looked >= 3);
}

pub fn writers_in_several_threads_take_turns(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "counter");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..25 {
                    let event = NewEvent::new(format!("{thread}-{n}"));
                    store.write(|w| Ok(w.update("counter", Update::new().event(event))?)).unwrap();
                }
            });
        }
    });
    let read = store.read(|r| Ok(r.get("counter")?)).unwrap().unwrap();
    assert_eq!((read.revision.get(), read.event_count), (101, 100));
    let reader = store.begin_read().unwrap();
    let topics: Vec<_> = reader.events("counter", ..).unwrap().map(|event| event.unwrap().topic).collect();
    for thread in 0..4 {
        let own: Vec<_> = topics.iter().filter(|topic| topic.starts_with(&format!("{thread}-"))).collect();
        assert!(own.len() == 25 && own[24].ends_with("-24"), "in its own order");
    }
}

pub fn one_reader_is_shared_by_several_threads(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..20 {
        create(&store, &n.to_string());
    }
    let reader = store.begin_read().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..20 {
                    assert!(reader.get(n.to_string()).unwrap().is_some());
                }
                assert_eq!(reader.by_job("j").unwrap().count(), 20);
            });
        }
    });
}
