//! Deleting much: gone for every reader at once, removed in bounded steps, and others write in between.

use execstore::attachments::NewAttachment;
use execstore::outputs::OutputCap;
use execstore::redb::{self, Database};
use execstore::tasks::TaskUpdate;
use execstore::{ChangeSeq, NewEvent, NewExecution, OrderBy, Query, Readable, Store, Update};
use std::sync::Arc;
use support::gate::Gate;
use support::waits::until;
use support::{TestStore, create};

/// How many rows a step removes at most: those that it is asked for, and where it comes to the end of an execution its progress, its visits and
/// the row that says what waits.
const STEP: u64 = ASKED + 3;
const ASKED: u64 = 50;

/// A store in a database of the caller's, whose steps are taken by the writes that follow and by nobody else.
fn attached(sealed: bool) -> Store {
    let backend = redb::backends::InMemoryBackend::new();
    let db: Arc<Database> = Arc::new(redb::Builder::new().create_with_backend(backend).unwrap());
    let store = Store::builder().set_removal_step(ASKED).set_tamper_evident(sealed).attach(db).unwrap();
    store.share_database();
    store
}

/// The rows of each table that a deletion leaves for later.
fn rows(store: &Store) -> u64 {
    let sizes = store.begin_read().unwrap().table_sizes().unwrap();
    let later = ["changes", "payloads", "events", "chunks", "attachments", "outputs", "tasks", "task_names"];
    let counts = sizes.iter().filter(|size| later.contains(&size.table.trim_start_matches("execstore/")));
    counts.map(|size| size.rows).sum()
}

fn waiting(store: &Store) -> u64 {
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    report.waiting
}

/// An execution with many rows of every kind.
fn fill(store: &Store, id: &str) {
    let events: Vec<_> = (0..300).map(|n| NewEvent::new("t").message(n.to_string())).collect();
    store.write(|w| Ok(w.create(NewExecution::new("j").id(id).events(events))?)).unwrap();
    store
        .write(|w| {
            for n in 0..120 {
                w.put_task(id, TaskUpdate::started(format!("node {n}")))?;
                w.put_attachment(id, NewAttachment::bytes(format!("small {n}"), vec![1; 10]))?;
                w.append_output(id, format!("log {n}"), b"line")?;
            }
            w.put_attachment(id, NewAttachment::bytes("large", vec![2; 900_000]))?;
            Ok(w.append_output(id, "stdout", vec![3; 900_000]).map(drop)?)
        })
        .unwrap();
}

/// Takes steps, one for each write, and sees that each is bounded, and that every state between is sound.
fn take_steps(store: &Store) -> usize {
    let mut steps = 0;
    while waiting(store) > 0 {
        let before = rows(store);
        store.write(|w| Ok(w.add_visits("nobody", Default::default()).map(drop)?)).unwrap();
        assert!(before - rows(store) <= STEP, "{} rows in one step", before - rows(store));
        steps += 1;
        assert!(steps < 1_000, "it does not end");
    }
    steps
}

#[test]
fn an_execution_with_many_rows_is_gone_at_once_and_its_rows_go_in_steps() {
    for sealed in [false, true] {
        let store = attached(sealed);
        create(&store, "stays");
        fill(&store, "e");
        let (reader, full) = (store.begin_read().unwrap(), rows(&store));
        let last = reader.get("e").unwrap().unwrap();
        assert_eq!(store.write(|w| Ok(w.delete("e")?)).unwrap(), *last.header());
        assert!(full - rows(&store) < 2 * STEP, "the deletion itself is bounded");
        assert_eq!(waiting(&store), 1);

        let now = store.begin_read().unwrap();
        assert!(now.get("e").unwrap().is_none());
        assert_eq!(now.events("e", ..).unwrap().count(), 0);
        assert_eq!(now.attachments("e").list().unwrap().count(), 0);
        assert_eq!(now.query(&Query::new()).attachment_usage().unwrap().attachments, 0);
        // A reader from before still has all of it.
        assert_eq!(reader.events("e", ..).unwrap().count(), 300);
        assert_eq!(reader.attachments("e").bytes("large").unwrap().unwrap().len(), 900_000);

        // Another one of the same id has nothing to do with it.
        store.write(|w| Ok(w.create(NewExecution::new("j").id("e").event(NewEvent::new("new")))?)).unwrap();
        store.write(|w| Ok(w.put_task("e", TaskUpdate::started("node 1"))?)).unwrap();
        let steps = take_steps(&store);
        assert!(steps > 15, "{steps} steps");
        let now = store.begin_read().unwrap();
        assert_eq!(now.events("e", ..).unwrap().count(), 1);
        assert_eq!(now.tasks("e").list().unwrap().count(), 1);
        assert_eq!(reader.events("e", ..).unwrap().count(), 300);
        let left = now.table_sizes().unwrap();
        let left = |table: &str| left.iter().find(|size| size.table.ends_with(table)).unwrap().rows;
        assert_eq!(
            (left("/events"), left("/tasks"), left("/task_names"), left("/task_counts")),
            (1, 1, 1, 1)
        );
        assert_eq!((left("/attachments"), left("/outputs"), left("/chunks")), (0, 0, 0));
        assert_eq!((left("/removals"), left("/visits")), (0, 0));
    }
}

#[test]
fn what_is_small_goes_with_its_own_transaction() {
    let store = attached(false);
    let events: Vec<_> = (0..20).map(|_| NewEvent::new("t")).collect();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e").events(events))?)).unwrap();
    store.write(|w| Ok(w.put_attachment("e", NewAttachment::bytes("a", vec![1; 70_000]))?)).unwrap();
    store.write(|w| Ok(w.put_task("e", TaskUpdate::started("n"))?)).unwrap();
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(waiting(&store), 0);
    let sizes = store.begin_read().unwrap().table_sizes().unwrap();
    for table in ["events", "attachments", "chunks", "tasks", "task_names", "task_counts", "removals"] {
        let size = sizes.iter().find(|size| size.table == format!("execstore/{table}")).unwrap();
        assert_eq!(size.rows, 0, "{table}");
    }
    // But not all of many small ones in one transaction.
    for n in 0..40 {
        let events: Vec<_> = (0..20).map(|_| NewEvent::new("t")).collect();
        store.write(|w| Ok(w.create(NewExecution::new("j").id(n.to_string()).events(events))?)).unwrap();
    }
    let before = rows(&store);
    store.write(|w| Ok((0..40).try_for_each(|n| w.delete(n.to_string()).map(drop))?)).unwrap();
    // Each deletion adds an entry to the log and its payload.
    assert!(before + 80 - rows(&store) <= 2 * STEP);
    assert!(waiting(&store) > 30);
    take_steps(&store);
    assert_eq!(rows(&store), 82 + 41, "the log and its payloads");
}

#[test]
fn attachments_that_are_replaced_or_deleted_go_in_steps() {
    let store = attached(true);
    create(&store, "e");
    let large = |byte| NewAttachment::bytes("a", vec![byte; 2_000_000]);
    store.write(|w| Ok(w.put_attachment("e", large(1))?)).unwrap();
    store.write(|w| Ok(w.put_attachment("e", large(2))?)).unwrap();
    assert_eq!(waiting(&store), 1);
    store.write(|w| Ok(w.put_attachment("e", large(3))?)).unwrap();
    let bytes = store.begin_read().unwrap().attachments("e").bytes("a").unwrap().unwrap();
    assert!(bytes == vec![3; 2_000_000]);
    assert!(waiting(&store) >= 1);
    // What a source that fails has left.
    let mut failing = std::io::Read::chain(std::io::Read::take(std::io::repeat(7), 2_000_000), Fails);
    let failed = store.write(|w| {
        let error = w.put_attachment_from("e", "a", "a/b", &mut failing).unwrap_err();
        assert!(matches!(error, execstore::error::WriteError::Source(_)));
        Ok(())
    });
    failed.unwrap();
    take_steps(&store);
    assert!(store.write(|w| Ok(w.delete_attachment("e", "a")?)).unwrap());
    assert_eq!(store.begin_read().unwrap().attachments("e").get("a").unwrap(), None);
    take_steps(&store);
    let sizes = store.begin_read().unwrap().table_sizes().unwrap();
    assert_eq!(sizes.iter().find(|size| size.table == "execstore/chunks").unwrap().rows, 0);
}

struct Fails;

impl std::io::Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("it fails"))
    }
}

#[test]
fn what_a_cap_drops_of_a_long_output_goes_in_steps_while_it_grows() {
    for cap in
        [OutputCap::Tail(1_000), OutputCap::Head(1_000), OutputCap::Both { head: 70_000, tail: 70_000 }]
    {
        let store = attached(false);
        create(&store, "e");
        store.write(|w| Ok(w.append_output("e", "o", vec![1; 3_000_000])?)).unwrap();
        store.write(|w| Ok(w.cap_output("e", "o", cap)?)).unwrap();
        assert_eq!(waiting(&store), 1, "{cap:?}");
        for n in 2..40u8 {
            // Each of these takes a step.
            let output = store.write(|w| Ok(w.append_output("e", "o", vec![n; 5_000])?)).unwrap();
            waiting(&store);
            let r = store.begin_read().unwrap();
            let kept = output.dropped().map_or(0, |dropped| dropped.end).min(output.length);
            let part = r.outputs("e").read("o", kept, 5_000).unwrap().unwrap();
            assert_eq!((part.offset, part.bytes.len() as u64), (kept, (output.length - kept).min(5_000)));
        }
        take_steps(&store);
        // It is given up while a part of it waits.
        store.write(|w| Ok(w.append_output("e", "other", vec![1; 3_000_000])?)).unwrap();
        store.write(|w| Ok(w.cap_output("e", "other", OutputCap::Tail(500_000))?)).unwrap();
        store.write(|w| Ok(w.delete_output("e", "other")?)).unwrap();
        assert_eq!(waiting(&store), 1);
        take_steps(&store);
    }
}

#[test]
fn a_long_log_is_trimmed_at_once_and_its_entries_go_in_steps() {
    for sealed in [false, true] {
        let store = attached(sealed);
        store
            .write(|w| {
                for n in 0..100 {
                    let id = format!("e{n}");
                    w.create(NewExecution::new("j").id(&id))?;
                    for turn in 0..3 {
                        w.update(&id, Update::new().payload(support::json(&turn.to_string())))?;
                    }
                    if n % 3 == 0 {
                        w.delete(&id)?;
                    }
                }
                Ok(())
            })
            .unwrap();
        let in_order = |store: &Store| -> Vec<String> {
            let r = store.begin_read().unwrap();
            let found = r
                .query(&Query::new().order_by(OrderBy::Modified))
                .rows()
                .unwrap()
                .map(|found| found.unwrap().id.to_string());
            found.collect()
        };
        let (order, head) = (in_order(&store), store.begin_read().unwrap().log().head().unwrap());
        assert_eq!(store.write(|w| Ok(w.trim_changes(ChangeSeq(300))?)).unwrap(), 300);
        assert_eq!(store.begin_read().unwrap().log().oldest().unwrap(), ChangeSeq(301));
        assert_eq!(store.begin_read().unwrap().log().range(..).unwrap().count() as u64, head.get() - 300);
        assert_eq!((waiting(&store), in_order(&store)), (1, order.clone()));
        // An execution among those whose entries wait changes once more, another is deleted, and it is trimmed again.
        store.write(|w| Ok(w.update("e1", Update::new().message("m"))?)).unwrap();
        store.write(|w| Ok(w.delete("e2")?)).unwrap();
        assert_eq!(store.write(|w| Ok(w.trim_changes(head)?)).unwrap(), head.get() - 300);
        assert_eq!(waiting(&store), 1);
        let mut expected: Vec<_> =
            order.iter().filter(|id| !["e1", "e2"].contains(&id.as_str())).cloned().collect();
        expected.insert(0, "e1".into());
        let mut steps = 0;
        while waiting(&store) > 0 {
            assert_eq!(in_order(&store), expected);
            store.write(|w| Ok(w.add_visits("nobody", Default::default()).map(drop)?)).unwrap();
            steps += 1;
        }
        assert!(steps > 8, "{steps} steps");
        assert_eq!(in_order(&store), expected);
        assert_eq!(store.begin_read().unwrap().log().oldest().unwrap(), ChangeSeq(head.get() + 1));
    }
}

/// Until nothing waits any more, without a write.
fn wait_until_swept(store: &Store) {
    until("it is removed", || waiting(store) == 0);
}

#[test]
fn the_rows_go_without_a_further_write_and_after_a_crash_too() {
    let mut store = TestStore::with(Store::builder().set_removal_step(20));
    fill(&store, "e");
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    wait_until_swept(&store);
    assert_eq!(rows(&store), 3, "the log and a payload");

    // Closed in the middle of it, it goes on when it is opened.
    fill(&store, "e");
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    store.reopen();
    wait_until_swept(&store);
    assert_eq!(rows(&store), 6);

    // And a call does it on this thread.
    fill(&store, "e");
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(store.maintain().unwrap().waiting, 0);
    assert_eq!((waiting(&store), rows(&store)), (0, 9));
}

#[test]
fn a_long_removal_has_little_at_once_for_redb_to_write() {
    let disk = Gate::default();
    let store = Store::builder().set_removal_step(ASKED).create_file_with_backend(disk.clone()).unwrap();
    let events: Vec<_> = (0..5_000).map(|_| NewEvent::new("t")).collect();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e").events(events))?)).unwrap();
    let before = disk.syncs();
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(store.maintain().unwrap().waiting, 0);
    wait_until_swept(&store);
    // A hundred steps of which nobody waits for the disk, and nothing that would fill the journal: what is synced is written out in between.
    let syncs = disk.syncs() - before;
    assert!(syncs >= 20, "{syncs}");
}

#[test]
fn a_bulk_deletion_of_executions_with_many_rows_has_bounded_transactions() {
    let store = TestStore::with(Store::builder().set_removal_step(1_000_000));
    let events: Vec<_> = (0..700).map(|_| NewEvent::new("t")).collect();
    for n in 0..40 {
        store
            .write(|w| Ok(w.create(NewExecution::new("j").id(n.to_string()).events(events.to_vec()))?))
            .unwrap();
    }
    let mut most = 0;
    let mut before = 0;
    store
        .bulk(Query::new())
        .on_progress(|so_far| {
            most = most.max(so_far.changed - before);
            before = so_far.changed;
            std::ops::ControlFlow::Continue(())
        })
        .delete()
        .unwrap();
    assert_eq!(before, 40);
    assert!(most < 10, "{most} executions with 700 events each in one transaction");
}
