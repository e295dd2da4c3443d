//! Lifecycles: the default's table, the caller's own, and how they are recorded in the file.

use execstore::error::{OpenError, WriteError};
use execstore::lifecycle::{Lifecycle, Phase, States};
use execstore::{Error, Expect, NewExecution, Query, Readable, Store, Update};

use crate::Engine;

#[derive(Debug, PartialEq)]
enum Step {
    Queued,
    Working,
    Done,
}

impl AsRef<str> for Step {
    fn as_ref(&self) -> &str {
        match self {
            Step::Queued => "queued",
            Step::Working => "working",
            Step::Done => "done",
        }
    }
}

impl States for Step {
    const ALL: &'static [Step] = &[Step::Done, Step::Working, Step::Queued];

    fn phase(&self) -> Phase {
        match self {
            Step::Queued => Phase::Pending,
            Step::Working => Phase::Live,
            Step::Done => Phase::Terminal,
        }
    }

    fn successors(&self) -> &'static [Step] {
        match self {
            Step::Queued => &[Step::Working],
            Step::Working => &[Step::Queued, Step::Done],
            Step::Done => &[],
        }
    }
}

pub fn the_default_allows_its_table_and_nothing_else(engine: &dyn Engine) {
    let table: [(&str, &[&str]); 11] = [
        ("New", &["AskForBid", "BidAccepted", "Failed", "Cancelled"]),
        ("AskForBid", &["AskForBidAccepted", "AskForBidRejected", "Failed", "Cancelled"]),
        ("AskForBidAccepted", &["BidAccepted", "BidRejected", "Failed", "Cancelled"]),
        ("AskForBidRejected", &[]),
        ("BidAccepted", &["Running", "Failed", "Cancelled"]),
        ("Running", &["Publishing", "Completed", "Failed", "Cancelled"]),
        ("Publishing", &["Completed", "Failed", "Cancelled"]),
        ("BidRejected", &[]),
        ("Completed", &[]),
        ("Failed", &[]),
        ("Cancelled", &[]),
    ];
    // A way from a first state to each state.
    let way = |to: &str| -> Vec<&str> {
        match to {
            "AskForBidRejected" => vec!["AskForBid", to],
            "BidRejected" => vec!["AskForBidAccepted", to],
            "Completed" | "Failed" | "Cancelled" => vec!["Running", to],
            first => vec![first],
        }
        .into_iter()
        .map(|state| table.iter().find(|(name, _)| *name == state).unwrap().0)
        .collect()
    };
    let store = engine.store();
    let terminal = ["AskForBidRejected", "BidRejected", "Completed", "Failed", "Cancelled"];
    for (from, allowed) in table {
        for (to, _) in table {
            let id = format!("{from}-{to}");
            store
                .write(|w| {
                    let way = way(from);
                    w.create(NewExecution::new("j").id(&id).state(way[0]))?;
                    for state in &way[1..] {
                        w.update(&id, Update::to(state))?;
                    }
                    let before = w.get(&id)?.unwrap();
                    assert_eq!(before.state, from);
                    match w.update(&id, Update::to(to)) {
                        Ok(after) => {
                            assert!(allowed.contains(&to), "{id} was accepted");
                            assert_eq!(after.completed_at.is_some(), terminal.contains(&to), "{id}");
                        }
                        Err(WriteError::Terminal { state, to: asked, .. }) => {
                            assert!(terminal.contains(&from), "{id}");
                            assert_eq!((state.as_str(), asked.as_str()), (from, to));
                        }
                        Err(WriteError::Transition { from: found, to: asked, .. }) => {
                            assert!(!allowed.contains(&to) && !terminal.contains(&from), "{id} was refused");
                            assert_eq!((found.as_str(), asked.as_str()), (from, to));
                        }
                        Err(other) => panic!("{id}: {other}"),
                    }
                    assert_eq!(w.get(&id)?.unwrap().state == to, from == to || allowed.contains(&to));
                    Ok(())
                })
                .unwrap();
        }
    }
    assert_eq!(store.read(|r| Ok(r.counts()?)).unwrap().iter().map(|(_, count)| count).sum::<u64>(), 121);
}

pub fn an_execution_begins_in_any_pending_or_live_state_and_in_no_terminal_one(engine: &dyn Engine) {
    let store = engine.store();
    for state in store.lifecycle().states() {
        let made = store.write(|w| Ok(w.create(NewExecution::new("j").state(state))?));
        match made {
            Ok(made) => assert!(!state.is_terminal() && made.state == *state),
            Err(Error::Write(WriteError::InitialState { state: refused })) => {
                assert!(state.is_terminal() && refused == *state);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

pub fn a_terminal_execution_never_changes_state_but_takes_other_changes(engine: &dyn Engine) {
    let store = engine.ticking();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e").state("Running"))?)).unwrap();
    let ended = store.write(|w| Ok(w.update("e", Update::to("Completed"))?)).unwrap();
    assert_eq!(ended.completed_at, Some(ended.modified_at));
    for to in ["Completed", "Failed", "Running", "New"] {
        let error = store.write(|w| Ok(w.update("e", Update::to(to).message("x"))?));
        assert!(matches!(error, Err(Error::Write(WriteError::Terminal { .. }))), "{to}");
    }
    let labelled = store.write(|w| Ok(w.update("e", Update::new().label("a", "b"))?)).unwrap();
    assert_eq!((labelled.completed_at, labelled.message.as_ref()), (ended.completed_at, None));
    assert_eq!((labelled.state.as_str(), labelled.revision.get()), ("Completed", 3));
}

pub fn an_enum_is_a_lifecycle(engine: &dyn Engine) {
    let lifecycle = Lifecycle::of::<Step>().unwrap();
    let mut store = engine.store_with(Store::builder().set_lifecycle(lifecycle.clone()));
    store
        .write(|w| {
            let made = w.create(NewExecution::new("j").id("e"))?;
            assert_eq!(made.state, "working", "the first that is not terminal");
            w.create(NewExecution::new("j").id("f").state(Step::Queued))?;
            w.update("e", Update::to(Step::Queued).expect(Expect::new().state(Step::Working)))?;
            w.update("e", Update::to(Step::Working))?;
            Ok(w.update("e", Update::to(Step::Done))?)
        })
        .unwrap();
    store.reopen();
    assert_eq!(store.lifecycle(), &lifecycle);
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.get("e").unwrap().unwrap().state.to_enum(), Some(&Step::Done));
    assert_eq!((reader.count(Step::Done).unwrap(), reader.live().unwrap().count()), (1, 0));
    let names: Vec<_> = reader.counts().unwrap().into_iter().map(|(s, n)| (s.to_string(), n)).collect();
    assert_eq!(names, [("done".into(), 1), ("working".into(), 0), ("queued".into(), 1)]);
}

pub fn reviewed() -> Lifecycle {
    let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done");
    states.transition("Waiting", "Working").transition("Working", "Done").build().unwrap()
}

pub fn the_lifecycle_is_read_from_the_file(engine: &dyn Engine) {
    let mut store = engine.store_with(Store::builder().set_lifecycle(reviewed()));
    store.reopen_with(&Store::builder());
    assert_eq!(store.lifecycle(), &reviewed());
    let made = store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    assert_eq!(made.state, "Working");
    // The same one in another order of declaration is the same one.
    let other = Lifecycle::builder().terminal("Done").pending("Waiting").live("Working");
    let other = other.transition("Working", "Done").transition("Waiting", "Working").build().unwrap();
    store.reopen_with(Store::builder().set_lifecycle(other));
    assert_eq!(store.lifecycle(), &reviewed());
}

/// A later release has added states; the earlier one comes back, and nobody is in them.
pub fn an_earlier_lifecycle_opens_the_file_as_long_as_nobody_is_in_what_was_added(engine: &dyn Engine) {
    let later = || {
        let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done").live("Paused");
        let states = states.transition("Waiting", "Working").transitions("Working", ["Done", "Paused"]);
        states.transition("Paused", "Working").build().unwrap()
    };
    let place = engine.store_with(Store::builder().set_lifecycle(reviewed())).into_place();
    let open = |lifecycle| place.open(Store::builder().set_lifecycle(lifecycle));
    let store = open(later()).unwrap();
    store.create(NewExecution::new("j").id("e")).unwrap();
    store.update("e", Update::to("Paused")).unwrap();
    drop(store);
    // Somebody is there: it is said how many, and where.
    let OpenError::Lifecycle { found, .. } = open(reviewed()).unwrap_err() else { panic!("another error") };
    assert!(found.contains("Paused: 1"), "{found}");
    let store = open(later()).unwrap();
    store.update("e", Update::to("Working")).unwrap();
    drop(store);
    // Nobody any more: what was added stays in the file.
    let store = open(reviewed()).unwrap();
    assert_eq!(store.lifecycle(), &later());
    store.create(NewExecution::new("j").id("f")).unwrap();
    assert!(store.verify().unwrap().is_clean());
    drop(store);
    assert_eq!(open(later()).unwrap().lifecycle(), &later());
    // One that adds other states finds room beside them.
    let other = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done").terminal("Lost");
    let other =
        other.transition("Waiting", "Working").transitions("Working", ["Done", "Lost"]).build().unwrap();
    let store = open(other).unwrap();
    let names: Vec<_> = store.lifecycle().states().map(|state| state.to_string()).collect();
    assert_eq!(names, ["Working", "Waiting", "Done", "Paused", "Lost"]);
}

pub fn additions_are_recorded_and_usable_and_old_states_keep_their_executions(engine: &dyn Engine) {
    let more = || {
        let states = Lifecycle::builder().pending("Early").live("Working").terminal("Stopped");
        let states = states.pending("Waiting").terminal("Done").transition("Working", "Done");
        states.transitions("Waiting", ["Working", "Stopped"]).transition("Early", "Waiting").build().unwrap()
    };
    let store = engine.store_with(Store::builder().set_lifecycle(reviewed()));
    for (id, state) in [("a", "Working"), ("b", "Waiting"), ("c", "Waiting")] {
        store.write(|w| Ok(w.create(NewExecution::new("j").id(id).state(state))?)).unwrap();
    }
    let place = store.into_place();
    let store = place.open(Store::builder().set_lifecycle(more())).unwrap();
    store.write(|w| Ok(w.update("b", Update::to("Stopped"))?)).unwrap();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("d").state("Early"))?)).unwrap();
    drop(store);
    // From now on they are in the file, and the old lifecycle lacks something.
    let error = place.open(Store::builder().set_lifecycle(reviewed())).unwrap_err();
    assert!(matches!(error, OpenError::Lifecycle { .. }), "{error}");
    let store = place.open(&Store::builder()).unwrap();
    let names: Vec<_> = store.lifecycle().states().map(|state| state.to_string()).collect();
    assert_eq!(names, ["Working", "Waiting", "Done", "Early", "Stopped"], "the recorded ones stay first");
    let reader = store.begin_read().unwrap();
    for (id, state) in [("a", "Working"), ("b", "Stopped"), ("c", "Waiting"), ("d", "Early")] {
        assert_eq!(reader.get(id).unwrap().unwrap().state, state);
        assert_eq!(
            reader
                .query(&Query::new().state(state).oldest_first())
                .rows()
                .unwrap()
                .map(|e| e.unwrap().id.to_string())
                .collect::<Vec<_>>(),
            [id]
        );
    }
    assert!(store.verify().unwrap().is_clean());
}
