//! Reports that come late, twice or out of order: a newer one is never undone, and the outcome says what was ignored.

use execstore::error::WriteError;
use execstore::tasks::{Task, TaskState, TaskUpdate};
use execstore::{
    Error, Expect, Header, Late, NewEvent, NewExecution, Query, Readable, Reported, Store, Timestamp, Update,
};
use support::contents::contents;
use support::json;

use crate::{Engine, TestStore};

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn store(engine: &dyn Engine) -> TestStore {
    let store = engine.ticking();
    store.create(NewExecution::new("j").id("e").state("BidAccepted")).unwrap();
    store
}

fn report(store: &Store, update: Update) -> Reported<Header> {
    store.report("e", update).unwrap()
}

/// Must be ignored for this reason, and leave everything as it was.
fn ignored(store: &Store, update: Update, expected: &Late) {
    let before = contents(store);
    let reported = report(store, update.clone());
    assert_eq!(reported.why_ignored(), Some(expected));
    let now = store.read(|r| Ok(r.get("e")?)).unwrap();
    assert_eq!(reported.current(), now.as_deref());
    // The plain update refuses what says that it is a report.
    if update != Update::to("Failed") {
        let refused = store.update("e", update);
        match refused {
            Err(Error::Write(WriteError::Late { id, why })) => {
                assert_eq!((id.as_str(), &why), ("e", expected))
            }
            Ok(_) if *expected == Late::Repeated => return,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(contents(store), before);
}

pub fn an_older_attempt_never_undoes_a_newer_one(engine: &dyn Engine) {
    let mut store = store(engine);
    let running = report(&store, Update::to("Running").attempt(1)).into_current().unwrap();
    assert_eq!((running.state.as_str(), running.attempt, running.reported_at), ("Running", 1, None));
    // The second begins where the first was.
    let second = report(&store, Update::to("Running").attempt(2).message("again"));
    assert!(second.is_applied());
    store.reopen();
    for late in [
        Update::to("Failed").attempt(1).message("lost"),
        Update::to("Completed").attempt(1).reported_at(at(i64::MAX)),
        Update::new().attempt(0).label("k", "v"),
        Update::to("New").attempt(1),
    ] {
        let reported = if late == Update::new().attempt(0).label("k", "v") { 0 } else { 1 };
        ignored(&store, late, &Late::OlderAttempt { reported, known: 2 });
    }
    assert!(report(&store, Update::to("Completed").attempt(2)).is_applied());
    let change = store.begin_read().unwrap().log().range(..).unwrap().next_back().unwrap().unwrap();
    assert_eq!((change.before().unwrap().attempt, change.after().unwrap().attempt), (2, 2));
    let first = store.begin_read().unwrap().log().range(..).unwrap().nth(1).unwrap().unwrap();
    assert_eq!((first.before().unwrap().attempt, first.after().unwrap().attempt), (0, 1));
}

pub fn an_older_time_never_undoes_a_newer_one_of_the_same_attempt(engine: &dyn Engine) {
    let store = store(engine);
    report(&store, Update::to("Running").attempt(1).reported_at(at(100)));
    for late in [
        Update::to("Failed").attempt(1).reported_at(at(99)),
        Update::to("Failed").reported_at(at(99)),
        Update::new().message("50 %").reported_at(at(i64::MIN)),
    ] {
        let time =
            if late == Update::new().message("50 %").reported_at(at(i64::MIN)) { i64::MIN } else { 99 };
        ignored(&store, late, &Late::OlderTime { reported: at(time), known: at(100) });
    }
    // Another of the same time is none that was overtaken, and a new attempt has a clock of its own.
    assert!(report(&store, Update::new().message("50 %").reported_at(at(100))).is_applied());
    let next = report(&store, Update::to("Running").attempt(2).reported_at(at(7))).into_current().unwrap();
    assert_eq!((next.attempt, next.reported_at, next.message.as_deref()), (2, Some(at(7)), Some("50 %")));
    let next = report(&store, Update::new().attempt(3)).into_current().unwrap();
    assert_eq!((next.attempt, next.reported_at), (3, None));
}

pub fn a_report_that_comes_twice_is_applied_once(engine: &dyn Engine) {
    let store = store(engine);
    for update in [
        Update::to("Running").attempt(1).reported_at(at(5)).message("started"),
        Update::new().attempt(1).reported_at(at(6)).merge_payload(json(r#"{"done":1}"#)),
        Update::to("Completed").attempt(1).reported_at(at(7)).message("done").payload(json("[1]")),
    ] {
        assert!(report(&store, update.clone()).is_applied());
        ignored_twice(&store, &update);
    }
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().revision.get(), 4);
}

fn ignored_twice(store: &Store, update: &Update) {
    let before = contents(store);
    for _ in 0..2 {
        assert_eq!(report(store, update.clone()).why_ignored(), Some(&Late::Repeated));
    }
    assert_eq!(contents(store), before);
}

pub fn the_events_of_a_report_that_comes_twice_are_appended_once(engine: &dyn Engine) {
    let store = store(engine);
    let update = Update::to("Running").attempt(1).reported_at(at(5));
    let events = [NewEvent::new("a").at(at(4)), NewEvent::new("b").message("m").details(json("{}"))];
    assert!(store.report("e", update.clone().events(events.to_vec())).unwrap().is_applied());
    let again = store.report("e", update.clone().events(events.to_vec())).unwrap();
    assert_eq!(again.why_ignored(), Some(&Late::Repeated));
    // Other events at the same time are news, and so are the same ones where no time is named.
    assert!(store.report("e", update.event(NewEvent::new("c"))).unwrap().is_applied());
    for _ in 0..2 {
        let beat = store.report("e", Update::new().attempt(1).event(NewEvent::new("beat"))).unwrap();
        assert!(beat.is_applied());
    }
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().event_count, 5);
}

pub fn the_first_end_stands(engine: &dyn Engine) {
    for (first, second) in [("Failed", "Completed"), ("Completed", "Failed"), ("Cancelled", "Completed")] {
        let store = store(engine);
        report(&store, Update::to("Running").attempt(1));
        assert!(report(&store, Update::to(first).attempt(1)).is_applied());
        let ended = Late::Ended { state: first.into() };
        for late in [
            Update::to(second).attempt(1),
            Update::to(second).attempt(1).reported_at(at(1_000)),
            Update::to("Running").attempt(2),
            Update::new().attempt(1).message("late"),
        ] {
            ignored(&store, late, &ended);
        }
        // Also if nobody says which attempt it is.
        assert_eq!(report(&store, Update::to(second)).why_ignored(), Some(&ended));
        let refused = store.update("e", Update::to(second));
        assert!(matches!(refused, Err(Error::Write(WriteError::Terminal { .. }))));
        // The owner can still write what is no report.
        store.update("e", Update::new().label("seen", "yes")).unwrap();
    }
}

pub fn what_is_no_report_is_refused_as_before_and_conditions_hold(engine: &dyn Engine) {
    let store = store(engine);
    let nobody = store.report("nobody", Update::new().attempt(1));
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
    let conflict = store.report("e", Update::new().attempt(1).expect(Expect::new().state("New")));
    assert!(matches!(conflict, Err(Error::Write(WriteError::Conflict { .. }))));
    let transition = store.report("e", Update::to("Completed").attempt(1));
    assert!(matches!(transition, Err(Error::Write(WriteError::Transition { .. }))));
    // By a bulk operation a late one is refused, and counted.
    report(&store, Update::to("Running").attempt(5));
    let bulk = store.bulk(Query::new()).update(Update::to("Failed").attempt(4)).unwrap();
    assert_eq!((bulk.changed, bulk.refused), (0, 1));
    assert!(bulk.first_refusal.unwrap().contains("it is of attempt 4, and attempt 5 is known"));
    // An attempt can be named when the execution is created.
    let new = NewExecution::new("j").id("f").attempt(3);
    assert_eq!(store.create(new).unwrap().attempt, 3);
    let late = store.report("f", Update::to("Failed").attempt(2)).unwrap();
    assert_eq!(late.why_ignored(), Some(&Late::OlderAttempt { reported: 2, known: 3 }));
}

fn put(store: &Store, update: TaskUpdate) -> Task {
    let reported = store.put_task("e", update).unwrap();
    assert!(reported.is_applied(), "{reported:?}");
    reported.into_current().unwrap()
}

fn node_ignored(store: &Store, update: TaskUpdate, expected: &Late) {
    let before = store.read(|r| Ok((r.tasks("e").get("n")?, r.tasks("e").progress()?))).unwrap();
    let reported = store.put_task("e", update).unwrap();
    assert_eq!(reported.why_ignored(), Some(expected));
    assert_eq!(reported.into_current(), before.0);
    assert_eq!(store.read(|r| Ok((r.tasks("e").get("n")?, r.tasks("e").progress()?))).unwrap(), before);
}

pub fn a_report_of_an_older_attempt_of_a_node_is_ignored(engine: &dyn Engine) {
    let store = store(engine);
    put(&store, TaskUpdate::started("n").attempt(2));
    for late in [
        TaskUpdate::failed("n", "lost").attempt(1),
        TaskUpdate::finished("n").attempt(1).at(at(i64::MAX)),
        TaskUpdate::started("n").attempt(1),
        TaskUpdate::skipped("n").attempt(0),
    ] {
        let reported = if late == TaskUpdate::skipped("n").attempt(0) { 0 } else { 1 };
        node_ignored(&store, late, &Late::OlderAttempt { reported, known: 2 });
    }
    // The end of an attempt whose start is still on its way.
    let third = put(&store, TaskUpdate::finished("n").attempt(3).at(at(50)));
    assert_eq!((third.attempts, third.started_at, third.ended_at), (3, at(50), Some(at(50))));
    node_ignored(&store, TaskUpdate::started("n").attempt(3), &Late::Repeated);
    node_ignored(
        &store,
        TaskUpdate::started("n").attempt(3).at(at(40)),
        &Late::OlderTime { reported: at(40), known: at(50) },
    );
}

pub fn the_first_end_of_an_attempt_of_a_node_stands(engine: &dyn Engine) {
    for (first, second) in [
        (TaskUpdate::finished("n"), TaskUpdate::failed("n", "why")),
        (TaskUpdate::failed("n", "why"), TaskUpdate::finished("n")),
        (TaskUpdate::failed("n", "why"), TaskUpdate::failed("n", "another")),
        (TaskUpdate::finished("n").value(json("1")), TaskUpdate::finished("n").value(json("2"))),
        (TaskUpdate::skipped("n"), TaskUpdate::finished("n")),
    ] {
        let store = store(engine);
        put(&store, TaskUpdate::started("n").attempt(1));
        let ended = put(&store, first.clone());
        let late = Late::Ended { state: ended.state.to_string().into() };
        node_ignored(&store, first.clone(), &Late::Repeated);
        node_ignored(&store, first.attempt(1), &Late::Repeated);
        node_ignored(&store, second.clone(), &late);
        node_ignored(&store, second.attempt(1).at(at(i64::MAX)), &late);
        // A later attempt may.
        assert_eq!(put(&store, TaskUpdate::started("n").attempt(2)).state, TaskState::Running);
    }
}

pub fn a_report_of_an_older_time_of_a_node_is_ignored(engine: &dyn Engine) {
    let store = store(engine);
    put(&store, TaskUpdate::started("n").at(at(10)));
    put(&store, TaskUpdate::failed("n", "why").at(at(20)));
    put(&store, TaskUpdate::started("n").at(at(30)));
    for (time, update) in [
        (20, TaskUpdate::failed("n", "why")),
        (25, TaskUpdate::finished("n")),
        (10, TaskUpdate::started("n")),
    ] {
        node_ignored(&store, update.at(at(time)), &Late::OlderTime { reported: at(time), known: at(30) });
    }
    node_ignored(&store, TaskUpdate::started("n").at(at(30)), &Late::Repeated);
    assert_eq!(put(&store, TaskUpdate::finished("n").at(at(30))).attempts, 2);
}

pub fn the_nodes_of_an_execution_that_ended_can_end_but_not_start(engine: &dyn Engine) {
    let store = store(engine);
    put(&store, TaskUpdate::started("n"));
    store.update("e", Update::to("Cancelled")).unwrap();
    let ended = Late::ExecutionEnded { state: "Cancelled".into() };
    let nothing = store.put_task("e", TaskUpdate::started("new")).unwrap();
    assert_eq!(nothing, Reported::Ignored { why: ended.clone(), current: None });
    put(&store, TaskUpdate::failed("n", "stopped"));
    node_ignored(&store, TaskUpdate::started("n"), &ended);
    put(&store, TaskUpdate::skipped("never"));
    let sums = store.read(|r| Ok(r.tasks("e").progress()?)).unwrap();
    assert_eq!((sums.running, sums.failed, sums.skipped), (0, 1, 1));
}
