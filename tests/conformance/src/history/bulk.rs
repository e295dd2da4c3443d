//! Bulk operations: what they change, what they leave, and how they go on.

use std::ops::ControlFlow;

use execstore::error::WriteError;
use execstore::{ChangeKind, Error, Expect, NewEvent, NewExecution, OrderBy, Query, Readable, Store, Update};
use support::waits::{until, while_another_writes};

use crate::{Engine, TestStore};

/// `many` executions of which every third one has a label.
fn with(engine: &dyn Engine, many: usize) -> TestStore {
    let store = engine.store();
    store
        .write(|w| {
            for n in 0..many {
                let new = NewExecution::new("j").id(format!("{n:05}"));
                w.create(if n % 3 == 0 { new.label("third", "yes") } else { new })?;
            }
            Ok(())
        })
        .unwrap();
    store
}

fn thirds() -> Query {
    Query::new().label("third", "yes")
}

fn count(store: &Store, query: &Query) -> u64 {
    store.read(|r| Ok(r.query(query).count()?)).unwrap()
}

pub fn everything_that_is_found_changes_in_bounded_transactions(engine: &dyn Engine) {
    let store = with(engine, 100);
    let dry = store.bulk(thirds()).dry_run().delete().unwrap();
    assert_eq!((dry.found, dry.changed), (34, 0));
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 100, "a dry run writes nothing");
    let mut seen = Vec::new();
    let report = store
        .bulk(thirds())
        .batch(10)
        .on_progress(|so_far| {
            seen.push(so_far.changed);
            ControlFlow::Continue(())
        })
        .update(Update::to("Cancelled").message("in bulk").event(NewEvent::new("bulk")))
        .unwrap();
    assert_eq!((report.found, report.changed, report.refused, report.stopped), (34, 34, 0, false));
    assert_eq!(seen, [10, 20, 30, 34]);
    assert_eq!(count(&store, &thirds().state("Cancelled")), 34);
    assert_eq!(store.read(|r| Ok(r.count("New")?)).unwrap(), 66);
    let reader = store.begin_read().unwrap();
    for execution in reader.query(&thirds()).rows().unwrap() {
        let execution = execution.unwrap();
        assert_eq!((execution.event_count, execution.message.as_deref()), (1, Some("in bulk")));
    }
    drop(reader);
    // An update that makes the condition false, and one that leaves it true, are both done once.
    let report = store.bulk(thirds()).batch(7).update(Update::new().remove_label("third")).unwrap();
    assert_eq!((report.changed, count(&store, &thirds())), (34, 0));
    let deleted = store.bulk(Query::new()).batch(9).delete().unwrap();
    assert_eq!((deleted.changed, count(&store, &Query::new())), (100, 0));
    let changes =
        store.begin_read().unwrap().log().range(..).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(changes.iter().filter(|change| change.kind() == ChangeKind::Deleted).count(), 100);
}

pub fn what_refuses_is_counted_and_left(engine: &dyn Engine) {
    let store = with(engine, 9);
    store.update("00003", Update::to("Failed")).unwrap();
    let report = store.bulk(thirds()).update(Update::to("BidAccepted")).unwrap();
    assert_eq!((report.found, report.changed, report.refused), (3, 2, 1));
    assert!(report.first_refusal.unwrap().contains("00003"));
    assert_eq!(store.read(|r| Ok(r.get("00003")?)).unwrap().unwrap().state, "Failed");
}

pub fn a_limit_bounds_the_whole_and_the_oldest_come_first(engine: &dyn Engine) {
    let store = with(engine, 50);
    let report = store.bulk(Query::new().limit(20)).batch(8).delete().unwrap();
    assert_eq!(report.changed, 20);
    let oldest = store.read(|r| Ok(r.query(&Query::new().oldest_first().limit(1)).page()?)).unwrap();
    assert_eq!(oldest.executions[0].id, "00020");
}

pub fn a_named_one_goes_on_after_a_stop_and_after_a_crash(engine: &dyn Engine) {
    for crash in [false, true] {
        let store = with(engine, 60);
        let update = || Update::new().name("again");
        let stop_after = |n: u64| {
            move |so_far: &execstore::bulk::BulkReport| {
                if so_far.changed >= n { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
        };
        let bulk = store.bulk(thirds()).name("rename").batch(6).on_progress(stop_after(12));
        let report = bulk.update(update()).unwrap();
        assert_eq!((report.changed, report.stopped), (12, true));
        // Those that come later are not part of it.
        store.create(NewExecution::new("j").id("later").label("third", "yes")).unwrap();
        let store = if crash { store.crash_copy() } else { store };
        // The name is taken until it is through.
        let other = store.bulk(thirds()).name("rename").delete();
        assert!(matches!(other, Err(Error::Write(WriteError::OtherBulk { .. }))), "{other:?}");
        let report = store.bulk(thirds()).name("rename").batch(6).update(update()).unwrap();
        assert_eq!((report.changed, report.stopped), (20, false), "those before the stop included");
        let reader = store.begin_read().unwrap();
        for execution in reader.query(&thirds()).rows().unwrap() {
            let execution = execution.unwrap();
            let expected = if execution.id == "later" { 1 } else { 2 };
            assert_eq!(execution.revision.get(), expected, "{}: once each", execution.id);
        }
        drop(reader);
        // Now it begins anew, with the later one.
        let report = store.bulk(thirds()).name("rename").update(update()).unwrap();
        assert_eq!(report.changed, 21);
    }
}

pub fn the_conditions_of_the_operation_and_of_its_update_must_both_hold(engine: &dyn Engine) {
    let store = with(engine, 6);
    let state_of = |id: &str| store.read(|r| Ok(r.get(id)?)).unwrap().unwrap().state.clone();
    store.update("00001", Update::new().label("mark", "yes")).unwrap();
    store.update("00002", Update::new().label("mark", "yes").label("other", "yes")).unwrap();
    let update = Update::to("Cancelled").expect(Expect::new().label("mark", "yes")).event(NewEvent::new("t"));
    let bulk = store.bulk(Query::new()).expecting(Expect::new().no_label("other"));
    let report = bulk.update(update.clone()).unwrap();
    assert_eq!((report.changed, report.refused), (1, 5));
    assert!(state_of("00001") == "Cancelled" && state_of("00002") != "Cancelled");
    assert_eq!(store.read(|r| Ok(r.get("00001")?)).unwrap().unwrap().event_count, 1);
    // A name remembers the condition, wherever it was given.
    let stop = |_: &execstore::bulk::BulkReport| ControlFlow::Break(());
    store.bulk(Query::new()).name("n").batch(1).on_progress(stop).update(update.clone()).unwrap();
    let other = store.bulk(Query::new()).name("n").update(Update::to("Cancelled").event(NewEvent::new("t")));
    assert!(matches!(other, Err(Error::Write(WriteError::OtherBulk { .. }))), "{other:?}");
    let same = store.bulk(Query::new()).name("n").expecting(Expect::new().label("mark", "yes"));
    same.update(Update::to("Cancelled").event(NewEvent::new("t"))).unwrap();
    // What nothing can meet is refused before anything is looked at.
    let bulk = store.bulk(Query::new()).expecting(Expect::new().state("New"));
    let refused = bulk.update(Update::new().expect(Expect::new().state("Running"))).unwrap_err();
    assert!(matches!(refused, Error::Input(_)), "{refused:?}");
}

pub fn names_are_checked(engine: &dyn Engine) {
    let store = with(engine, 1);
    for name in [String::new(), "x".repeat(257)] {
        assert!(matches!(store.bulk(thirds()).name(name).delete(), Err(Error::Input(_))));
    }
    assert!(store.bulk(Query::new().state("Nowhere")).delete().is_err());
    assert_eq!(count(&store, &Query::new()), 1);
}

pub fn others_write_in_between(engine: &dyn Engine) {
    let store = with(engine, 300);
    let mut written = 0;
    let writing = Store::clone(&store);
    let report = store
        .bulk(Query::new())
        .batch(50)
        .on_progress(|_| {
            writing.create(NewExecution::new("new")).unwrap();
            written += 1;
            ControlFlow::Continue(())
        })
        .delete()
        .unwrap();
    assert_eq!(report.changed, 300);
    assert_eq!(count(&store, &Query::new().job("new")), written);
}

pub fn the_order_of_completion_leaves_out_who_has_not_ended(engine: &dyn Engine) {
    let store = with(engine, 6);
    store.update("00002", Update::to("Failed")).unwrap();
    let ended = Query::new().order_by(OrderBy::Completed);
    assert_eq!(store.bulk(ended.clone()).dry_run().delete().unwrap().found, 1);
    assert_eq!(store.bulk(ended).delete().unwrap().changed, 1);
    assert_eq!(count(&store, &Query::new()), 5);
}

pub fn a_name_is_listed_and_can_be_forgotten(engine: &dyn Engine) {
    let store = with(engine, 60);
    let stopped = |name: &str| {
        let bulk = store.bulk(thirds()).name(name).batch(3).on_progress(|_| ControlFlow::Break(()));
        bulk.update(Update::new().message("m")).unwrap()
    };
    assert!(stopped("one").stopped && stopped("two").stopped);
    assert_eq!(store.bulks().unwrap(), ["one", "two"]);
    assert!(store.forget_bulk("one").unwrap());
    assert!(!store.forget_bulk("one").unwrap());
    assert_eq!(store.bulks().unwrap(), ["two"]);
    // A query that names the present time is another one: it begins anew, if that is asked for.
    let now = thirds().created(..=execstore::Timestamp::now());
    let refused = store.bulk(now.clone()).name("two").update(Update::new().message("m"));
    assert!(matches!(refused, Err(Error::Write(WriteError::OtherBulk { .. }))), "{refused:?}");
    let report = store.bulk(now).name("two").or_anew().update(Update::new().message("m")).unwrap();
    assert_eq!(report.changed, 20);
    assert!(store.bulks().unwrap().is_empty());
}

/// What it has done for one query is never reported as done for another.
pub fn a_name_is_refused_to_another_query_another_change_and_other_events(engine: &dyn Engine) {
    let store = with(engine, 60);
    let update = || Update::new().message("m").label("l", "1");
    let stop = |_: &execstore::bulk::BulkReport| ControlFlow::Break(());
    store.bulk(thirds()).name("n").batch(5).on_progress(stop).update(update()).unwrap();
    let event = [NewEvent::new("t")];
    let refused = [
        store.bulk(Query::new()).name("n").update(update()),
        store.bulk(thirds().live()).name("n").update(update()),
        store.bulk(thirds()).name("n").update(update().name("x")),
        store.bulk(thirds()).name("n").update(update().events(event)),
        store.bulk(thirds()).name("n").delete(),
    ];
    for refused in refused {
        match refused {
            Err(Error::Write(WriteError::OtherBulk { name, .. })) => assert_eq!(name, "n"),
            other => panic!("{other:?}"),
        }
    }
    // The same, put together in another order, is the same; so it is with another limit and other batches.
    let same = Update::new().label("l", "1").message("m");
    let report = store.bulk(thirds().limit(10)).name("n").batch(2).update(same).unwrap();
    assert_eq!((report.found, report.changed), (10, 10));
    for execution in store.begin_read().unwrap().query(&thirds().oldest_first().limit(11)).rows().unwrap() {
        let execution = execution.unwrap();
        let done = execution.id != "00030";
        assert_eq!(execution.revision.get(), if done { 2 } else { 1 }, "{}", execution.id);
    }
}

pub fn a_cursor_and_a_limit_in_another_order_are_refused(engine: &dyn Engine) {
    let store = with(engine, 9);
    let cursor = store.read(|r| Ok(r.query(&Query::new().limit(2)).page()?)).unwrap().next.unwrap();
    for query in [
        Query::new().after(cursor),
        Query::new().order_by(OrderBy::Modified).limit(2),
        Query::new().order_by(OrderBy::Completed).limit(2),
        Query::new().limit(0),
    ] {
        assert!(store.bulk(query.clone()).dry_run().delete().is_err(), "{query:?}");
        assert!(store.bulk(query.clone()).delete().is_err(), "{query:?}");
    }
    assert_eq!(count(&store, &Query::new()), 9);
}

/// Two of one name at once: each execution is changed once.
pub fn one_of_a_name_runs_at_a_time(engine: &dyn Engine) {
    let store = with(engine, 60);
    let (mut refused, mut steps) = (0, 0);
    let other = Store::clone(&store);
    let report = store
        .bulk(thirds())
        .name("one")
        .batch(5)
        .on_progress(|_| {
            steps += 1;
            if steps == 1 {
                // It takes over, and the first one notices.
                let taken = other.bulk(thirds()).name("one").batch(5).update(Update::new()).unwrap();
                assert_eq!(taken.changed, 20);
            }
            refused += 1;
            ControlFlow::Continue(())
        })
        .update(Update::new());
    assert!(matches!(report, Err(Error::Write(WriteError::BulkMoved { .. }))), "{report:?}");
    assert_eq!(refused, 1);
    for execution in store.begin_read().unwrap().query(&thirds()).rows().unwrap() {
        assert_eq!(execution.unwrap().revision.get(), 2, "once each");
    }
}

pub fn an_oldest_part_that_always_refuses_does_not_keep_the_rest_from_its_turn(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..30 {
        // The first twenty have ended, and refuse.
        let state = if n < 20 { "Failed" } else { "Completed" };
        store
            .write(|w| {
                w.create(NewExecution::new("j").id(n.to_string()).state("Running"))?;
                if n < 20 { Ok(w.update(n.to_string(), Update::to(state)).map(drop)?) } else { Ok(()) }
            })
            .unwrap();
    }
    let report = store.bulk(Query::new().limit(5)).batch(4).update(Update::to("Completed")).unwrap();
    assert_eq!((report.changed, report.refused), (5, 20));
    assert_eq!(report.last.unwrap(), "24");
    assert!(report.first_refusal.is_some());
}

pub fn a_search_that_finds_nothing_is_no_write(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..10 {
        store.create(NewExecution::new("j").id(n.to_string())).unwrap();
    }
    // Another one holds the turn to write: nothing here waits for it.
    let none = while_another_writes(&store, || store.bulk(Query::new().job("other")).delete().unwrap());
    assert_eq!((none.found, none.changed), (0, 0));
}

pub fn what_changes_between_the_search_and_the_write_is_looked_at_again(engine: &dyn Engine) {
    let store = engine.store();
    for n in 0..200 {
        store.create(NewExecution::new("j").label("keep", "no").id(n.to_string())).unwrap();
    }
    let changed: u64 = std::thread::scope(|scope| {
        let bulk =
            scope.spawn(|| store.bulk(Query::new().label("keep", "no")).batch(3).delete().unwrap().changed);
        for n in (0..200).rev() {
            // Gone already, or kept from now on.
            let _ = store.update(n.to_string(), Update::new().label("keep", "yes"));
        }
        bulk.join().unwrap()
    });
    let kept = store.read(|r| Ok(r.query(&Query::new().label("keep", "yes")).count()?)).unwrap();
    assert_eq!((changed + kept, store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap()), (200, kept));
}

/// It was found, and changed while the operation waited for its turn to write.
pub fn what_was_found_and_is_not_so_any_more_is_left(engine: &dyn Engine) {
    let store = engine.store();
    let keep = |label: &str| Query::new().label("keep", label);
    for n in 0..10 {
        store.create(NewExecution::new("j").label("keep", "no").id(n.to_string())).unwrap();
    }
    let held = store.begin_write().unwrap();
    let report = std::thread::scope(|scope| {
        let deleting = scope.spawn(|| store.bulk(keep("no")).delete().unwrap());
        until("it waits for its turn", || store.status().unwrap().writers_waiting == 1);
        held.writer().unwrap().update("5", Update::new().label("keep", "yes")).unwrap();
        held.commit().unwrap();
        deleting.join().unwrap()
    });
    assert_eq!((report.changed, report.refused), (9, 0));
    let left = store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap();
    assert_eq!((left, store.read(|r| Ok(r.query(&keep("yes")).count()?)).unwrap()), (1, 1));
}
