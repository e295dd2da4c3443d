//! Applied, durable, visible: who sees a transaction when, and what is left of one that ends otherwise.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use execstore::error::{CommitError, StorageError};
use execstore::redb::Durability;
use execstore::watch::WatchFrom;
use execstore::{
    ChangeKind, Error, Filter, Json, NewEvent, NewExecution, Readable, Store, Timestamp, Update,
};
use support::content::digest;
use support::gate::Gate;
use support::waits::until;

fn new(id: impl AsRef<str>) -> NewExecution {
    NewExecution::new("j").id(id.as_ref())
}

/// A store behind a gate, with one execution that everybody sees.
fn gated() -> (Gate, Store) {
    let gate = Gate::default();
    let mut builder = Store::builder();
    builder.set_clock(|| Timestamp::from_nanos(7));
    let store = builder.create_file_with_backend(gate.clone()).unwrap();
    store.create(new("first")).unwrap();
    assert!(store.get("first").unwrap().is_some());
    (gate, store)
}

/// The ids that there are.
fn ids(store: &Store) -> Vec<String> {
    let reader = store.begin_read().unwrap();
    reader.by_job("j").unwrap().map(|execution| execution.unwrap().id.to_string()).collect()
}

#[test]
fn nothing_is_seen_before_it_is_durable() {
    let (gate, store) = gated();
    let head = store.begin_read().unwrap().log().head().unwrap();
    gate.shut();
    thread::scope(|scope| {
        let writing = scope.spawn(|| store.create(new("second")).unwrap());
        gate.wait_for_sync();
        assert_eq!(ids(&store), ["first"]);
        assert_eq!(store.wait_for_changes(head, Duration::ZERO).unwrap(), head);
        gate.open();
        writing.join().unwrap();
    });
    assert_eq!(ids(&store), ["first", "second"]);
}

/// However many wait for the sync that is under way and for the one after it.
#[test]
fn a_reader_of_what_is_durable_does_not_wait_for_a_sync() {
    let (gate, store) = gated();
    let (store, mut durable) = (&store, vec!["first".to_owned()]);
    for round in 0..4_u64 {
        // Acknowledged, and not visible yet.
        let acknowledged = format!("{round}, durable");
        store.create(new(&acknowledged)).unwrap();
        store.update("first", Update::new().payload(serde_json::json!(round))).unwrap();
        durable.push(acknowledged);
        gate.shut();
        let applied = &AtomicU64::new(0);
        let (see, seen) = channel();
        let seen = thread::scope(|scope| {
            let write = |n| {
                scope.spawn(move || {
                    let written = store.write(|w| {
                        w.update("first", Update::new().payload(serde_json::json!("not durable")))?;
                        w.create(new(format!("{round}, {n}")))?;
                        applied.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                    written.unwrap();
                });
            };
            write(0);
            gate.wait_for_sync();
            (1..=round).for_each(write);
            until("they have applied", || {
                applied.load(Ordering::SeqCst) == round + 1 && store.status().unwrap().writer.is_none()
            });
            scope.spawn(move || {
                let first = store.get("first").unwrap().unwrap();
                see.send((ids(store), first.payload_json().as_str().to_owned())).unwrap();
            });
            // The gate is shut: who waited for the disk would wait until it opens.
            let seen = seen.recv_timeout(Duration::from_secs(20));
            gate.open();
            seen
        });
        let (mut seen, payload) = seen.expect("a reader waited for the disk");
        seen.sort();
        durable.sort();
        assert_eq!((seen, payload), (durable.clone(), round.to_string()));
        durable.extend((0..=round).map(|n| format!("{round}, {n}")));
    }
    let mut seen = ids(store);
    seen.sort();
    durable.sort();
    assert_eq!(seen, durable);
    assert!(store.verify().unwrap().is_clean());
}

/// A half of the journal is full, and redb's commit of it waits for the disk. Nobody else does, as long as there is room in the other
/// half; and who finds none there waits, and loses nothing.
#[test]
fn writers_and_readers_go_on_while_a_half_of_the_journal_is_taken_over() {
    let gate = Gate::default();
    let mut builder = Store::builder();
    builder.set_journal_size(0);
    let open = || builder.create_file_with_backend(gate.clone()).unwrap();
    let store = open();
    store.create(new("0")).unwrap();
    gate.shut_for("execstore-flush");
    let mut many = 1;
    thread::scope(|scope| {
        let (write, written) = channel();
        let store = &store;
        let writing = scope.spawn(move || {
            for n in 1..1_000 {
                store.create(new(n.to_string())).unwrap();
                write.send(()).unwrap();
            }
        });
        // The first half, and then the second.
        while written.recv_timeout(Duration::from_secs(2)).is_ok() {
            many += 1;
            assert!(ids(store).len() >= many);
            assert!(store.get("0").unwrap().is_some());
        }
        gate.wait_for_sync();
        assert!((20..900).contains(&many) && !writing.is_finished(), "{many}");
        assert_eq!(ids(store).len(), many);
        gate.open();
        writing.join().unwrap();
    });
    assert_eq!(ids(&store).len(), 1_000);
    assert!(store.verify().unwrap().is_clean());
    store.close().unwrap();
    assert_eq!(ids(&open()).len(), 1_000);
}

/// Rows go to redb on a thread that stops before it gives them to redb or when redb commits them. What comes meanwhile removes some of
/// them, and then a transaction begins that goes to the journal, or is too large for it, or for memory, and so needs redb itself. What
/// redb was given by then has to be removed there.
#[test]
fn what_removes_rows_that_redb_is_given_meanwhile_removes_them_there_too() {
    for (commits, many_large) in [(false, 0), (false, 3), (false, 6), (true, 0), (true, 3), (true, 6)] {
        let gate = Gate::default();
        let mut builder = Store::builder();
        builder.set_journal_size(4 * 1024 * 1024);
        let open = || builder.create_file_with_backend(gate.clone()).unwrap();
        let store = open();
        gate.shut_for("execstore-flush");
        let mut many = 0;
        while !gate.is_waited_at() {
            many += 1;
            store.create(new(many.to_string())).unwrap();
            thread::yield_now();
        }
        if commits {
            gate.let_one_pass();
            until("redb commits", || gate.is_waited_at() && !gate.lets_pass());
        }
        (1..=100).for_each(|n| drop(store.delete(n.to_string()).unwrap()));
        let large = "x".repeat(1024 * 1024);
        store
            .write(|w| {
                gate.open();
                (0..many_large).try_for_each(|n| {
                    let payload = serde_json::json!(large);
                    w.create(new(format!("large {n}")).payload(payload)).map(drop)
                })?;
                w.create(new("small")).map(drop)?;
                Ok(())
            })
            .unwrap();
        let all = many - 100 + many_large + 1;
        assert_eq!(ids(&store).len(), all);
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{commits} {many_large}: {report}");
        store.close().unwrap();
        let store = open();
        assert!(store.verify().unwrap().is_clean());
        assert_eq!(ids(&store).len(), all);
    }
}

#[test]
fn who_begins_to_wait_during_a_sync_hears_of_what_it_makes_durable() {
    let wanted: [fn() -> Filter; 3] = [
        || Filter::new().job("j"),
        || Filter::new().namespace("default"),
        || Filter::new().kind(ChangeKind::Created).job("j"),
    ];
    for wanted in wanted {
        let (gate, store) = gated();
        gate.shut();
        thread::scope(|scope| {
            let writing = scope.spawn(|| store.create(new("second")).unwrap());
            gate.wait_for_sync();
            // The first to wait for anything of its kind: the transaction has not noted what it touches of it.
            let watching = scope.spawn(|| {
                let mut watcher = store.watch(WatchFrom::Latest, wanted()).unwrap();
                watcher.next_batch(1, Duration::MAX).unwrap()[0].execution_id().unwrap().to_string()
            });
            until("the watcher waits", || store.status().unwrap().waiting == 1);
            gate.open();
            writing.join().unwrap();
            // So that one who was passed over does not wait for ever.
            store.create(new("third")).unwrap();
            assert_eq!(watching.join().unwrap(), "second");
        });
    }
}

#[test]
fn those_who_come_during_a_sync_share_the_next_one() {
    let (gate, store) = gated();
    gate.shut();
    let (before, applied) = (gate.syncs(), AtomicU64::new(0));
    thread::scope(|scope| {
        let write = |n: u64| {
            store.write(|w| {
                let created = w.create(new(format!("{n:02}")))?;
                applied.fetch_add(1, Ordering::SeqCst);
                Ok(created)
            })
        };
        let threads: Vec<_> = (0..20).map(|n| scope.spawn(move || write(n))).collect();
        // All of them get the turn while one waits for the disk. The last has applied once somebody else gets the turn.
        while applied.load(Ordering::SeqCst) < 20 {
            thread::yield_now();
        }
        gate.open();
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap().unwrap()));
    });
    assert!(gate.syncs() - before <= 3, "{} syncs for 20 transactions", gate.syncs() - before);
    assert_eq!(ids(&store).len(), 21);
}

#[test]
fn what_was_acknowledged_is_in_every_read_that_begins_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_new(folder.path().join("s")).unwrap();
    let acknowledged: Vec<_> = (0..6).map(|_| AtomicU64::new(0)).collect();
    let done = AtomicBool::new(false);
    for n in 0..6 {
        store.create(new(format!("{n}")).state("Running")).unwrap();
    }
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reads = 0;
                    while !done.load(Ordering::SeqCst) {
                        let known: Vec<_> =
                            acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
                        let reader = store.begin_read().unwrap();
                        for (n, known) in known.into_iter().enumerate() {
                            let found = reader.get(format!("{n}")).unwrap().unwrap();
                            assert!(found.event_count >= known, "{} of {known}", found.event_count);
                        }
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let writers: Vec<_> = (0..6)
            .map(|n| {
                let (store, acknowledged) = (&store, &acknowledged);
                scope.spawn(move || {
                    let id = format!("{n}");
                    for count in 1..=150 {
                        match count % 3 {
                            0 => drop(store.append_events(&id, [NewEvent::new("t")]).unwrap()),
                            1 => {
                                store.write(|w| Ok(w.append_events(&id, [NewEvent::new("t")])?)).unwrap();
                            }
                            _ => {
                                let txn = store.begin_write().unwrap();
                                txn.writer().unwrap().append_events(&id, [NewEvent::new("t")]).unwrap();
                                txn.commit().unwrap();
                            }
                        }
                        acknowledged[n].store(count, Ordering::SeqCst);
                        assert_eq!(store.get(&id).unwrap().unwrap().event_count, count);
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::SeqCst);
        assert!(readers.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>() > 0);
    });
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_closure_that_writes_keeps_no_reader_waiting() {
    let (_, store) = gated();
    store.create(new("second")).unwrap();
    let (store, (run, runs), (see, seen), (go, gone)) = (&store, channel(), channel(), channel::<()>());
    let seen = thread::scope(|scope| {
        scope.spawn(move || {
            let written = store.write(|w| {
                w.create(new("third"))?;
                run.send(()).unwrap();
                let _ = gone.recv();
                Ok(())
            });
            written.unwrap();
        });
        runs.recv().unwrap();
        scope.spawn(move || see.send(ids(store)).unwrap());
        let seen = seen.recv_timeout(Duration::from_secs(20));
        drop(go);
        seen
    });
    assert_eq!(seen.expect("a reader waited for a writer"), ["first", "second"]);
    assert_eq!(ids(store), ["first", "second", "third"]);
}

#[test]
fn a_held_transaction_keeps_no_reader_waiting() {
    let (_, store) = gated();
    store.create(new("second")).unwrap();
    // On one thread: a read that waited would wait for ever.
    let held = store.begin_write().unwrap();
    held.writer().unwrap().create(new("third")).unwrap();
    assert_eq!(ids(&store), ["first", "second"]);
    held.commit().unwrap();
    assert_eq!(ids(&store), ["first", "second", "third"]);
}

#[test]
fn who_waits_to_read_goes_on_once_a_transaction_that_is_held_has_shown_what_came_before_it() {
    // One whose rows go to redb at once.
    let gate = Gate::default();
    let mut builder = Store::builder();
    let store = builder.set_tamper_evident(true).create_file_with_backend(gate.clone()).unwrap();
    store.create(new("first")).unwrap();
    assert!(store.get("first").unwrap().is_some());
    gate.shut();
    let (read, was_read) = channel();
    let (hold, held) = channel();
    thread::scope(|scope| {
        let second = scope.spawn(|| store.create(new("second")).unwrap());
        gate.wait_for_sync();
        let (apply, applied) = channel();
        let store = &store;
        let third = scope.spawn(move || {
            let created = store.write(|w| {
                w.create(new("third"))?;
                apply.send(()).unwrap();
                Ok(())
            });
            created.unwrap();
        });
        applied.recv().unwrap();
        until("it has applied", || store.status().unwrap().writer.is_none());
        scope.spawn(move || {
            // It has the turn while it waits for the disk.
            let txn = store.begin_write().unwrap();
            hold.send(()).unwrap();
            was_read.recv().unwrap();
            drop(txn);
        });
        until("it has the turn", || store.status().unwrap().writer.is_some());
        gate.let_one_pass();
        // Acknowledged, and not visible yet.
        second.join().unwrap();
        let reader = scope.spawn(move || read.send(ids(store)).map(|()| ids(store)).unwrap());
        until("the reader waits for it", || store.status().unwrap().writers_waiting == 1);
        gate.open();
        held.recv().unwrap();
        third.join().unwrap();
        assert_eq!(reader.join().unwrap(), ["first", "second", "third"]);
    });
}

#[test]
fn the_store_is_not_read_through_its_handle_within_a_closure_that_writes() {
    for store in [gated().1, Store::in_memory().unwrap()] {
        let within = store.write(|w| {
            w.create(new("x"))?;
            let (get, verify) = (store.get("x").map(drop), store.verify().map(drop));
            Ok(([get, verify], store.begin_read().map(drop), w.get("x")?.is_some()))
        });
        let (looks, begin, through_the_writer) = within.unwrap();
        for look in looks {
            assert!(
                matches!(look, Err(execstore::error::ReadError::Storage(StorageError::ReadWithin))),
                "{look:?}"
            );
        }
        assert!(matches!(begin, Err(StorageError::ReadWithin)), "{begin:?}");
        assert!(through_the_writer);
        assert!(store.get("x").unwrap().is_some());
    }
}

/// How a transaction ends that leaves nothing.
#[derive(Clone, Copy, Debug)]
enum End {
    Dropped,
    Aborted,
    Failed,
    Panicked,
}

fn end(store: &Store, how: End) {
    let write = |w: &mut execstore::Writer<'_>| {
        w.update(
            "a",
            Update::to("BidAccepted").payload(Json::from_text(&format!("\"{}\"", "y".repeat(3_000)))?),
        )?;
        w.create(new("gone").label("k", "v"))?;
        w.append_output("a", "out", vec![1; 9_000])?;
        w.put_attachment("a", execstore::attachments::NewAttachment::bytes("k", vec![2; 70_000]))?;
        w.trim_changes(execstore::ChangeSeq(1))?;
        w.delete("b")?;
        Ok(())
    };
    match how {
        End::Dropped | End::Aborted => {
            let txn = store.begin_write().unwrap();
            let mut writer = txn.writer().unwrap();
            write(&mut writer).unwrap();
            drop(writer);
            if matches!(how, End::Aborted) { txn.abort().unwrap() } else { drop(txn) }
        }
        End::Failed => {
            let failed = store.write(|w| write(w).and_then(|()| Ok(w.create(new("a"))?)));
            assert!(failed.is_err());
        }
        End::Panicked => {
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                store.write(|w| {
                    write(w)?;
                    if true {
                        std::panic::resume_unwind(Box::new("on purpose"))
                    }
                    Ok(())
                })
            }));
            assert!(panicked.is_err());
        }
    }
}

#[test]
fn a_transaction_that_is_taken_back_leaves_its_neighbours_and_nothing_else() {
    for how in [End::Dropped, End::Aborted, End::Failed, End::Panicked] {
        let [(_, with), (_, without)] = [gated(), gated()];
        for store in [&with, &without] {
            store.create(new("a").payload(Json::from_text("1").unwrap())).unwrap();
            store.create(new("b").label("k", "v").event(NewEvent::new("t"))).unwrap();
        }
        end(&with, how);
        for store in [&with, &without] {
            store.update("b", Update::to("BidAccepted")).unwrap();
        }
        end(&with, how);
        end(&with, how);
        for store in [&with, &without] {
            store.create(new("c")).unwrap();
        }
        assert_eq!(digest(&with).unwrap(), digest(&without).unwrap(), "{how:?}");
        let report = with.verify().unwrap();
        assert!(report.is_clean(), "{how:?}: {report}");
    }
}

#[test]
fn after_a_failed_sync_what_was_acknowledged_is_seen_and_nothing_else() {
    let (gate, store) = gated();
    let before = store.begin_read().unwrap();
    store.create(new("second")).unwrap();
    gate.shut();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|n| {
                let store = &store;
                scope.spawn(move || store.write(|w| Ok(w.create(new(format!("lost{n}")))?)))
            })
            .collect();
        gate.wait_for_sync();
        gate.fail();
        for thread in writers {
            let failed = thread.join().unwrap().map(drop);
            // One that came too late for the sync that failed knows that nothing of it was done.
            let told = matches!(
                failed,
                Err(Error::Commit(CommitError::Unknown(_))
                    | Error::Commit(CommitError::RolledBack(StorageError::Poisoned { .. }))
                    | Error::Storage(StorageError::Poisoned { .. }))
            );
            assert!(told, "{failed:?}");
        }
    });
    assert_eq!(ids(&store), ["first", "second"]);
    assert_eq!(before.by_job("j").unwrap().count(), 1, "a reader of before goes on");
    let refused = store.create(new("later")).map(drop);
    assert!(matches!(refused, Err(Error::Storage(StorageError::Poisoned { .. }))), "{refused:?}");
}

#[test]
fn one_that_does_not_wait_is_seen_at_once_and_waits_behind_one_that_does() {
    let (gate, store) = gated();
    let lazily = |id: &str| {
        let mut txn = store.begin_write().unwrap();
        txn.set_durability(Durability::None);
        txn.writer().unwrap().create(new(id)).unwrap();
        txn.commit().unwrap();
    };
    gate.shut();
    lazily("second");
    assert_eq!(ids(&store), ["first", "second"], "no sync was waited for");
    gate.open();
    let syncs = gate.syncs();
    lazily("third");
    store.create(new("fourth")).unwrap();
    assert!(gate.syncs() > syncs);
    assert_eq!(ids(&store), ["first", "second", "third", "fourth"]);
}

#[test]
fn a_leaked_writer_ends_the_writing_and_hangs_nobody() {
    for commits in [true, false] {
        let (_, store) = gated();
        store.create(new("second")).unwrap();
        let txn = store.begin_write().unwrap();
        let mut writer = txn.writer().unwrap();
        writer.create(new("third")).unwrap();
        std::mem::forget(writer);
        if commits {
            let refused = txn.commit();
            assert!(matches!(refused, Err(CommitError::RolledBack(_))), "{refused:?}");
        } else {
            drop(txn);
        }
        let refused = store.create(new("later")).map(drop);
        assert!(matches!(refused, Err(Error::Storage(StorageError::Poisoned { .. }))), "{refused:?}");
        assert_eq!(ids(&store), ["first", "second"]);
        drop(store.close());
    }
}
