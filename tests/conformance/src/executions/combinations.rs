//! Options that have no meaning together: refused before anything is done, whoever takes them; all others do what each says.

use execstore::attachments::AttachmentIs;
use execstore::error::{InputError, WatchError, WriteError};
use execstore::tasks::{TaskIs, TaskState};
use execstore::watch::WatchFrom;
use execstore::{ChangeKind, Error, Expect, Filter, NewExecution, Query, Readable, Update};
use support::create;

use crate::Engine;

type Ask = fn(Expect) -> Expect;

/// What each condition says, by name; the second of a pair contradicts the first.
fn conditions() -> Vec<(&'static str, Ask, Ask)> {
    vec![
        ("state", |e| e.state("Running"), |e| e.not_states(["Running", "Failed"])),
        ("revision", |e| e.revision(1), |e| e.revision(2)),
        ("event count", |e| e.event_count(1), |e| e.event_count(2)),
        ("attempt", |e| e.attempt(1), |e| e.attempt(2)),
        ("label", |e| e.label("k", "v"), |e| e.label("k", "w")),
        ("no label", |e| e.label("l", "v"), |e| e.no_label("l")),
        ("output", |e| e.output_length("o", 1), |e| e.output_length("o", 2)),
        ("absent", |e| e.attachment("a", AttachmentIs::Size(0)), |e| e.attachment("a", AttachmentIs::Absent)),
        ("size", |e| e.attachment("b", AttachmentIs::Size(1)), |e| e.attachment("b", AttachmentIs::Size(2))),
        (
            "hash",
            |e| e.attachment("c", AttachmentIs::Sha256([1; 32])),
            |e| e.attachment("c", AttachmentIs::Sha256([2; 32])),
        ),
        (
            "version",
            |e| e.attachment("d", AttachmentIs::Version(1)),
            |e| e.attachment("d", AttachmentIs::Version(2)),
        ),
        ("no node", |e| e.task("n", TaskIs::Absent), |e| e.task("n", TaskIs::Present)),
        (
            "node",
            |e| e.task("m", TaskIs::In(TaskState::Running)),
            |e| e.task("m", TaskIs::In(TaskState::Failed)),
        ),
        ("node's attempt", |e| e.task("o", TaskIs::Attempt(1)), |e| e.task("o", TaskIs::Attempt(2))),
    ]
}

fn meaningless(error: &Error) -> bool {
    let input = match error {
        Error::Input(input) => input,
        _ => return false,
    };
    matches!(input, InputError::Invalid { what: "condition" | "query" | "filter", .. })
}

pub fn a_condition_that_nothing_can_meet_is_refused_by_all_who_take_one(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let head = store.read(|r| Ok(r.log().head()?)).unwrap();
    let all = conditions();
    for (name, one, other) in &all {
        let expect = other(one(Expect::new()));
        for expect in [expect.clone(), one(other(Expect::new())), expect.state("New")] {
            let calls = [
                store.update("e", Update::new().message("m").expect(expect.clone())).map(drop),
                // Whether or not there is such an execution: it is the condition that is wrong.
                store.update("none", Update::new().message("m").expect(expect.clone())).map(drop),
                store.write(|w| Ok(w.delete_if("e", &expect)?)).map(drop),
                store.write(|w| Ok(w.expect("e", &expect).map(drop)?)),
                store.bulk(Query::new()).expecting(expect.clone()).delete().map(drop),
                store.bulk(Query::new().state("Failed")).expecting(expect.clone()).delete().map(drop),
            ];
            let contradicts = *name != "state" || !expect.to_string().contains("New");
            for call in calls {
                let refused = call.as_ref().is_err_and(meaningless);
                assert_eq!(refused, contradicts, "{name}: {expect}: {call:?}");
            }
        }
        if *name == "state" {
            // It was not refused: others are named that are left.
            store.write(|w| Ok(w.create(NewExecution::new("j").id("e")).map(drop)?)).unwrap();
        }
    }
    let excluded = store.lifecycle().states().map(|state| state.as_str().to_owned()).collect::<Vec<_>>();
    let none = Expect::new().not_states(&excluded);
    assert!(meaningless(&store.update("e", Update::new().message("m").expect(none.clone())).unwrap_err()));
    assert!(store.read(|r| Ok(r.log().head()?)).unwrap() > head);
}

pub fn conditions_on_different_things_can_be_asked_together(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let all = conditions();
    for (n, (first, one, _)) in all.iter().enumerate() {
        for (second, other, _) in &all[n..] {
            let result = store.write(|w| Ok(w.expect("e", &other(one(Expect::new()))).map(drop)?));
            let Err(Error::Write(WriteError::Conflict { mismatches, .. })) = &result else {
                assert!(result.is_ok(), "{first} and {second}: {result:?}");
                continue;
            };
            assert!(!mismatches.is_empty());
        }
    }
    // What one attachment or node can be at once, in either order.
    let attachments = [AttachmentIs::Present, AttachmentIs::Size(1), AttachmentIs::Sha256([1; 32])];
    let nodes = [TaskIs::Present, TaskIs::In(TaskState::Running), TaskIs::Attempt(1)];
    for one in 0..3 {
        for other in 0..3 {
            let expect = Expect::new().attachment("a", attachments[one]).attachment("a", attachments[other]);
            let expect = expect.task("n", nodes[one]).task("n", nodes[other]);
            let found = store.write(|w| Ok(w.expect("e", &expect).map(drop)?));
            assert!(matches!(found, Err(Error::Write(WriteError::Conflict { .. }))), "{found:?}");
        }
    }
}

pub fn a_query_that_nothing_can_match_is_refused_by_all_who_take_one(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let new = Query::new;
    let cases = [
        (new().job("a").job("b"), true),
        (new().namespace("a").namespace("b"), true),
        (new().parent("a").parent("b"), true),
        (new().previous("a").previous("b"), true),
        (new().id("a").id("b"), true),
        (new().id("a").id_prefix("a"), true),
        (new().label("k", "a").label("k", "b"), true),
        (new().label("k", "a").label_in("k", ["b", "c"]), true),
        (new().label_in("k", ["a", "b"]).has_label("k").label_in("k", ["c"]), true),
        (new().job("a").job("a"), false),
        (new().label("k", "a").label("k", "a"), false),
        (new().label("k", "a").label("l", "b"), false),
        (new().label_in("k", ["a", "b"]).label_in("k", ["b", "c"]), false),
        // A list of the caller's that is empty is none.
        (new().label("k", "a").label_in("k", [""; 0]), false),
        (new().states([""; 0]).label("k", "a"), false),
    ];
    for (query, refused) in cases {
        let reader = store.begin_read().unwrap();
        let calls = [
            reader.query(&query).rows().map(drop).map_err(Error::from),
            reader.query(&query).page().map(drop).map_err(Error::from),
            reader.query(&query).latest().map(drop).map_err(Error::from),
            reader.query(&query).count().map(drop).map_err(Error::from),
            reader.query(&query).durations().map(drop).map_err(Error::from),
            reader.query(&query).explain().map(drop).map_err(Error::from),
            reader.query(&query).attachment_usage().map(drop).map_err(Error::from),
            reader.query(&query).export(&mut Vec::new()).map(drop),
            store.bulk(query.clone()).delete().map(drop),
            store.watch(WatchFrom::Latest, Filter::new().matching(query.clone())).map(drop).map_err(of_watch),
        ];
        for call in calls {
            assert_eq!(call.as_ref().is_err_and(meaningless), refused, "{query:?}: {call:?}");
            assert_eq!(call.is_err(), refused, "{query:?}");
        }
    }
}

fn of_watch(error: WatchError) -> Error {
    match error {
        WatchError::Input(error) => error.into(),
        other => panic!("{other:?}"),
    }
}

pub fn a_filter_that_lets_nothing_through_is_refused_unless_a_list_is_empty(engine: &dyn Engine) {
    let store = engine.store();
    let any = Filter::new;
    let new = Query::new;
    let cases = [
        (any().label("k", "a").label("k", "b"), true),
        (any().label("k", "a").matching(new().label("k", "b")), true),
        (any().matching(new().label("k", "a")).matching(new().label("k", "b")), true),
        (any().jobs(["a", "b"]).matching(new().job("c")), true),
        (any().matching(new().job("a")).matching(new().job("b")), true),
        (any().execution("a").matching(new().id("b")), true),
        (any().namespace("a").matching(new().namespace("b")), true),
        (any().kind(ChangeKind::Deleted).entered("Failed"), true),
        (any().entered("Failed").matching(new().live()), true),
        (any().matching(new().live()).matching(new().terminal()), true),
        (any().matching(new().live()).matching(new().terminal()).including_left(), true),
        // Who fails leaves those who live.
        (any().entered("Failed").matching(new().live()).including_left(), false),
        (any().kinds([ChangeKind::Deleted, ChangeKind::Updated]).entered("Failed"), false),
        (any().jobs(["a", "b"]).matching(new().job("b")), false),
        (any().executions(["a", "b"]).matching(new().id_prefix("c")), false),
        (any().label("k", "a").label("k", "a").label("l", "b"), false),
        (any().entered("Running").matching(new().live()), false),
        (any().jobs([""; 0]).matching(new().job("a")), false),
        (any().kinds([]).entered("Failed"), false),
        (any().matching(new().states([""; 0])).matching(new().live()), false),
    ];
    for (filter, refused) in cases {
        let watched = store.watch(WatchFrom::Latest, filter.clone()).map(drop).map_err(of_watch);
        assert_eq!(watched.as_ref().is_err_and(meaningless), refused, "{filter:?}: {watched:?}");
        assert_eq!(watched.is_err(), refused, "{filter:?}");
        let consumer = store.consumer("c").filter(filter.clone()).run(|_| Ok(()));
        assert_eq!(consumer.is_err(), refused, "{filter:?}");
        drop(consumer);
        assert!(store.read(|r| Ok(r.log().checkpoint("c")?)).unwrap().is_none() || !refused, "{filter:?}");
        let _ = store.write(|w| Ok(w.delete_checkpoint("c")?));
    }
}
