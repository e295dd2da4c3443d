//! Creating executions: what is kept, what is filled in, what is refused.

use execstore::error::WriteError;
use execstore::{
    DEFAULT_NAMESPACE, DesiredState, Error, Json, Labels, NewEvent, NewExecution, Readable, Revision, Text,
    Timestamp,
};
use support::contents::contents;
use support::json;

use crate::Engine;

pub fn every_part_is_kept_as_given(engine: &dyn Engine) {
    let store = engine.ticking();
    let labels = Labels::from([("a".into(), "1".into()), ("b".into(), Text::new())]);
    let new = NewExecution::new("job-1")
        .id("e-1")
        .namespace("tenant")
        .name("nightly")
        .node_id("node-7")
        .state("Running")
        .message("started")
        .desired(DesiredState::Running)
        .parent("p-1")
        .previous("e-0")
        .labels(labels.clone())
        .label("c", "3")
        .payload(json(r#"{"z":1,"a":[2, 3]}"#));
    let made = store.write(|w| Ok(w.create(new)?)).unwrap();
    let read = store.read(|r| Ok(r.get("e-1")?)).unwrap().unwrap();
    assert_eq!(made, read);
    assert_eq!((read.id.as_str(), read.job_id.as_str()), ("e-1", "job-1"));
    assert_eq!((read.namespace.as_str(), read.state.as_str()), ("tenant", "Running"));
    assert_eq!(
        (read.name.as_deref(), read.node_id.as_deref(), read.message.as_deref()),
        (Some("nightly"), Some("node-7"), Some("started"))
    );
    assert_eq!(read.desired, DesiredState::Running);
    assert_eq!(read.parent.as_ref().unwrap(), &"p-1");
    assert_eq!(read.previous.as_ref().unwrap(), &"e-0");
    assert_eq!(read.labels.len(), 3);
    assert!(labels.iter().all(|(key, value)| read.labels.get(key) == Some(value)));
    assert_eq!(read.payload_json().as_str(), r#"{"z":1,"a":[2, 3]}"#);
    assert_eq!((read.revision, read.event_count), (Revision(1), 0));
    let first = Timestamp::from_nanos(1);
    assert_eq!((read.created_at, read.modified_at, read.completed_at), (first, first, None));
}

pub fn what_is_left_out_gets_its_default(engine: &dyn Engine) {
    let store = engine.store();
    let made = store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    assert_eq!((made.namespace.as_str(), made.state.as_str()), (DEFAULT_NAMESPACE, "New"));
    assert_eq!(
        (&made.name, &made.node_id, &made.message, &made.parent, &made.previous),
        (&None, &None, &None, &None, &None)
    );
    assert_eq!((made.desired, made.labels.len()), (DesiredState::Pending, 0));
    assert!(made.payload_json().is_null());
    let id = made.id.as_str();
    assert_eq!((id.len(), id.as_bytes()[14]), (36, b'7'), "a UUID of version 7");
    assert_eq!(store.read(|r| Ok(r.get(id)?)).unwrap().unwrap(), made);
}

pub fn generated_ids_are_distinct_and_in_the_order_of_creation(engine: &dyn Engine) {
    let store = engine.store();
    let ids: Vec<_> = store
        .write(|w| (0..200).map(|_| Ok(w.create(NewExecution::new("j"))?.id.clone())).collect())
        .unwrap();
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, ids);
    let reader = store.begin_read().unwrap();
    let listed = reader.by_job("j").unwrap();
    let listed: Vec<_> = listed.map(|found| found.unwrap().id.clone()).collect();
    assert_eq!(listed, ids);
}

pub fn the_first_events_come_with_it(engine: &dyn Engine) {
    let store = engine.ticking();
    let events = [NewEvent::new("a").message("one"), NewEvent::new("b").at(Timestamp::from_nanos(-5))];
    let made = store.write(|w| Ok(w.create(NewExecution::new("j").id("e").events(events))?)).unwrap();
    assert_eq!(made.event_count, 2);
    let reader = store.begin_read().unwrap();
    let read: Vec<_> = reader.events("e", ..).unwrap().map(Result::unwrap).collect();
    assert_eq!((read[0].seq.get(), &*read[0].topic, &*read[0].message), (1, "a", "one"));
    assert_eq!((read[1].seq.get(), &*read[1].topic), (2, "b"));
    assert_eq!((read[0].time, read[1].time), (made.created_at, Timestamp::from_nanos(-5)));
    assert_eq!(reader.log().head().unwrap().get(), 1, "one change for both");
}

pub fn payloads_of_every_kind_and_size_come_back_exactly(engine: &dyn Engine) {
    let store = engine.store();
    let texts = [
        "null".to_owned(),
        "true".to_owned(),
        "-0.50e+3".to_owned(),
        "\"\\u0041\"".to_owned(),
        "[1,  2]".to_owned(),
        "{}".to_owned(),
        r#"{"a":1,"a":2}"#.to_owned(),
        // Around the size up to which a payload is kept in its record.
        format!("\"{}\"", "x".repeat(1021)),
        format!("\"{}\"", "x".repeat(1022)),
        format!("\"{}\"", "x".repeat(1023)),
        format!("\"{}\"", "x".repeat(100_000)),
        format!("\"{}\"", "é".repeat(1_000_000)),
    ];
    for (place, text) in texts.iter().enumerate() {
        let new = NewExecution::new("j").id(place.to_string()).payload(Json::from_text(text).unwrap());
        store.write(|w| Ok(w.create(new)?)).unwrap();
    }
    let reader = store.begin_read().unwrap();
    for (place, text) in texts.iter().enumerate() {
        let read = reader.get(place.to_string()).unwrap().unwrap();
        assert!(read.payload_json().as_str() == text, "payload {place}");
    }
}

pub fn a_refused_creation_leaves_no_trace(engine: &dyn Engine) {
    let store = engine.ticking();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("taken").event(NewEvent::new("t")))?)).unwrap();
    let before = contents(&store);
    let new = || NewExecution::new("other").id("fresh");
    let bad_event = NewEvent::new("t").details(json("[]"));
    let cases: [(&str, NewExecution, &[NewEvent]); 8] = [
        ("there is an execution", NewExecution::new("other").id("taken"), &[]),
        ("which is terminal", new().state("Completed"), &[]),
        ("no state \"Gone\"", new().state("Gone"), &[]),
        ("invalid execution id", NewExecution::new("j").id(""), &[]),
        ("invalid job id", NewExecution::new(" j").id("fresh"), &[]),
        ("invalid parent", new().parent("a\nb"), &[]),
        ("invalid previous", new().previous(""), &[]),
        ("invalid event details", new(), &[bad_event]),
    ];
    for (part, new, events) in cases {
        let error = store.write(|w| Ok(w.create(new.events(events.to_vec()))?)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        let is_input = part.starts_with("invalid") || part.starts_with("no state");
        assert!(
            if is_input { matches!(error, Error::Input(_)) } else { matches!(error, Error::Write(_)) },
            "{error:?}"
        );
        assert_eq!(contents(&store), before, "{part}");
    }
    // Within one transaction, too: what was refused does not come with what was not.
    store
        .write(|w| {
            assert!(w.create(NewExecution::new("other").id("taken")).is_err());
            Ok(w.create(NewExecution::new("j").id("second"))?)
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.by_job("other").unwrap().count(), 0);
    assert_eq!((reader.log().head().unwrap().get(), reader.count("New").unwrap()), (2, 2));
}

pub fn an_id_that_was_created_in_the_same_transaction_is_taken(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("e"))?;
            let again = w.create(NewExecution::new("k").id("e"));
            assert!(matches!(again, Err(WriteError::AlreadyExists { id }) if id == "e"));
            Ok(())
        })
        .unwrap();
}
