//! The policy for large values in payloads: kept, refused, truncated, moved to attachments.

use execstore::error::InputError;
use execstore::options::LargeValues;
use execstore::{Error, Json, NewExecution, Readable, Store, Update};

use crate::{Engine, TestStore};

fn store(engine: &dyn Engine, what: LargeValues) -> TestStore {
    engine.store_with(Store::builder().set_large_values(what).set_max_payload(3_000))
}

fn payload(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

fn create(store: &Store, id: &str, json: &str) -> Result<String, Error> {
    let new = NewExecution::new("j").id(id).payload(payload(json));
    Ok(store.create(new)?.payload_json().as_str().to_owned())
}

fn keys(store: &Store, id: &str) -> Vec<String> {
    let r = store.begin_read().unwrap();
    r.attachments(id).list().unwrap().map(|row| row.unwrap().key.into()).collect()
}

fn moved(store: &Store, id: &str, key: &str) -> String {
    let bytes =
        store.read(|r| Ok(r.attachments(id).bytes(format!("execstore/payload/{key}"))?)).unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

pub fn what_is_refused_leaves_no_trace(engine: &dyn Engine) {
    let store = store(engine, LargeValues::Refuse(100));
    let long = "x".repeat(200);
    let refused = create(&store, "e", &format!("{{\"a\": \"{long}\"}}"));
    assert!(
        matches!(
            refused,
            Err(Error::Input(InputError::TooLarge { what: "payload value", actual: 202, maximum: 100 }))
        ),
        "{refused:?}"
    );
    create(&store, "e", "{\"a\": 1}").unwrap();
    let patch = Update::new().merge_payload(payload(&format!("{{\"b\": [\"{long}\"]}}")));
    assert!(store.update("e", patch).is_err());
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 1);
    // Many small ones are fine.
    let many: Vec<String> = (0..50).map(|n| format!("\"k{n}\": {n}")).collect();
    create(&store, "f", &format!("{{{}}}", many.join(","))).unwrap();
}

pub fn what_is_truncated_says_how_much(engine: &dyn Engine) {
    let store = store(engine, LargeValues::Truncate(100));
    let long = "x".repeat(2_000_000);
    let kept = create(&store, "e", &format!("{{\"a\": \"{long}\", \"n\": 1}}")).unwrap();
    assert!(kept.starts_with("{\"a\":\"xxxx") && kept.ends_with(" bytes cut]\",\"n\":1}"), "{kept}");
    assert!(kept.len() < 120, "the largest payload is that after it");
    let patch = Update::new().merge_payload(payload(&format!("{{\"n\": [\"{long}\"]}}")));
    store.update("e", patch).unwrap();
    let after = store.get("e").unwrap().unwrap();
    assert!(after.payload_json().as_str().ends_with("\"n\":\"[2000004 bytes cut]\"}"));
}

pub fn what_is_moved_is_beside_and_follows_the_payload(engine: &dyn Engine) {
    let store = store(engine, LargeValues::Attach(100));
    let long = |c: char, len: usize| format!("\"{}\"", c.to_string().repeat(len));
    let first = format!("{{\"a\":{},\"b\":{},\"n\":1}}", long('a', 200), long('b', 100_000));
    let kept = create(&store, "e", &first).unwrap();
    assert!(
        kept.starts_with("{\"a\":{\"$attachment\":\"execstore/payload/a\",\"bytes\":202,\"sha256\":\""),
        "{kept}"
    );
    assert!(kept.contains("\"b\":{\"$attachment\":\"execstore/payload/b\",\"bytes\":100002,"), "{kept}");
    assert_eq!((moved(&store, "e", "a"), moved(&store, "e", "b")), (long('a', 200), long('b', 100_000)));
    store
        .put_attachment("e", execstore::attachments::NewAttachment::bytes("payload", "the caller's own"))
        .unwrap();

    // An update that leaves the payload alone leaves them alone; a patch of one member, the others.
    let update = |update: Update| store.update("e", update).unwrap();
    update(Update::new().message("m"));
    update(Update::new().merge_payload(payload(&format!("{{\"a\":{}}}", long('c', 200)))));
    assert_eq!((moved(&store, "e", "a"), moved(&store, "e", "b")), (long('c', 200), long('b', 100_000)));
    // Another value of the same size is another payload, also in the log.
    let now = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().payload_json().as_str().to_owned();
    assert_ne!(now, kept);
    let last = store.begin_read().unwrap().log().range(..).unwrap().next_back().unwrap().unwrap();
    assert!(last.payload_changed());
    let kept = now;
    // A caller that reads the payload and writes it anew, spelt otherwise, keeps them.
    let again = kept.replace(':', " : ").replace("\"n\" : 1", "\"n\" : 2");
    update(Update::new().payload(payload(&again)));
    assert_eq!(keys(&store, "e"), ["execstore/payload/a", "execstore/payload/b", "payload"]);
    // What the payload does not refer to any more goes.
    update(Update::new().merge_payload(payload("{\"b\": null}")));
    assert_eq!(keys(&store, "e"), ["execstore/payload/a", "payload"]);
    update(Update::new().payload(payload("[]")));
    assert_eq!(keys(&store, "e"), ["payload"]);
    store.delete("e").unwrap();
    assert_eq!(store.verify().unwrap().attachments, 0);
}

pub fn several_large_values_of_one_operation_do_not_meet(engine: &dyn Engine) {
    let store = store(engine, LargeValues::Attach(100));
    let identity =
        execstore::identity::Identity::new("j", "t").inputs(payload(&format!("\"{}\"", "i".repeat(70_000))));
    let value = |n: usize| format!("\"{}\"", ["a", "b", "c", "d"][n].repeat(60_000 + 10_000 * n));
    let members: Vec<String> = (0..4).map(|n| format!("\"k{n}\":{}", value(n))).collect();
    let new = NewExecution::identified(&identity).unwrap();
    let new = new.payload(payload(&format!("{{{}}}", members.join(","))));
    let made = store.create(new).unwrap();
    for n in 0..4 {
        assert_eq!(moved(&store, made.id.as_str(), &format!("k{n}")), value(n));
    }
    assert_eq!(store.read(|r| Ok(r.verify_identity(&made.id)?)).unwrap(), Some(identity));
    assert_eq!(keys(&store, made.id.as_str()).len(), 5);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    // And the next operation's are others again.
    let copy = store.crash_copy();
    copy.put_attachment(&made.id, execstore::attachments::NewAttachment::bytes("more", vec![1; 200_000]))
        .unwrap();
    assert_eq!(moved(&copy, made.id.as_str(), "k3"), value(3));
}

/// A size that the marks themselves are beyond.
pub fn marks_are_not_moved_again(engine: &dyn Engine) {
    let store = store(engine, LargeValues::Attach(20));
    let key = "k".repeat(60);
    create(&store, "e", &format!("{{\"{key}\": \"{}\", \"n\": 1}}", "x".repeat(100))).unwrap();
    for n in 2..5 {
        let patch = payload(&format!("{{\"n\": {n}}}"));
        store.update("e", Update::new().merge_payload(patch)).unwrap();
        assert_eq!(keys(&store, "e"), [format!("execstore/payload/{key}")]);
        assert_eq!(moved(&store, "e", &key), format!("\"{}\"", "x".repeat(100)));
    }
    let twice = format!("{{\"a\": \"{}\", \"a\": \"{}\"}}", "x".repeat(5_000), "y".repeat(6_000));
    create(&store, "f", &twice).unwrap();
    assert_eq!(moved(&store, "f", "a").len(), 6_002);
}

pub fn the_largest_payload_is_that_after_the_policy(engine: &dyn Engine) {
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":\"{}\"", "x".repeat(90))).collect();
    let many = format!("{{{}}}", many.join(","));
    for what in
        [LargeValues::Keep, LargeValues::Truncate(100), LargeValues::Attach(100), LargeValues::Refuse(100)]
    {
        let store = store(engine, what);
        let refused = create(&store, "e", &many);
        assert!(
            matches!(refused, Err(Error::Input(InputError::TooLarge { what: "payload", .. }))),
            "{what:?}: {refused:?}"
        );
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 0);
    }
}
