//! Lifecycles: the default's table, the caller's own, and how they are recorded in the file.

use execstore::error::WriteError;
use execstore::lifecycle::{Lifecycle, Phase, States};
use execstore::{Error, Expect, NewExecution, Readable, Store, Update};

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
