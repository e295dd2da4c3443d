//! JSON that no store writes is refused, with what was expected and found, and nothing is read from it that the store would refuse.

use std::fmt::Debug;

use execstore::attachments::{Attachment, AttachmentIs, NewAttachment};
use execstore::identity::Identity;
use execstore::integrity::{ChainHead, VerifyReport};
use execstore::lifecycle::{Lifecycle, State};
use execstore::options::{GroupCommitOptions, LogRetention};
use execstore::outputs::{Output, OutputPart};
use execstore::query::{Cursor, Group};
use execstore::tasks::{Task, TaskUpdate};
use execstore::{
    Change, ChangeSeq, Event, ExecutionId, Expect, Filter, Header, Json, NewEvent, NewExecution, Query,
    Receipt, Timestamp, Update,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn refuse<T: DeserializeOwned + Debug>(text: &str, why: &str) {
    let error = serde_json::from_str::<T>(text).expect_err(text).to_string();
    assert!(error.contains(why), "{error}, for {text}");
    // However it comes.
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        serde_json::from_value::<T>(value).expect_err(text);
    }
}

fn header() -> Value {
    json!({
        "id": "e", "job_id": "j", "namespace": "default", "state": "Running", "phase": "live", "desired": "running",
        "revision": 1, "created_at": "2026-01-02T03:04:05Z", "modified_at": "2026-01-02T03:04:05Z",
    })
}

fn with(mut value: Value, member: &str, other: Value) -> String {
    match other {
        Value::Null => drop(value.as_object_mut().unwrap().remove(member)),
        other => value[member] = other,
    }
    value.to_string()
}

#[test]
fn headers_keep_their_limits() {
    serde_json::from_value::<Header>(header()).unwrap();
    let long = |many: usize| json!("x".repeat(many));
    let labels =
        |many: usize| (0..many).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>();
    for (member, other, why) in [
        ("id", json!(""), "invalid execution id: it is empty"),
        ("id", json!("a\nb"), "control character"),
        ("id", json!(7), "invalid type: integer `7`"),
        ("id", long(129), "129 is more than the maximum of 128"),
        ("job_id", json!(" j"), "white space"),
        ("parent", json!("p "), "white space"),
        ("namespace", long(257), "namespace"),
        ("message", long(64 * 1024 + 1), "message"),
        ("labels", json!(labels(65)), "number of labels"),
        ("labels", json!({"k": "v".repeat(257)}), "label value"),
        ("labels", json!({"k": 1}), "expected a text"),
        ("state", json!(""), "state name"),
        ("state", long(65), "state name"),
        ("phase", Value::Null, "the phase of the state \"Running\" is missing"),
        ("phase", json!("terminal"), "is terminal, and it lacks an end"),
        ("phase", json!("alive"), "unknown variant `alive`, expected one of `pending`, `live`, `terminal`"),
        ("completed_at", json!("2026-01-02T03:04:05Z"), "is live, and it has an end"),
        ("desired", json!("Running"), "unknown variant `Running`"),
        ("revision", json!(-1), "expected a number from 0 to 2^64 - 1"),
        ("revision", json!(1.5), "expected a number from 0 to 2^64 - 1"),
        ("revision", json!("18446744073709551616"), "expected a number from 0 to 2^64 - 1"),
        ("revision", json!("0x1"), "expected a number from 0 to 2^64 - 1"),
        ("revision", Value::Null, "missing field `revision`"),
        ("event_count", json!([]), "expected a number"),
        ("created_at", json!(1_767_323_045), "invalid type: integer"),
        ("created_at", json!("yesterday"), "RFC 3339"),
        ("created_at", json!("2300-01-01T00:00:00Z"), "64 bits of nanoseconds"),
        ("created_at", json!("2026-02-30T00:00:00Z"), "there is no such time"),
    ] {
        refuse::<Header>(&with(header(), member, other), why);
    }
    // Unlike in an object of JavaScript, no member is there twice.
    let twice = header().to_string().replacen("\"id\":\"e\"", "\"id\":\"e\",\"id\":\"f\"", 1);
    assert!(serde_json::from_str::<Header>(&twice).unwrap_err().to_string().contains("duplicate field `id`"));
    for bad in ["", "null", "[]", "1", "\"e\"", "{", "{}"] {
        assert!(serde_json::from_str::<Header>(bad).is_err(), "{bad}");
    }
    // An end says the phase as well.
    let ended = with(header(), "phase", Value::Null)
        .replace("\"id\"", "\"completed_at\":\"2026-01-02T03:04:05Z\",\"id\"");
    assert!(serde_json::from_str::<Header>(&ended).unwrap().state.is_terminal());
}

#[test]
fn changes_are_whole() {
    let other =
        |member: &str, value: Value| serde_json::from_str::<Value>(&with(header(), member, value)).unwrap();
    let change = |kind: &str, more: Value| {
        let mut change =
            json!({"seq": 5, "time": "2026-01-02T03:04:05Z", "kind": kind, "payload_version": 1});
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        change.to_string()
    };
    let row = |value: Option<&str>, was_there: bool| match value {
        Some(value) => json!({"key_base64": "aw==", "value_base64": value, "was_there": was_there}),
        None => json!({"key_base64": "aw==", "was_there": was_there}),
    };
    serde_json::from_str::<Change>(&change("created", json!({"after": header()}))).unwrap();
    for (kind, more, why) in [
        ("created", json!({}), "a creation has `after`"),
        ("created", json!({"before": header(), "after": header()}), "a creation has `after`"),
        ("updated", json!({"after": header()}), "it needs `before` and `after`"),
        ("events_appended", json!({"before": header()}), "it needs `before` and `after`"),
        ("deleted", json!({"after": header()}), "a deletion has `before`"),
        ("renamed", json!({"after": header()}), "unknown variant `renamed`"),
        ("updated", json!({"before": header(), "after": other("id", json!("f"))}), "another execution"),
        ("updated", json!({"before": header(), "after": other("job_id", json!("f"))}), "another execution"),
        (
            "updated",
            json!({"before": header(), "after": other("incarnation", json!(2))}),
            "another execution",
        ),
        // Its events would begin before the first.
        ("created", json!({"after": header(), "new_events": 1}), "1 of 0 events are new"),
        ("created", json!({"after": header(), "new_events": "18446744073709551615"}), "of 0 events are new"),
        ("created", json!({"after": header(), "follows": 5}), "it is number 5, and follows 5"),
        ("created", json!({"after": header(), "bucket": ["b"]}), "about an execution, and about a bucket"),
        ("row_put", json!({"bucket": ["b"], "row": row(Some("dg=="), true)}), "about a bucket, and about an"),
        ("created", json!({"after": header(), "link": {"previous": "00", "content": "00"}}), "64 lower-case"),
    ] {
        refuse::<Change>(&change(kind, more), why);
    }
    let without = json!({"seq": 5, "time": "2026-01-02T03:04:05Z", "kind": "created", "after": header()});
    refuse::<Change>(&without.to_string(), "missing field `payload_version`");
    let of_bucket = |kind: &str, bucket: Value, row: Value| {
        let change =
            json!({"seq": 5, "time": "2026-01-02T03:04:05Z", "kind": kind, "bucket": bucket, "row": row});
        change.to_string()
    };
    let good = of_bucket("row_put", json!(["b"]), row(Some("dg=="), true));
    serde_json::from_str::<Change>(&good).unwrap();
    for (kind, bucket, row, why) in [
        ("row_put", json!([]), row(Some("dg=="), true), "a bucket that is not named"),
        ("row_put", json!([""]), row(Some("dg=="), true), "invalid bucket name"),
        ("row_put", json!(["b"]), row(None, true), "what is put has a `row` with a value"),
        ("row_put", json!(["b"]), Value::Null, "what is put has a `row` with a value"),
        ("row_put", json!(["b"]), row(Some("dg="), true), "bytes as base64"),
        ("row_deleted", json!(["b"]), row(Some("dg=="), true), "what is deleted has a `row`"),
        ("row_deleted", json!(["b"]), row(None, false), "what is deleted has a `row`"),
        ("bucket_deleted", json!(["b"]), row(None, true), "the deletion of a bucket has no `row`"),
    ] {
        refuse::<Change>(&of_bucket(kind, bucket, row), why);
    }
}

#[test]
fn what_belongs_to_an_execution_keeps_its_limits() {
    let at = "2026-01-02T03:04:05Z";
    let output = |more: Value| {
        let mut output = json!({"name": "o", "length": 100, "modified_at": at});
        output.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        output.to_string()
    };
    for (more, why) in [
        (json!({"name": ""}), "output name"),
        (json!({"head": 10, "tail": 10}), "what is dropped of 100 bytes is missing"),
        (json!({"dropped": {"from": 10, "to": 101}}), "cannot be right"),
        (json!({"dropped": {"from": 10, "to": 10}}), "cannot be right"),
        (json!({"dropped": {"from": 90, "to": 10}}), "cannot be right"),
        (json!({"head": 10, "tail": 10, "dropped": {"from": 20, "to": 30}}), "cannot be right"),
    ] {
        refuse::<Output>(&output(more), why);
    }
    for (part, why) in [
        (json!({"offset": u64::MAX.to_string(), "base64": "Zg=="}), "part of an output"),
        (json!({"offset": 1, "dropped": 2, "base64": ""}), "part of an output"),
        (json!({"offset": 1, "base64": "Zg"}), "expected bytes as base64"),
        (json!({"offset": 1, "base64": [1]}), "expected bytes as base64"),
    ] {
        refuse::<OutputPart>(&part.to_string(), why);
    }
    let task = |state: &str, more: Value| {
        let mut task = json!({"name": "t", "state": state, "attempts": 1, "started_at": at});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task.to_string()
    };
    refuse::<Task>(&task("running", json!({"ended_at": at})), "one that is running has an end");
    refuse::<Task>(&task("finished", json!({})), "one that is finished has none");
    refuse::<Task>(&task("running", json!({"name": ""})), "task name");
    refuse::<Task>(&task("running", json!({"error": "x".repeat(70_000)})), "task error");
    let update = |value: Value| value.to_string();
    refuse::<TaskUpdate>(&update(json!({"name": "t", "state": "failed"})), "a task that failed has one");
    refuse::<TaskUpdate>(
        &update(json!({"name": "t", "state": "running", "error": "e"})),
        "a task that failed has one",
    );
    let attachment = |kind: &str, key: &str| {
        json!({"key": key, "kind": kind, "content_type": "", "size": 1, "modified_at": at}).to_string()
    };
    serde_json::from_str::<Attachment>(&attachment("uri", "k")).unwrap();
    refuse::<Attachment>(&attachment("uri", ""), "attachment key");
    refuse::<Attachment>(&attachment("URI", "k"), "unknown variant `URI`");
    for (new, why) in [
        (json!({"kind": "bytes", "text": "x"}), "bytes have a member `base64`"),
        (json!({"kind": "bytes"}), "bytes have a member `base64`"),
        (json!({"kind": "json", "base64": ""}), "a document and a URI have a member `text`"),
        (json!({"kind": "json", "text": "{"}), "EOF"),
        (json!({"kind": "json", "text": ""}), "EOF"),
        (json!({"kind": "uri", "text": "x".repeat(9_000)}), "URI"),
        (json!({"kind": "bytes", "base64": "", "text": ""}), "bytes have a member `base64`"),
    ] {
        let mut new = new;
        new.as_object_mut()
            .unwrap()
            .extend(json!({"key": "k", "content_type": ""}).as_object().unwrap().clone());
        refuse::<NewAttachment>(&new.to_string(), why);
    }
    let event =
        |details: Value| json!({"seq": 1, "topic": "t", "message": "", "time": at, "details": details});
    refuse::<Event>(&event(json!([])).to_string(), "not a JSON object");
    refuse::<Event>(&event(json!({"x": "y".repeat(1 << 20)})).to_string(), "event");
}

#[test]
fn requests_are_not_widened() {
    for (query, why) in [
        (json!({"jobs": ["j"]}), "unknown field `jobs`"),
        (json!({"job": null}), "invalid type: null, expected a text"),
        (json!({"states": null}), "invalid type: null"),
        (json!({"created": {"since": "2026-01-02T03:04:05Z"}}), "unknown field `since`"),
        (json!({"created": {"from": null}}), "invalid type: null"),
        (json!({"labels": [{"key": "k", "value": "v"}]}), "unknown field `value`"),
        (json!({"labels": [{"key": "k", "values": null}]}), "invalid type: null"),
        (
            json!({"labels": [{"key": "k", "values": ["a"]}, {"key": "k", "values": ["b"]}]}),
            "no execution has both",
        ),
        (json!({"node_ids": []}), "would be no condition"),
        (json!({"names": []}), "would be no condition"),
        (json!({"desired": []}), "would be no condition"),
        (json!({"contains": [{"name": "x"}]}), "unknown variant `name`"),
        (json!({"contains": [{"label": {"key": "k"}}]}), "missing field `text`"),
        (json!({"id": "a", "id_prefix": "b"}), "no execution has both"),
        (json!({"id": ""}), "it is empty"),
        (json!({"limit": 0}), "page limit"),
        (json!({"limit": -1}), "expected a number"),
        (json!({"phases": ["Live"]}), "unknown variant `Live`"),
        (json!({"order_by": "name"}), "unknown variant `name`"),
        (json!({"after": "3n00"}), "cursor"),
    ] {
        refuse::<Query>(&query.to_string(), why);
    }
    refuse::<Filter>("{\"matching\":[{\"jobs\":[]}]}", "unknown field `jobs`");
    refuse::<Filter>("{\"kinds\":[\"events appended\"]}", "unknown variant");
    for (expect, why) in [
        (json!({"state": "New"}), "unknown field `state`"),
        (json!({"states": ["New"]}), "invalid type"),
        (json!({"conditions": [{"label": {"key": "k"}}]}), "missing field `value`"),
        (json!({"conditions": [{"colour": 1}]}), "unknown variant `colour`"),
        (json!({"conditions": [{"attempt": 1, "event_count": 2}]}), "expected"),
        (json!({"conditions": [{"attachment": {"key": "", "is": "absent"}}]}), "attachment key"),
        (json!({"conditions": [{"attachment": {"key": "k", "is": {"md5": ""}}}]}), "unknown variant `md5`"),
    ] {
        refuse::<Expect>(&expect.to_string(), why);
    }
    refuse::<AttachmentIs>("{\"sha256\":\"E3B0\"}", "64 lower-case hexadecimal digits");
    for (update, why) in [
        (json!({"mesage": "m"}), "unknown field `mesage`"),
        (json!({"payload": 1, "merge_payload": 1}), "only one is possible"),
        (json!({"expect": {"revison": 1}}), "unknown field `revison`"),
        (json!({"expect": null}), "null"),
        (json!({"parent": ""}), "parent"),
        (json!({"labels": {"k": "v".repeat(257)}}), "label value"),
    ] {
        refuse::<Update>(&update.to_string(), why);
    }
    for (new, why) in [
        (json!({}), "missing field `job_id`"),
        (json!({"job_id": ""}), "job id"),
        (json!({"job_id": "j", "id": "\u{0}"}), "control character"),
        (json!({"job_id": "j", "revision": 1}), "unknown field `revision`"),
        (json!({"job_id": "j", "events": [{"topic": "t", "details": []}]}), "not a JSON object"),
        (json!({"job_id": "j", "events": [{"topic": "t", "seq": 1}]}), "unknown field `seq`"),
        (
            json!({"job_id": "j", "id": "e", "identity": {"v": 1, "job": "j", "task": ""}}),
            "not that of the identity",
        ),
    ] {
        refuse::<NewExecution>(&new.to_string(), why);
    }
    refuse::<NewEvent>("{\"topic\":\"t\",\"details\":null}", "not a JSON object");
    refuse::<Identity>("{\"v\":2,\"job\":\"j\",\"task\":\"t\"}", "of version 2, and 1 is known");
    let twice = "{\"v\":1,\"job\":\"j\",\"task\":\"t\",\"inputs\":{\"a\":1,\"a\":2}}";
    let error = serde_json::from_str::<Identity>(twice).unwrap_err().to_string();
    assert!(error.contains("identity inputs"), "{error}");
    refuse::<LogRetention>("{\"max_age\":1}", "unknown field `max_age`");
    refuse::<LogRetention>("{\"max_age_ns\":\"1s\"}", "expected nanoseconds");
    refuse::<LogRetention>(
        "{\"max_age_ns\":\"340282366920938463463374607431768211455\"}",
        "expected nanoseconds",
    );
    refuse::<GroupCommitOptions>("{\"max_members\":0}", "at least 1");
}

#[test]
fn the_rest_keeps_its_rules() {
    refuse::<Lifecycle>("{\"states\":[]}", "no state is pending or live");
    refuse::<Lifecycle>(
        "{\"states\":[{\"name\":\"A\",\"phase\":\"live\",\"successors\":[\"B\"]}]}",
        "not declared",
    );
    let twice = "{\"states\":[{\"name\":\"A\",\"phase\":\"live\"},{\"name\":\"A\",\"phase\":\"live\"}]}";
    refuse::<Lifecycle>(twice, "declared twice");
    let many: Vec<Value> = (0..251).map(|n| json!({"name": n.to_string(), "phase": "live"})).collect();
    refuse::<Lifecycle>(&json!({"states": many}).to_string(), "251 states");
    refuse::<State>("{\"name\":\"\",\"phase\":\"live\"}", "state name");
    refuse::<Group>("{\"value\":\"j\",\"total\":2,\"states\":[]}", "do not add up to 2");
    let most = u64::MAX.to_string();
    let beyond = json!({"value": "j", "total": 1, "states": [
        {"name": "A", "phase": "live", "count": most}, {"name": "B", "phase": "live", "count": 2}]});
    refuse::<Group>(&beyond.to_string(), "do not add up to 1");
    refuse::<ChainHead>("{\"seq\":1,\"hash\":\"\"}", "64 lower-case hexadecimal digits");
    refuse::<Cursor>("\"1n\"", "earlier release");
    refuse::<Receipt>("{\"store_id\":\"x\",\"first\":1,\"head\":1}", "no UUID");
    refuse::<Receipt>(
        "{\"store_id\":\"67e55044-10b1-426f-9247-bb680e5fe0c8\",\"first\":0,\"head\":1}",
        "no change 0",
    );
    refuse::<ExecutionId>("\"\"", "it is empty");
    refuse::<Timestamp>("0", "invalid type");
    refuse::<ChangeSeq>("\"\"", "expected a number");
    // One that lists a problem and counts none is not clean.
    let report = json!({"executions": 0, "events": 0, "changes": 0, "payloads": 0, "checkpoints": 0, "attachments": 0,
        "outputs": 0, "tasks": 0, "buckets": 0, "bucket_rows": 0, "waiting": 0, "problems": [{"table": "t", "what": "w"}], "problem_count": 0});
    assert!(!serde_json::from_value::<VerifyReport>(report).unwrap().is_clean());
}

/// What cannot be written says so, where it would otherwise be read as something else.
#[test]
fn contradictions_are_not_written() {
    for query in [
        Query::new().job("a").job("b"),
        Query::new().id("a").id_prefix("a"),
        Query::new().parent("a").parent("b"),
    ] {
        let error = serde_json::to_string(&query).unwrap_err().to_string();
        assert!(error.contains("no execution has both"), "{error}");
    }
    let error = serde_json::to_string(&Expect::new().revision(1).revision(2)).unwrap_err().to_string();
    assert!(error.contains("no execution has both"), "{error}");
    for share in [f64::NAN, f64::INFINITY] {
        let sampling = execstore::sampling::Sampling::share(0.5).source("x", share);
        assert!(serde_json::to_string(&sampling).unwrap_err().to_string().contains("no number in JSON"));
    }
}

/// Whatever becomes of a text on its way: never a panic, and what is read is written as something that reads the same.
#[test]
fn damaged_texts_are_no_panic() {
    fn try_read<T: DeserializeOwned + serde::Serialize>(text: &str) {
        if let Ok(value) = serde_json::from_str::<T>(text)
            && let Ok(written) = serde_json::to_string(&value)
        {
            let again: T =
                serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
            assert_eq!(serde_json::to_string(&again).unwrap(), written);
        }
    }
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap();
    for block in document.split("```json ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let text = rest.split("```").next().unwrap();
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            let others = ["", "0", "-1", "null", "\"", "}", "{}", "[]", "\\"];
            for other in others.into_iter().cycle().skip(at % 9).take(2) {
                let broken = format!("{}{other}{}", &text[..at], &text[(at + 1).min(text.len())..]);
                match name {
                    "Header" => try_read::<Header>(&broken),
                    "Change" => try_read::<Change>(&broken),
                    "Query" => try_read::<Query>(&broken),
                    "Filter" => try_read::<Filter>(&broken),
                    "Expect" => try_read::<Expect>(&broken),
                    "Update" => try_read::<Update>(&broken),
                    "NewExecution" => try_read::<NewExecution>(&broken),
                    "Output" => try_read::<Output>(&broken),
                    "OutputPart" => try_read::<OutputPart>(&broken),
                    "Task" => try_read::<Task>(&broken),
                    "Identity" => try_read::<Identity>(&broken),
                    "Lifecycle" => try_read::<Lifecycle>(&broken),
                    _ => try_read::<Json>(&broken),
                }
            }
        }
    }
}
