//! An end can always be recorded: long texts, lowered limits and damage beside it do not keep an execution from it.

use execstore::error::InputError;
use execstore::limits::{MAX_MESSAGE, MAX_NAME};
use execstore::options::{LongTexts, MissingLinks};
use execstore::tasks::TaskUpdate;
use execstore::{Error, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::{big_payload, create, json};

use crate::Engine;

pub fn running(store: &Store, id: &str, payload: usize) {
    let new = NewExecution::new("j").id(id).state("Running").payload(big_payload(payload));
    store.create(new).unwrap();
}

fn gone(text: &str) -> usize {
    let (kept, mark) = text.rsplit_once(" [").unwrap();
    kept.len() + mark.strip_suffix(" bytes cut]").unwrap().parse::<usize>().unwrap()
}

pub fn texts_for_people_are_cut_with_a_mark_that_says_how_much_went(engine: &dyn Engine) {
    let mut store = engine.store();
    running(&store, "e", 10);
    let long = |max: usize| "é".repeat(max);
    let update = Update::to("Failed").message(long(MAX_MESSAGE)).preview(long(MAX_NAME));
    let event = NewEvent::new("end").message(long(MAX_MESSAGE)).details(json("{\"code\":1}"));
    let ended = store.update("e", update.event(NewEvent::new("short").message("m")).event(event)).unwrap();
    store.put_task("e", TaskUpdate::failed("n", long(MAX_MESSAGE))).unwrap();
    let new = NewExecution::new("j").id("f").message(long(MAX_MESSAGE)).preview(long(MAX_NAME));
    store.create(new).unwrap();
    store.append_events("f", [NewEvent::new("t").message(long(MAX_MESSAGE))]).unwrap();
    store.reopen();
    let r = store.begin_read().unwrap();
    assert_eq!(r.get("e").unwrap().unwrap().header(), &ended);
    let mut texts = vec![(r.tasks("e").get("n").unwrap().unwrap().error.unwrap(), MAX_MESSAGE)];
    for id in ["e", "f"] {
        let execution = r.get(id).unwrap().unwrap();
        texts.push((execution.message.clone().unwrap(), MAX_MESSAGE));
        texts.push((execution.preview.clone().unwrap(), MAX_NAME));
        let events: Vec<_> = r.events(id, ..).unwrap().map(|event| event.unwrap().message).collect();
        texts.push((events.last().unwrap().clone(), MAX_MESSAGE));
        assert!(events.len() == 1 || events[0] == "m");
    }
    for (text, limit) in texts {
        assert!(text.len() <= limit && text.len() > limit - 10, "{}", text.len());
        assert_eq!(gone(&text), 2 * limit);
    }
}

pub fn what_is_for_programs_is_refused_and_never_cut(engine: &dyn Engine) {
    let store = engine.store();
    running(&store, "e", 10);
    let long = "x".repeat(100_000);
    for update in [
        Update::to("Failed").name(long.as_str()),
        Update::to("Failed").node_id(long.as_str()),
        Update::to("Failed").label("k", long.as_str()),
        Update::to("Failed").parent(long.as_str()),
    ] {
        let refused = store.update("e", update);
        assert!(matches!(refused, Err(Error::Input(InputError::TooLarge { .. }))));
    }
    let refused = store.update("e", Update::to("Failed").event(NewEvent::new(long.as_str())));
    assert!(matches!(refused, Err(Error::Input(InputError::TooLarge { .. }))));
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().revision.get(), 1);
}

pub fn long_texts_are_refused_if_that_was_asked_for(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_long_texts(LongTexts::Refuse));
    running(&store, "e", 10);
    let refused = store.update("e", Update::to("Failed").message("x".repeat(MAX_MESSAGE + 1)));
    assert!(matches!(
        refused,
        Err(Error::Input(InputError::TooLarge { what: "message", actual: 65_537, maximum: MAX_MESSAGE }))
    ));
}

pub fn a_lowered_payload_limit_stops_no_end_and_no_delete(engine: &dyn Engine) {
    let mut store = engine.store();
    for id in ["cancelled", "completed", "shrunk", "deleted", "bulk"] {
        running(&store, id, 50_000);
    }
    store.reopen_with(Store::builder().set_max_payload(1_000));
    store.update("cancelled", Update::to("Cancelled").message("stop")).unwrap();
    // A merge that does not make it larger, though it stays above the limit.
    let smaller = Update::to("Completed").merge_payload(json(r#"{"fill":null,"code":0}"#));
    store.update("completed", smaller).unwrap();
    let still_large = json(&format!(r#"{{"fill":"{}"}}"#, "y".repeat(40_000)));
    store.update("shrunk", Update::to("Completed").merge_payload(still_large)).unwrap();
    store.delete("deleted").unwrap();
    let report = store.bulk(Query::new().state("Running")).update(Update::to("Failed")).unwrap();
    assert_eq!((report.changed, report.refused), (1, 0));
    // What is written now is within the limit, or smaller than what was there.
    let grown = json(&format!(r#"{{"more":"{}"}}"#, "y".repeat(20_000)));
    for refused in [
        Update::new().merge_payload(grown.clone()),
        Update::new().payload(big_payload(30_000)),
        Update::new().payload(big_payload(1_001)),
    ] {
        let refused = store.update("shrunk", refused);
        assert!(matches!(refused, Err(Error::Input(InputError::TooLarge { .. }))));
    }
    let small = store.read(|r| Ok(r.get("completed")?)).unwrap().unwrap();
    assert_eq!(small.payload_json().as_str(), r#"{"code":0}"#);
    assert!(store.verify().unwrap().is_clean());
}

pub fn a_link_to_what_was_deleted_since_stops_no_end(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_missing_links(MissingLinks::Refuse));
    create(&store, "parent");
    let child = NewExecution::new("j").id("child").parent("parent").state("Running");
    store.create(child).unwrap();
    store.delete("parent").unwrap();
    let again = Update::to("Failed").parent("parent");
    assert_eq!(store.update("child", again).unwrap().state.as_str(), "Failed");
}
