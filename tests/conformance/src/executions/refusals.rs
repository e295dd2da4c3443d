//! Refused updates, which leave no trace, and conditions between several workers.

use execstore::error::WriteError;
use execstore::options::LongTexts;
use execstore::{Error, Expect, NewEvent, NewExecution, Readable, Revision, Store, Update};
use support::contents::contents;
use support::{big_payload, create, full, json};

use crate::Engine;

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
