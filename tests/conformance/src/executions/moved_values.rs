//! Values that were moved out of payloads: their marks, under whatever is done to them and whatever policy comes later.

use execstore::attachments::NewAttachment;
use execstore::error::InputError;
use execstore::options::LargeValues;
use execstore::{Error, Execution, NewExecution, Readable, Store, Update};
use support::json;

use crate::{Engine, TestStore};

fn long(c: &str) -> String {
    format!("\"{}\"", c.repeat(200))
}

/// A store in which values of more than 100 bytes are moved, with one execution, `e`, that has two of them.
fn store(engine: &dyn Engine) -> TestStore {
    let store = engine.store_with(Store::builder().set_large_values(LargeValues::Attach(100)));
    let payload = json(&format!("{{\"a\":{},\"b\":{{\"c\":{}}},\"n\":1}}", long("a"), long("c")));
    store.create(NewExecution::new("j").id("e").payload(payload)).unwrap();
    store
}

fn text(store: &Store) -> String {
    store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().payload_json().as_str().to_owned()
}

fn update(store: &Store, update: Update) -> Result<Execution, Error> {
    store.update("e", update)?;
    Ok(store.get("e")?.unwrap())
}

fn merge(store: &Store, patch: &str) -> String {
    update(store, Update::new().merge_payload(json(patch))).unwrap().payload_json().as_str().to_owned()
}

/// The values that are beside `e`, by the ends of their keys.
fn moved(store: &Store) -> Vec<(String, String)> {
    let r = store.begin_read().unwrap();
    let keys = r.attachments("e").with_prefix("execstore/payload").unwrap().map(|row| row.unwrap().key);
    keys.map(|key| {
        let value = r.attachments("e").bytes(&key).unwrap().unwrap();
        (key["execstore/payload".len()..].to_owned(), String::from_utf8(value).unwrap())
    })
    .collect()
}

fn mark(text: &str, from: &str) -> String {
    let at = text.find(&format!("{{\"$attachment\":\"execstore/payload{from}\"")).unwrap();
    text[at..at + text[at..].find('}').unwrap() + 1].to_owned()
}

/// Opens the store again with another policy.
fn reopened(mut store: TestStore, policy: LargeValues) -> TestStore {
    store.reopen_with(Store::builder().set_large_values(policy));
    store
}

pub fn a_patch_that_meets_a_mark_meets_the_value(engine: &dyn Engine) {
    let store = store(engine);
    let before = text(&store);
    assert_eq!(merge(&store, r#"{"a":{"note":1}}"#), before.replace(&mark(&before, "/a"), r#"{"note":1}"#));
    assert_eq!(moved(&store), [("/b/c".to_owned(), long("c"))]);
    assert!(store.verify().unwrap().is_clean());
}

pub fn what_only_looks_like_a_mark_is_an_ordinary_object(engine: &dyn Engine) {
    let store = store(engine);
    let look = |key: &str, bytes: usize, hash: &str| {
        format!("{{\"$attachment\":\"execstore/payload{key}\",\"bytes\":{bytes},\"sha256\":\"{hash}\"}}")
    };
    // A patch of such an object is merged into, not put in the place of the value.
    let made_up = look("/n", 202, &"0".repeat(64));
    assert!(merge(&store, &format!("{{\"n\":{made_up}}}")).ends_with(&format!("\"n\":{made_up}}}")));
    assert!(merge(&store, r#"{"n":{"note":1}}"#).contains(r#","note":1}"#));
    // One of another execution stands for nothing here.
    let payload = json(&text(&store));
    let other = store.create(NewExecution::new("j").id("f").payload(payload)).unwrap();
    assert_eq!(*other.payload_json(), json(&text(&store)));
    assert_eq!(store.begin_read().unwrap().attachments("f").list().unwrap().count(), 0);
    // Nor does it get past a policy.
    let store = reopened(store, LargeValues::Refuse(1_000));
    for made_up in [look("/x", 1, &"f".repeat(5_000)), look(&"x".repeat(5_000), 1, &"f".repeat(64))] {
        let refused = update(&store, Update::new().merge_payload(json(&format!("{{\"x\":{made_up}}}"))));
        assert!(matches!(refused, Err(Error::Input(InputError::TooLarge { .. }))), "{refused:?}");
    }
    let odd = r#"{"x":{"$attachment":"execstore/payload/a"}}"#;
    assert!(merge(&store, odd).ends_with("\"x\":{\"$attachment\":\"execstore/payload/a\"}}"));
}

pub fn a_copied_mark_is_a_copied_value(engine: &dyn Engine) {
    let store = store(engine);
    let a = mark(&text(&store), "/a");
    // Renamed by somebody who reads the payload and writes it.
    update(&store, Update::new().payload(json(&format!("{{\"renamed\": {a}, \"list\": [{a}]}}")))).unwrap();
    let expected = [("/list".to_owned(), format!("[{}]", long("a"))), ("/renamed".to_owned(), long("a"))];
    assert_eq!(moved(&store), expected);
    // A value and the copy of what it was.
    let renamed = mark(&text(&store), "/renamed");
    merge(&store, &format!("{{\"renamed\":{},\"kept\":{renamed},\"list\":null}}", long("z")));
    assert_eq!(moved(&store), [("/kept".to_owned(), long("a")), ("/renamed".to_owned(), long("z"))]);
    // With the policy off a copy is the value itself.
    let store = reopened(store, LargeValues::Keep);
    let kept = mark(&text(&store), "/kept");
    assert!(merge(&store, &format!("{{\"again\":{kept}}}")).ends_with(&format!("\"again\":{}}}", long("a"))));
    assert_eq!(moved(&store).len(), 2);
}

pub fn marks_outlive_the_policy_that_made_them(engine: &dyn Engine) {
    for policy in [
        LargeValues::Keep,
        LargeValues::Refuse(50),
        LargeValues::Truncate(50),
        LargeValues::Attach(20),
        LargeValues::Attach(10_000),
    ] {
        let store = reopened(store(engine), policy);
        let before = text(&store);
        let values = moved(&store);
        assert_eq!(merge(&store, r#"{"n":2}"#), before.replace(":1}", ":2}"), "{policy:?}");
        assert_eq!(moved(&store), values, "{policy:?}");
        // Read and written again, spelt otherwise.
        let spelt = text(&store).replace(',', " ,\n").replace('/', "\\/");
        let written = update(&store, Update::new().payload(json(&spelt))).unwrap();
        for key in ["/a", "/b/c"] {
            assert!(written.payload_json().as_str().contains(&mark(&before, key)), "{policy:?}");
        }
        assert_eq!(moved(&store), values, "{policy:?}");
        // What no payload has any more goes with it.
        merge(&store, r#"{"b":null}"#);
        assert_eq!(moved(&store), values[..1], "{policy:?}");
        update(&store, Update::new().clear_payload()).unwrap();
        assert_eq!(moved(&store), [], "{policy:?}");
        assert!(store.verify().unwrap().is_clean());
    }
}

pub fn a_policy_is_applied_to_what_is_written(engine: &dyn Engine) {
    for policy in [LargeValues::Truncate(100), LargeValues::Refuse(100), LargeValues::Attach(100)] {
        let store = engine.store();
        let old = format!("{{\"old\": {}, \"o\": {{\"old\":{}}}}}", long("o"), long("p"));
        store.create(NewExecution::new("j").id("e").payload(json(&old))).unwrap();
        let store = reopened(store, policy);
        let expected = format!("{{\"old\":{},\"o\":{{\"old\":{},\"z\":1}},\"z\":2}}", long("o"), long("p"));
        assert_eq!(merge(&store, r#"{"o":{"z":1},"z":2}"#), expected, "{policy:?}");
        assert_eq!(moved(&store), []);
        let written = update(&store, Update::new().merge_payload(json(&format!("{{\"z\":{}}}", long("z")))));
        match policy {
            LargeValues::Refuse(_) => assert!(written.is_err()),
            _ => assert!(!written.unwrap().payload_json().as_str().contains(&long("z"))),
        }
    }
}

/// The private key by which a JSON library passes text through, in a payload: its text is no JSON.
pub fn private_keys_of_the_json_library_do_not_hide_marks(engine: &dyn Engine) {
    let store = store(engine);
    let values = moved(&store);
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        merge(&store, &format!("{{\"p\":{{\"{key}\":\"no JSON\"}}}}"));
        merge(&store, r#"{"n":3}"#);
        assert_eq!(moved(&store), values);
        assert!(text(&store).contains(&format!("\"{key}\":\"no JSON\"")));
    }
}

pub fn deep_documents_pass_under_every_policy(engine: &dyn Engine) {
    let depth = 100_000;
    let deep = format!("{}{}{}", "{\"d\":".repeat(depth), long("x"), "}".repeat(depth));
    for policy in [
        LargeValues::Keep,
        LargeValues::Refuse(1_000),
        LargeValues::Truncate(100),
        LargeValues::Attach(100),
        LargeValues::Attach(0),
    ] {
        let store = engine.store_with(Store::builder().set_large_values(policy));
        store.create(NewExecution::new("j").id("e").payload(json(&deep))).unwrap();
        let after = merge(&store, &deep.replace('x', "y"));
        let (attach, truncate) =
            (matches!(policy, LargeValues::Attach(_)), matches!(policy, LargeValues::Truncate(_)));
        assert_eq!(moved(&store).len(), usize::from(attach));
        assert_eq!(after.contains("bytes cut]"), truncate);
        assert_eq!(after.contains(&long("y")), !attach && !truncate);
        let list = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let listed = update(&store, Update::new().payload(json(&format!("{{\"l\":{list}}}"))));
        assert_eq!(listed.is_err(), matches!(policy, LargeValues::Refuse(_)));
    }
}

/// Many values below a long pointer, each of which has a hash of the pointer in its key.
pub fn many_values_far_down_are_moved(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_large_values(LargeValues::Attach(40)));
    let depth = 20_000;
    let value = "\"v012345678901234567890123456789012345678901\"";
    let leaves: Vec<String> = (0..300).map(|n| format!("\"k{n}\":{value}")).collect();
    let up = format!(",\"l\":{value}}}").repeat(300) + &"}".repeat(depth - 300);
    let deep = format!("{}{{{}}}{up}", "{\"d\":".repeat(depth), leaves.join(","));
    store.create(NewExecution::new("j").id("e").payload(json(&deep))).unwrap();
    assert_eq!(moved(&store).len(), 600);
    merge(&store, r#"{"x":1}"#);
    assert_eq!(moved(&store).len(), 600);
}

pub fn names_of_the_store_s_own_are_refused(engine: &dyn Engine) {
    let store = store(engine);
    let values = moved(&store);
    for key in [
        "execstore/",
        "execstore/payload",
        "execstore/payload/a",
        "execstore/payloadiana",
        "execstore/identity",
        "execstore/mine",
    ] {
        let refused = |result: Result<(), Error>| {
            let error = result.unwrap_err();
            assert!(
                matches!(&error, Error::Input(InputError::Invalid { what: "attachment key", .. })),
                "{error:?}"
            );
            assert!(error.to_string().contains("the store's own"), "{error}");
        };
        refused(store.put_attachment("e", NewAttachment::bytes(key, "x")).map(drop));
        refused(store.write(|w| Ok(w.put_attachment_from("e", key, "a/b", &mut b"x".as_slice())?)).map(drop));
        refused(store.write(|w| Ok(w.delete_attachment("e", key)?)).map(drop));
    }
    assert_eq!(moved(&store), values);
    for key in ["execstore", "Execstore/x", "payload/a", "/execstore/x"] {
        store.put_attachment("e", NewAttachment::bytes(key, "x")).unwrap();
        assert!(store.write(|w| Ok(w.delete_attachment("e", key)?)).unwrap());
    }
}

/// An older payload above a limit that was lowered can be patched, as long as it does not grow.
pub fn a_lowered_limit_does_not_lock_up_a_payload(engine: &dyn Engine) {
    let mut store = engine.store();
    let payload = json(&format!("{{\"a\":{},\"n\":1}}", long("a")));
    store.create(NewExecution::new("j").id("e").payload(payload)).unwrap();
    store.reopen_with(Store::builder().set_max_payload(100));
    merge(&store, r#"{"n":2}"#);
    update(&store, Update::new().message("m")).unwrap();
    let grown = update(&store, Update::new().merge_payload(json(r#"{"n":33}"#)));
    assert!(matches!(grown, Err(Error::Input(InputError::TooLarge { what: "payload", .. }))));
    merge(&store, r#"{"a":null}"#);
}
