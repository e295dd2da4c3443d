//! Every documented limit, at it and above it; the errors say how large and how large at most.

use execstore::error::{InputError, LifecycleError};
use execstore::lifecycle::Lifecycle;
use execstore::limits::*;
use execstore::{Builder, Error, Json, NewEvent, NewExecution, Readable, Store, Update};
use support::contents::contents;
use support::{create, json};

use crate::Engine;

fn refused<T: std::fmt::Debug>(result: Result<T, Error>, what: &str, size: usize, limit: usize) {
    match result {
        Err(Error::Input(InputError::TooLarge { what: named, actual, maximum })) => {
            assert_eq!((named, actual, maximum), (what, size, limit));
        }
        other => panic!("{what} of {size}: {other:?}"),
    }
}

/// Refuses texts that are too long, where the default is to cut them.
fn strict() -> Builder {
    let mut builder = Store::builder();
    builder.set_long_texts(LongTexts::Refuse);
    builder
}

/// A JSON text of exactly this many bytes.
fn payload(bytes: usize) -> Json {
    json(&format!("\"{}\"", "x".repeat(bytes - 2)))
}

fn labels(count: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(|n| (format!("k{n}"), String::new()))
}

pub fn new_executions_are_checked(engine: &dyn Engine) {
    type Make = fn(NewExecution, usize) -> NewExecution;
    let cases: [(&str, usize, Make); 11] = [
        ("execution id", MAX_ID, |new, n| new.id("x".repeat(n))),
        ("parent", MAX_ID, |new, n| new.parent("x".repeat(n))),
        ("previous", MAX_ID, |new, n| new.previous("x".repeat(n))),
        ("namespace", MAX_NAME, |new, n| new.namespace("x".repeat(n))),
        ("name", MAX_NAME, |new, n| new.name("x".repeat(n))),
        ("node id", MAX_NAME, |new, n| new.node_id("x".repeat(n))),
        ("message", MAX_MESSAGE, |new, n| new.message("x".repeat(n))),
        ("label key", MAX_LABEL_KEY, |new, n| new.label("x".repeat(n), "")),
        ("label value", MAX_LABEL_VALUE, |new, n| new.label("k", "x".repeat(n))),
        ("number of labels", MAX_LABELS, |new, n| new.labels(labels(n))),
        ("payload", 5_000, |new, n| new.payload(payload(n))),
    ];
    for (what, limit, make) in cases {
        let store = engine.store_with(strict().set_max_payload(5_000));
        for size in [limit - 1, limit] {
            let made = store.write(|w| Ok(w.create(make(NewExecution::new("j"), size))?)).unwrap();
            assert_eq!(store.read(|r| Ok(r.get(&made.id)?)).unwrap().unwrap(), made, "{what}");
        }
        let before = contents(&store);
        for size in [limit + 1, limit * 2] {
            let new = make(NewExecution::new("j"), size);
            refused(store.write(|w| Ok(w.create(new)?)), what, size, limit);
        }
        assert_eq!(contents(&store), before, "{what}");
    }
    let store = engine.store();
    for (size, fits) in [(1, true), (MAX_ID, true), (MAX_ID + 1, false)] {
        let made = store.write(|w| Ok(w.create(NewExecution::new("j".repeat(size)))?));
        if fits {
            assert_eq!(store.begin_read().unwrap().by_job(&made.unwrap().job_id).unwrap().count(), 1);
        } else {
            refused(made, "job id", size, MAX_ID);
        }
    }
}

pub fn updates_are_checked(engine: &dyn Engine) {
    type Make = fn(usize) -> Update;
    let cases: [(&str, usize, Make); 9] = [
        ("parent", MAX_ID, |n| Update::new().parent("x".repeat(n))),
        ("previous", MAX_ID, |n| Update::new().previous("x".repeat(n))),
        ("name", MAX_NAME, |n| Update::new().name("x".repeat(n))),
        ("node id", MAX_NAME, |n| Update::new().node_id("x".repeat(n))),
        ("message", MAX_MESSAGE, |n| Update::new().message("x".repeat(n))),
        ("label key", MAX_LABEL_KEY, |n| Update::new().label("x".repeat(n), "")),
        ("label value", MAX_LABEL_VALUE, |n| Update::new().label("k", "x".repeat(n))),
        ("number of labels", MAX_LABELS, |n| {
            labels(n).fold(Update::new().clear_labels(), |edit, (key, value)| edit.label(key, value))
        }),
        ("payload", 5_000, |n| Update::new().payload(payload(n))),
    ];
    for (what, limit, make) in cases {
        let store = engine.store_with(strict().set_max_payload(5_000));
        create(&store, "e");
        for size in [limit - 1, limit] {
            let after = store.write(|w| Ok(w.update("e", make(size))?)).unwrap();
            let now = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
            assert_eq!(now.header(), &after, "{what}");
            assert!(what != "payload" || now.payload_json().as_str().len() == size);
        }
        let before = contents(&store);
        let edit = make(limit + 1);
        refused(store.write(|w| Ok(w.update("e", edit)?)), what, limit + 1, limit);
        assert_eq!(contents(&store), before, "{what}");
    }
}

pub fn labels_that_were_there_count_with_those_that_come(engine: &dyn Engine) {
    let store = engine.store();
    let new = NewExecution::new("j").id("e").labels(labels(MAX_LABELS));
    store.write(|w| Ok(w.create(new)?)).unwrap();
    let one_more = || Update::new().label("more", "");
    refused(store.write(|w| Ok(w.update("e", one_more())?)), "number of labels", 65, MAX_LABELS);
    let swapped = one_more().remove_label("k0");
    assert_eq!(store.write(|w| Ok(w.update("e", swapped)?)).unwrap().labels.len(), MAX_LABELS);
}

pub fn events_are_checked_wherever_they_come_in(engine: &dyn Engine) {
    let store = engine.store_with(&strict());
    create(&store, "e");
    let details = |bytes: usize| json(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)));
    let cases: [(&str, usize, NewEvent, NewEvent); 3] = [
        ("event topic", MAX_NAME, NewEvent::new("x".repeat(256)), NewEvent::new("x".repeat(257))),
        (
            "event message",
            MAX_MESSAGE,
            NewEvent::new("").message("x".repeat(65_536)),
            NewEvent::new("").message("x".repeat(65_537)),
        ),
        (
            "event",
            MAX_EVENT,
            NewEvent::new("t").details(details(MAX_EVENT - 1)),
            NewEvent::new("t").details(details(MAX_EVENT)),
        ),
    ];
    for (what, limit, fits, too_large) in cases {
        let events = [fits];
        store.write(|w| Ok(w.append_events("e", events.to_vec())?)).unwrap();
        store.write(|w| Ok(w.update("e", Update::new().events(events.to_vec()))?)).unwrap();
        store.write(|w| Ok(w.create(NewExecution::new("j").events(events.to_vec()))?)).unwrap();
        let events = [NewEvent::new("good"), too_large];
        let head = store.read(|r| Ok(r.log().head()?)).unwrap();
        refused(store.write(|w| Ok(w.append_events("e", events.to_vec())?)), what, limit + 1, limit);
        refused(
            store.write(|w| Ok(w.update("e", Update::new().events(events.to_vec()))?)),
            what,
            limit + 1,
            limit,
        );
        refused(
            store.write(|w| Ok(w.create(NewExecution::new("j").events(events.to_vec()))?)),
            what,
            limit + 1,
            limit,
        );
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap(), head);
    }
}

pub fn the_largest_payload_is_settable_and_old_ones_stay_readable(engine: &dyn Engine) {
    let large = payload(20_000);
    let mut store = engine.store_with(Store::builder().set_max_payload(20_000));
    store.write(|w| Ok(w.create(NewExecution::new("j").id("e").payload(large.clone()))?)).unwrap();
    let new = NewExecution::new("j").payload(payload(20_001));
    refused(store.write(|w| Ok(w.create(new)?)), "payload", 20_001, 20_000);
    store.reopen_with(Store::builder().set_max_payload(100));
    assert!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().payload_json() == &large);
    // The record can be changed; its payload can only become smaller.
    store.write(|w| Ok(w.update("e", Update::to("Failed"))?)).unwrap();
    let other = Update::new().payload(payload(101));
    refused(store.write(|w| Ok(w.update("e", other)?)), "payload", 101, 100);
    store.write(|w| Ok(w.update("e", Update::new().payload(payload(100)))?)).unwrap();
    assert!(store.verify().unwrap().is_clean());
}

pub fn the_default_payload_limit_is_16_mib(engine: &dyn Engine) {
    let store = engine.store();
    let new = NewExecution::new("j").id("e").payload(payload(DEFAULT_MAX_PAYLOAD));
    store.write(|w| Ok(w.create(new)?)).unwrap();
    let read = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    assert_eq!(read.payload_json().as_str().len(), DEFAULT_MAX_PAYLOAD);
    let new = NewExecution::new("j").payload(payload(DEFAULT_MAX_PAYLOAD + 1));
    refused(store.write(|w| Ok(w.create(new)?)), "payload", DEFAULT_MAX_PAYLOAD + 1, DEFAULT_MAX_PAYLOAD);
}

pub fn lifecycles_of_250_states_with_names_of_64_bytes_work(engine: &dyn Engine) {
    let build = |states: usize, len: usize| {
        let name = |n: usize| format!("{n:0len$}");
        let all = (0..states).fold(Lifecycle::builder(), |all, n| all.live(name(n)));
        (1..states).fold(all, |all, n| all.transition(name(n - 1), name(n))).build()
    };
    let many = build(MAX_STATES + 1, 4);
    assert!(matches!(many, Err(LifecycleError::TooManyStates { actual: 251, maximum: 250 })));
    let long = build(2, MAX_STATE_NAME + 1);
    assert!(matches!(long, Err(LifecycleError::Name { actual: 65, maximum: 64, .. })));
    let lifecycle = build(MAX_STATES, MAX_STATE_NAME).unwrap();
    let names: Vec<_> = lifecycle.states().map(|state| state.to_string()).collect();
    let mut store = engine.store_with(Store::builder().set_lifecycle(lifecycle));
    create(&store, "e");
    store
        .write(|w| {
            for name in &names[1..] {
                support::walk(w, "e", &[name]);
            }
            Ok(())
        })
        .unwrap();
    store.reopen();
    let last = &names[MAX_STATES - 1];
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().state, last.as_str());
    assert_eq!(store.read(|r| Ok(r.count(last)?)).unwrap(), 1);
}
