//! Deleting executions: the condition, what goes, and what the change log keeps.

use execstore::error::{InputError, WriteError};
use execstore::{ChangeKind, Error, Expect, NewEvent, NewExecution, Readable, Update};
use support::contents::contents;
use support::{big_payload, json};

use crate::Engine;

pub fn a_deletion_is_a_change_with_the_execution_as_it_was(engine: &dyn Engine) {
    for payload in [json("{\"small\":true}"), big_payload(10), big_payload(50_000)] {
        let store = engine.ticking();
        let new = NewExecution::new("j").id("e").message("m").label("a", "1").payload(payload.clone());
        store.write(|w| Ok(w.create(new.event(NewEvent::new("t")))?)).unwrap();
        store.write(|w| Ok(w.update("e", Update::to("Failed"))?)).unwrap();
        let last = store.get("e").unwrap().unwrap();
        assert_eq!(&store.write(|w| Ok(w.delete("e")?)).unwrap(), last.header());
        let reader = store.begin_read().unwrap();
        let change = reader.log().range(..).unwrap().next_back().unwrap().unwrap();
        assert_eq!((change.kind(), change.seq().get()), (ChangeKind::Deleted, 3));
        assert_eq!((change.execution_id().unwrap().as_str(), change.job_id().unwrap().as_str()), ("e", "j"));
        assert_eq!(change.revision(), Some(last.revision));
        assert_eq!((change.state_before().unwrap().as_str(), change.state_after()), ("Failed", None));
        assert_eq!((change.after(), change.before().as_ref()), (None, Some(last.header())));
        assert!(change.events().is_none() && !change.payload_changed());
        assert_eq!(reader.log().payload_after(&change).unwrap(), None);
        assert_eq!(reader.log().payload_before(&change).unwrap(), Some(payload));
        assert_eq!(reader.log().execution_before(&change).unwrap(), Some(last));
        assert_eq!(reader.log().execution_after(&change).unwrap(), None);
    }
}

pub fn a_condition_that_does_not_hold_leaves_no_trace(engine: &dyn Engine) {
    let store = engine.store();
    let new = NewExecution::new("j").id("e").state("Running");
    store.write(|w| Ok(w.create(new.event(NewEvent::new("t")))?)).unwrap();
    let before = contents(&store);
    let refused = [
        Expect::new().state("New"),
        Expect::new().states(["Completed", "Failed"]),
        Expect::new().not_state("Running"),
        Expect::new().revision(2),
        Expect::new().state("Running").revision(2),
    ];
    for expect in refused {
        let error = store.write(|w| Ok(w.delete_if("e", &expect)?)).unwrap_err();
        assert!(matches!(error, Error::Write(WriteError::Conflict { .. })), "{error}");
        assert_eq!(contents(&store), before, "{expect}");
    }
    let unknown = store.write(|w| Ok(w.delete_if("e", &Expect::new().state("Typo"))?)).unwrap_err();
    assert!(matches!(unknown, Error::Input(InputError::UnknownState { .. })), "{unknown}");
    let absent = store.write(|w| Ok(w.delete("absent")?)).unwrap_err();
    assert!(matches!(absent, Error::Write(WriteError::NotFound { id }) if id == "absent"));
    assert_eq!(contents(&store), before);
    store.write(|w| Ok(w.delete_if("e", &Expect::new().state("Running").revision(1))?)).unwrap();
    let again = store.write(|w| Ok(w.delete("e")?)).unwrap_err();
    assert!(matches!(again, Error::Write(WriteError::NotFound { .. })));
}

pub fn an_id_can_be_created_again_and_is_a_new_execution(engine: &dyn Engine) {
    let mut store = engine.ticking();
    let first = NewExecution::new("old-job").id("e").message("first").payload(json("1"));
    store.write(|w| Ok(w.create(first.event(NewEvent::new("first")))?)).unwrap();
    store.write(|w| Ok(w.update("e", Update::to("Failed"))?)).unwrap();
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    let second = NewExecution::new("new-job").id("e").payload(json("2"));
    let made = store.write(|w| Ok(w.create(second)?)).unwrap();
    assert_eq!((made.revision.get(), made.event_count, made.message.as_ref()), (1, 0, None));
    assert_eq!((made.completed_at, made.state.as_str()), (None, "New"));

    for _ in ["as it is", "opened again"] {
        let reader = store.begin_read().unwrap();
        assert_eq!(reader.get("e").unwrap().unwrap(), made);
        assert_eq!(reader.events("e", ..).unwrap().count(), 0);
        assert_eq!(reader.by_job("old-job").unwrap().count(), 0);
        assert_eq!(reader.by_job("new-job").unwrap().count(), 1);
        // The log shows both, each with its own payload.
        let shown: Vec<_> = reader
            .log()
            .range(..)
            .unwrap()
            .map(|change| {
                let change = change.unwrap();
                let before = reader.log().payload_before(&change).unwrap().map(|payload| payload.to_string());
                let after = reader.log().payload_after(&change).unwrap().map(|payload| payload.to_string());
                (change.kind(), change.job_id().unwrap().to_string(), before, after)
            })
            .collect();
        let text = |payload: &str| Some(payload.to_owned());
        assert_eq!(
            shown,
            [
                (ChangeKind::Created, "old-job".into(), None, text("1")),
                (ChangeKind::Updated, "old-job".into(), text("1"), text("1")),
                (ChangeKind::Deleted, "old-job".into(), text("1"), None),
                (ChangeKind::Created, "new-job".into(), None, text("2")),
            ]
        );
        drop(reader);
        store.reopen();
    }
}

pub fn create_and_delete_in_one_transaction_leave_two_changes_and_nothing_else(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("e").payload(big_payload(5_000)).event(NewEvent::new("t")))?;
            w.delete("e")?;
            assert!(w.get("e")?.is_none() && w.by_job("j")?.next().is_none());
            Ok(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    let kinds: Vec<_> = reader.log().range(..).unwrap().map(|change| change.unwrap().kind()).collect();
    assert_eq!(kinds, [ChangeKind::Created, ChangeKind::Deleted]);
    assert_eq!(reader.counts().unwrap().iter().map(|(_, count)| count).sum::<u64>(), 0);
}

pub fn a_reader_from_before_still_sees_what_was_deleted(engine: &dyn Engine) {
    let store = engine.store();
    let new = NewExecution::new("j").id("e").payload(big_payload(5_000));
    let made = store.write(|w| Ok(w.create(new.event(NewEvent::new("t")))?)).unwrap();
    let reader = store.begin_read().unwrap();
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(reader.get("e").unwrap(), Some(made));
    assert_eq!((reader.events("e", ..).unwrap().count(), reader.by_job("j").unwrap().count()), (1, 1));
}
