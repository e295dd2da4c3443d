//! Updating executions: conditions, every part left, set and cleared, payloads, and refusals without a trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use execstore::error::WriteError;
use execstore::options::LongTexts;
use execstore::{
    DesiredState, Error, Execution, Expect, Labels, NewEvent, NewExecution, Readable, Revision, Store,
    Timestamp, Update,
};
use support::contents::contents;
use support::{big_payload, create, full, json, update};

use crate::Engine;

pub fn an_update_of_nothing_raises_the_revision_and_the_modified_time_alone(engine: &dyn Engine) {
    let store = engine.ticking();
    let before = full(&store);
    let after = update(&store, Update::new());
    assert_eq!((after.revision, before.revision), (Revision(2), Revision(1)));
    assert!(after.modified_at > before.modified_at);
    let mut same = after.header().clone();
    same.revision = before.revision;
    same.modified_at = before.modified_at;
    assert_eq!((&same, after.payload_json()), (before.header(), before.payload_json()));
}

pub fn every_part_is_set_and_cleared_and_touches_no_other(engine: &dyn Engine) {
    type Part = fn(&Execution) -> String;
    let opt = |text: &str| format!("Some({text:?})");
    let cases: [(&str, Part, Update, String, Update, String); 7] = [
        (
            "message",
            |e| format!("{:?}", e.message),
            Update::new().message("x"),
            opt("x"),
            Update::new().clear_message(),
            "None".into(),
        ),
        (
            "name",
            |e| format!("{:?}", e.name),
            Update::new().name("x"),
            opt("x"),
            Update::new().clear_name(),
            "None".into(),
        ),
        (
            "node id",
            |e| format!("{:?}", e.node_id),
            Update::new().node_id("x"),
            opt("x"),
            Update::new().clear_node_id(),
            "None".into(),
        ),
        (
            "parent",
            |e| format!("{:?}", e.parent),
            Update::new().parent("x"),
            opt("x"),
            Update::new().clear_parent(),
            "None".into(),
        ),
        (
            "previous",
            |e| format!("{:?}", e.previous),
            Update::new().previous("x"),
            opt("x"),
            Update::new().clear_previous(),
            "None".into(),
        ),
        (
            "desired",
            |e| format!("{:?}", e.desired),
            Update::new().desired(DesiredState::Stopped),
            "Stopped".into(),
            Update::new().clear_desired(),
            "Pending".into(),
        ),
        (
            "payload",
            |e| e.payload_json().to_string(),
            Update::new().payload(json("[1]")),
            "[1]".into(),
            Update::new().clear_payload(),
            "null".into(),
        ),
    ];
    for (at, (name, part, set, value, clear, cleared)) in cases.iter().enumerate() {
        let store = engine.store();
        let before = full(&store);
        for (edit, expected) in [(set, value), (clear, cleared), (set, value)] {
            let after = update(&store, edit.clone());
            assert_eq!(&part(&after), expected, "{name}");
            for (_, (other, part, ..)) in cases.iter().enumerate().filter(|(place, _)| *place != at) {
                assert_eq!(part(&after), part(&before), "{name} touched {other}");
            }
            assert_eq!((&after.labels, &after.state), (&before.labels, &before.state));
            assert_eq!((after.created_at, after.event_count), (before.created_at, 1));
        }
    }
}

pub fn labels_are_set_removed_and_cleared_one_by_one(engine: &dyn Engine) {
    let cases: [(Update, &[(&str, &str)]); 8] = [
        (Update::new(), &[("a", "1"), ("b", "2")]),
        (Update::new().label("c", "3"), &[("a", "1"), ("b", "2"), ("c", "3")]),
        (Update::new().label("a", "9"), &[("a", "9"), ("b", "2")]),
        (Update::new().remove_label("a"), &[("b", "2")]),
        (Update::new().remove_label("absent"), &[("a", "1"), ("b", "2")]),
        (Update::new().clear_labels(), &[]),
        (Update::new().label("c", "3").clear_labels(), &[("c", "3")]),
        (Update::new().label("a", "9").remove_label("a"), &[("b", "2")]),
    ];
    for (edit, expected) in cases {
        let store = engine.store();
        full(&store);
        let expected: Labels = expected.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        assert_eq!(update(&store, edit.clone()).labels, expected, "{edit:?}");
    }
}

pub fn events_come_with_an_update(engine: &dyn Engine) {
    let store = engine.ticking();
    full(&store);
    let events = [NewEvent::new("x").message("one"), NewEvent::new("y")];
    let after = store.write(|w| Ok(w.update("e", Update::to("Completed").events(events))?)).unwrap();
    assert_eq!(after.event_count, 3);
    let reader = store.begin_read().unwrap();
    let read: Vec<_> = reader.events("e", ..).unwrap().map(Result::unwrap).collect();
    let shown: Vec<_> = read.iter().map(|event| (event.seq.get(), &*event.topic, &*event.message)).collect();
    assert_eq!(shown, [(1, "t", ""), (2, "x", "one"), (3, "y", "")]);
    assert_eq!((read[1].time, read[2].time), (after.modified_at, after.modified_at));
    let last = reader.log().range(..).unwrap().next_back().unwrap().unwrap();
    assert_eq!(last.events().map(|range| (range.start().get(), range.end().get())), Some((2, 3)));
}

pub fn the_times_of_an_execution_never_go_back(engine: &dyn Engine) {
    let clock = Arc::new(AtomicI64::new(100));
    let ticks = clock.clone();
    let builder =
        Store::builder().set_clock(move || Timestamp::from_nanos(ticks.load(Ordering::Relaxed))).clone();
    let store = engine.store_with(&builder);
    create(&store, "e");
    clock.store(50, Ordering::Relaxed);
    let after = update(&store, Update::to("BidAccepted"));
    assert_eq!((after.created_at.as_nanos(), after.modified_at.as_nanos()), (100, 100));
    clock.store(200, Ordering::Relaxed);
    assert_eq!(update(&store, Update::to("Running")).modified_at.as_nanos(), 200);
    clock.store(-7, Ordering::Relaxed);
    let ended = update(&store, Update::to("Completed"));
    assert_eq!((ended.modified_at.as_nanos(), ended.completed_at), (200, Some(Timestamp::from_nanos(200))));
    // The change itself has the time of the clock.
    let last = store.begin_read().unwrap().log().range(..).unwrap().next_back().unwrap().unwrap();
    assert_eq!(last.time().as_nanos(), -7);
}

pub fn conditions_hold_or_conflict(engine: &dyn Engine) {
    let any = Expect::new;
    let cases = [
        (any(), true),
        (any().state("Running"), true),
        (any().state("New"), false),
        (any().state("New").state("Running"), true),
        (any().states(["New", "Failed"]), false),
        (any().states(["New", "Running"]), true),
        (any().states([] as [&str; 0]), false),
        (any().not_state("New"), true),
        (any().not_state("Running"), false),
        (any().not_states(["New", "Running"]), false),
        (any().not_states(["New", "Failed"]), true),
        (any().state("Running").state("New").not_state("Running"), false),
        (any().state("Running").state("New").not_state("New"), true),
        (any().revision(Revision(1)), true),
        (any().revision(0), false),
        (any().revision(2), false),
        (any().state("Running").revision(1), true),
        (any().state("Running").revision(2), false),
        (any().state("New").revision(1), false),
        (any().not_state("New").revision(1), true),
    ];
    for (expect, holds) in cases {
        let store = engine.store();
        full(&store);
        let before = contents(&store);
        let result = store.write(|w| {
            Ok(w.update("e", Update::to("Failed").expect(expect.clone()).event(NewEvent::new("x")))?)
        });
        if holds {
            let after = result.unwrap();
            assert_eq!((after.state.as_str(), after.revision.get()), ("Failed", 2), "{expect}");
            continue;
        }
        match result {
            Err(Error::Write(WriteError::Conflict {
                id, expected, actual_state, actual_revision, ..
            })) => {
                assert_eq!((id.as_str(), *expected), ("e", expect));
                assert_eq!((actual_state.as_str(), actual_revision), ("Running", Revision(1)));
            }
            other => panic!("{expect}: {other:?}"),
        }
        assert_eq!(contents(&store), before);
    }
}

pub fn refused_updates_leave_no_trace(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_max_payload(2_000).set_long_texts(LongTexts::Refuse));
    full(&store);
    create(&store, "other");
    let before = contents(&store);
    let event = [NewEvent::new("t")];
    let bad_event = [NewEvent::new("t".repeat(300))];
    let many_labels = (0..70).fold(Update::new(), |edit, n| edit.label(n.to_string(), ""));
    let cases: [(&str, &str, Expect, Update, &[NewEvent]); 13] = [
        ("there is no execution \"absent\"", "absent", Expect::new(), Update::new(), &event),
        ("not as expected", "e", Expect::new().revision(9), Update::new().message("x"), &event),
        ("no state \"Typo\"", "e", Expect::new().state("Typo"), Update::new(), &event),
        ("no state \"Typo\"", "e", Expect::new().not_state("Typo"), Update::new(), &event),
        ("no state \"Gone\"", "e", Expect::new(), Update::to("Gone"), &event),
        ("cannot go from Running to New", "e", Expect::new(), Update::to("New"), &event),
        ("message: 65537", "e", Expect::new(), Update::to("Failed").message("m".repeat(65_537)), &event),
        ("number of labels: 72", "e", Expect::new(), many_labels, &event),
        ("invalid parent", "e", Expect::new(), Update::new().parent(""), &event),
        ("payload: 3011", "e", Expect::new(), Update::to("Failed").payload(big_payload(3_000)), &event),
        ("payload: 2008", "e", Expect::new(), Update::new().merge_payload(big_payload(1_997)), &event),
        ("event topic: 300", "e", Expect::new(), Update::to("Failed").payload(json("1")), &bad_event),
        ("payload: 2006", "e", Expect::new(), Update::new().merge_payload(big_payload(1_989)), &event),
    ];
    for (part, id, expect, edit, events) in cases {
        let error = store
            .write(|w| Ok(w.update(id, edit.expect(expect.clone()).events(events.to_vec()))?))
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error} has no {part:?}");
        assert_eq!(contents(&store), before, "{part}");
    }
    // A refusal in the middle of a transaction does not spoil the rest of it.
    store
        .write(|w| {
            w.update("other", Update::new().message("kept"))?;
            assert!(w.update("e", Update::to("New").events(event.to_vec())).is_err());
            Ok(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.get("other").unwrap().unwrap().message.as_deref(), Some("kept"));
    assert_eq!(
        (reader.get("e").unwrap().unwrap().revision.get(), reader.log().head().unwrap().get()),
        (1, 3)
    );
}

pub fn only_one_of_several_workers_claims_an_execution(engine: &dyn Engine) {
    let store = engine.store();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e").state("BidAccepted"))?)).unwrap();
    let claim = Expect::new().state("BidAccepted").revision(1);
    let won: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|n| {
                let (store, claim) = (store.clone(), &claim);
                scope.spawn(move || {
                    let edit = Update::to("Running").node_id(n.to_string());
                    usize::from(store.write(|w| Ok(w.update("e", edit.expect(claim.clone()))?)).is_ok())
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!((won, store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().revision), (1, Revision(2)));
}
