//! Ids computed from what an execution is: the test vectors, what is refused, creating once.

use std::collections::BTreeMap;

use execstore::attachments::NewAttachment;
use execstore::error::{InputError, ReadError};
use execstore::identity::Identity;
use execstore::redb::{ReadableDatabase, TableDefinition};
use execstore::{ExecutionId, Json, NewExecution, Query, Readable};
use serde::Deserialize;
use support::TestStore;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

#[derive(Deserialize)]
struct Parts {
    job: String,
    task: String,
    parent: Option<String>,
    labels: BTreeMap<String, String>,
    inputs: String,
}

fn identity(inputs: &str) -> Identity {
    Identity::new("job", "task").inputs(Json::from_text(inputs).unwrap())
}

#[test]
fn the_vectors_of_the_document_hold() {
    let document = include_str!("../../docs/identity.md");
    let vectors: Vec<_> =
        document.split("```text\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(vectors.len() >= 8);
    let mut ids = Vec::new();
    for vector in vectors {
        let [parts, canonical, id] = vector.split('\n').collect::<Vec<_>>()[..] else { panic!("{vector}") };
        let parts: Parts = serde_json::from_str(parts).unwrap();
        let mut identity = Identity::new(parts.job.as_str(), parts.task.as_str())
            .inputs(Json::from_text(&parts.inputs).unwrap());
        if let Some(parent) = &parts.parent {
            identity = identity.parent(parent.as_str());
        }
        for (key, value) in &parts.labels {
            identity = identity.label(key.as_str(), value.as_str());
        }
        assert_eq!(identity.document().unwrap().as_str(), canonical);
        assert_eq!(identity.id().unwrap(), id);
        ids.push(id);
    }
    // Those that differ in spelling alone are one, all others are different.
    assert_eq!(ids[1], ids[2]);
    ids.dedup();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn every_part_counts() {
    let base = || Identity::new("job", "task").label("a", "b").inputs(Json::from_text("[1]").unwrap());
    let other = [
        Identity::new("job2", "task").label("a", "b").inputs(Json::from_text("[1]").unwrap()),
        Identity::new("job", "task2").label("a", "b").inputs(Json::from_text("[1]").unwrap()),
        base().label("a", "c"),
        base().label("c", "b"),
        base().parent("p"),
        base().inputs(Json::from_text("[2]").unwrap()),
        base().inputs(Json::from_text("[\"1\"]").unwrap()),
    ];
    for (n, one) in other.iter().enumerate() {
        assert_ne!(*one, base());
        assert!(other.iter().skip(n + 1).all(|two| one != two));
    }
    assert_eq!(base(), base());
}

#[test]
fn inputs_that_do_not_mean_the_same_everywhere_are_refused() {
    for (inputs, why) in [
        ("9007199254740992", "beyond 2^53 - 1"),
        ("-9007199254740992", "beyond 2^53 - 1"),
        ("[18446744073709551615]", "beyond 2^53 - 1"),
        ("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 1}}", "the key \"c\" is repeated"),
        ("{\"a\": 1, \"\\u0061\": 1}", "the key \"a\" is repeated"),
        ("1e400", "out of range"),
        ("[-1e-400]", "out of range"),
        ("\"\\ud800\"", "surrogate"),
    ] {
        let error = identity(inputs).id().unwrap_err();
        assert!(matches!(error, InputError::Invalid { what: "identity inputs", .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{inputs}: {error}");
        assert!(NewExecution::identified(&identity(inputs)).is_err());
    }
    assert!(identity("9007199254740991").id().is_ok());
    for inputs in ["1e16", "1e300", "-9007199254740993.0", "18446744073709551616"] {
        assert!(identity(inputs).id().unwrap_err().to_string().contains("beyond 2^53 - 1"), "{inputs}");
    }
    assert!(identity("[0.1, 1e-300, 9007199254740991.0]").id().is_ok());
    assert!(Identity::new("", "t").id().is_err());
}

const ATTACHMENTS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("execstore/attachments");

/// The key of an attachment's row: the execution's number is its place among those created.
fn key_of(store: &TestStore, id: &ExecutionId, key: &str) -> Vec<u8> {
    let r = store.begin_read().unwrap();
    let mut all = r.query(&Query::new().oldest_first()).rows().unwrap();
    let place = all.position(|found| found.unwrap().id == *id).unwrap() as u64 + 1;
    [&place.to_be_bytes(), key.as_bytes()].concat()
}

fn row(store: &TestStore, id: &ExecutionId, key: &str) -> Vec<u8> {
    let table = store.share_database().begin_read().unwrap().open_table(ATTACHMENTS).unwrap();
    table.get(&*key_of(store, id, key)).unwrap().unwrap().value().to_vec()
}

/// Puts a row under a key, its checksum put right.
fn put_row(store: &TestStore, id: &ExecutionId, key: &str, row: &[u8]) {
    let key = key_of(store, id, key);
    let sum = xxh3_64(&row[8..]) ^ xxh3_64_with_seed(&key, 17);
    let row = [&sum.to_le_bytes(), &row[8..]].concat();
    let txn = store.share_database().begin_write().unwrap();
    txn.open_table(ATTACHMENTS).unwrap().insert(&*key, &*row).unwrap();
    txn.commit().unwrap();
}

#[test]
fn an_identity_that_was_altered_is_damage() {
    let store = TestStore::new();
    // Larger than what its row holds.
    let large = identity(&format!("\"{}\"", "x".repeat(5_000)));
    for identity in [identity("1"), large] {
        let id = identity.id().unwrap();
        let new = NewExecution::identified(&identity).unwrap().label("more", "later");
        store.create(new).unwrap();
        assert_eq!(store.read(|r| Ok(r.verify_identity(&id)?)).unwrap().unwrap(), identity);
        let before = store.read(|r| Ok(r.attachments(&id).bytes("execstore/identity")?)).unwrap().unwrap();
        let before = String::from_utf8(before).unwrap();
        let sound = row(&store, &id, "execstore/identity");
        for (altered, why) in [
            (before.replace("\"task\"", "\"tusk\""), "tusk"),
            (before.replace(":\"task\"", ":\"other\""), "gives the id"),
            (before.replace("\"v\":1", "\"v\":1,\"w\":1"), "unknown field"),
            (before.replace("\"v\":1", "\"v\": 1"), "gives the id"),
            ("{".into(), "EOF"),
        ] {
            // As bytes whose checksums are right.
            store.put_attachment(&id, NewAttachment::bytes("altered", altered)).unwrap();
            let altered = row(&store, &id, "altered");
            put_row(&store, &id, "execstore/identity", &altered);
            let error = store.begin_read().unwrap().verify_identity(&id).unwrap_err();
            assert!(matches!(&error, ReadError::Damaged(_)) && error.to_string().contains(why), "{error}");
        }
        put_row(&store, &id, "execstore/identity", &sound);
        store.write(|w| Ok(w.delete_attachment(&id, "altered")?)).unwrap();
        assert!(store.read(|r| Ok(r.verify_identity(&id)?)).is_ok());
    }
    store.create(NewExecution::new("j").id("plain")).unwrap();
    assert_eq!(store.read(|r| Ok(r.verify_identity("plain")?)).unwrap(), None);
    assert_eq!(store.read(|r| Ok(r.verify_identity("nobody")?)).unwrap(), None);
}
