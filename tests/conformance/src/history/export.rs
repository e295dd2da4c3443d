//! Exports: a line for each execution, with everything that belongs to it, whatever is in it and whatever is damaged.

use std::collections::BTreeMap;

use execstore::attachments::{Attachment, AttachmentKind, NewAttachment};
use execstore::options::LargeValues;
use execstore::outputs::{Output, OutputCap, OutputPart};
use execstore::tasks::{Task, TaskUpdate};
use execstore::visits::Visits;
use execstore::{Error, Event, Execution, NewEvent, NewExecution, Query, Readable, Store, Timestamp, Update};
use serde_json::Value;
use support::json;

use crate::Engine;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

/// The lines, each as text and parsed.
pub fn lines(store: &Store, query: &Query) -> (Result<u64, Error>, Vec<(String, Value)>) {
    let mut out = Vec::new();
    let result = store.begin_read().unwrap().query(query).export(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines = text.lines().map(|line| (line.to_owned(), serde_json::from_str(line).expect(line)));
    (result, lines.collect())
}

fn exported(store: &Store, query: &Query) -> Vec<(String, Value)> {
    let (result, lines) = lines(store, query);
    assert_eq!(result.unwrap(), lines.len() as u64);
    lines
}

pub fn unbase64(text: &Value) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let text = text.as_str().unwrap();
    assert_eq!(text.len() % 4, 0);
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let digits = four.iter().take_while(|c| **c != b'=').count();
        let bits =
            four.iter().fold(0_u32, |bits, c| bits << 6 | u32::from(if *c == b'=' { 0 } else { digit(*c) }));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..digits]);
    }
    bytes
}

pub fn one_record_is_one_line(engine: &dyn Engine) {
    let store = engine.store();
    let payload = "{\n  \"n\": 1.50,\r\n\t\"big\": 1700000000123456789012,\n  \"s\": \"a\\nb\\ud800\",\n  \"\\u0061\": [\n1,\n2\n]\n}";
    let event = NewEvent::new("t").message("two\nlines").details(json("{\n\"a\":\n1}"));
    store.create(new("a").payload(json(payload)).event(event)).unwrap();
    store.put_task("a", TaskUpdate::finished("n\n").value(json("[\n1e400]"))).unwrap();
    store.create(new("b").payload(json("[1,\n2]"))).unwrap();
    let mut out = Vec::new();
    let r = store.begin_read().unwrap();
    assert_eq!(r.query(&Query::new().oldest_first()).export(&mut out).unwrap(), 2);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), text.contains('\r')), (2, false));
    // Numbers, keys and texts as they are spelt, and the white space but for the breaks.
    assert!(
        lines[0].contains(&format!("\"payload\":{}", payload.replace(['\n', '\r'], " "))),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains(r#""details":{ "a": 1}"#) && lines[0].contains(r#""value":[ 1e400]"#));
    assert!(lines[1].contains(r#""payload":[1, 2],"#));
}

pub fn a_line_has_everything_that_belongs_to_an_execution(engine: &dyn Engine) {
    let store = engine.ticking();
    let named = |n: usize| NewExecution::new("j").id(format!("e{n}")).label("n", n.to_string());
    store.create(named(0)).unwrap();
    store.create(named(1).parent("e0").payload(json("{\"p\":1}")).event(NewEvent::new("t"))).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    store.put_attachment("e1", NewAttachment::bytes("big", bytes.clone())).unwrap();
    for len in 0..5 {
        store.put_attachment("e1", NewAttachment::bytes(format!("b{len}"), &bytes[..len])).unwrap();
    }
    let document = format!("{{\n\"é\":\"{}\\n\"}}", "é\u{1f600}".repeat(40_000));
    store.put_attachment("e1", NewAttachment::json("doc", json(&document))).unwrap();
    store.put_attachment("e1", NewAttachment::uri("u", "s3://x/\"y\"").size(u64::MAX)).unwrap();
    store.append_output("e1", "all", &*bytes).unwrap();
    store.cap_output("e1", "ends", OutputCap::Both { head: 70_001, tail: 50_002 }).unwrap();
    store.append_output("e1", "ends", &*bytes).unwrap();
    store.cap_output("e1", "none", OutputCap::Head(0)).unwrap();
    store.append_output("e1", "none", b"x").unwrap();
    store.put_task("e1", TaskUpdate::started("load")).unwrap();
    store.put_task("e1", TaskUpdate::failed("load", "why")).unwrap();
    store.put_task("e1", TaskUpdate::skipped("sum").value(json("null"))).unwrap();
    let visits = store.track_visits();
    (0..3).for_each(|_| visits.visit("e1"));
    visits.flush().unwrap();

    let lines = exported(&store, &Query::new().oldest_first());
    for key in ["attachments", "outputs", "tasks", "visits", "damaged"] {
        assert_eq!(lines[0].1.get(key), None, "an execution with nothing beside it has nothing of it");
    }
    let line = &lines[1].1;
    assert_eq!((&line["id"], &line["parent"], &line["revision"]), (&"e1".into(), &"e0".into(), &1.into()));
    assert_eq!(line["events"].as_array().unwrap().len(), 1);
    let attachments: BTreeMap<&str, &Value> =
        line["attachments"].as_array().unwrap().iter().map(|a| (a["key"].as_str().unwrap(), a)).collect();
    assert_eq!(attachments.len(), 8);
    assert_eq!(unbase64(&attachments["big"]["base64"]), bytes);
    for len in 0..5 {
        assert_eq!(unbase64(&attachments[&*format!("b{len}")]["base64"]), &bytes[..len]);
    }
    assert_eq!(
        (&attachments["doc"]["text"], &attachments["doc"]["kind"]),
        (&document.into(), &"json".into())
    );
    let uri = attachments["u"];
    assert_eq!((&uri["text"], &uri["size"]), (&"s3://x/\"y\"".into(), &u64::MAX.to_string().into()));
    let r = store.begin_read().unwrap();
    for (key, attachment) in &attachments {
        let time: Timestamp = serde_json::from_value(attachment["modified_at"].clone()).unwrap();
        assert_eq!(time, r.attachments("e1").get(key).unwrap().unwrap().modified_at);
    }
    let outputs = line["outputs"].as_array().unwrap();
    assert_eq!(unbase64(&outputs[0]["parts"][0]["base64"]), bytes);
    let ends = &outputs[1];
    assert_eq!(
        (&ends["length"], &ends["head"], &ends["tail"]),
        (&200_000.into(), &70_001.into(), &50_002.into())
    );
    assert_eq!(unbase64(&ends["parts"][0]["base64"]), &bytes[..70_001]);
    assert_eq!(ends["parts"][1]["offset"], 149_998);
    assert_eq!(unbase64(&ends["parts"][1]["base64"]), &bytes[149_998..]);
    assert_eq!(outputs[2]["parts"], Value::Array(vec![]));
    let nodes = line["tasks"].as_array().unwrap();
    assert_eq!(
        (&nodes[0]["name"], &nodes[0]["state"], &nodes[0]["error"]),
        (&"load".into(), &"failed".into(), &"why".into())
    );
    assert_eq!((&nodes[1]["name"], nodes[1].get("value")), (&"sum".into(), Some(&Value::Null)));
    assert_eq!(line["visits"]["count"], 3);
    for time in [
        &line["created_at"],
        &line["modified_at"],
        &line["events"][0]["time"],
        &nodes[0]["ended_at"],
        &line["visits"]["last"],
        &ends["modified_at"],
    ] {
        time.as_str().unwrap().parse::<Timestamp>().unwrap();
    }
}

/// The recipe of the guide, with values that were moved: nothing of what is deleted is lost.
pub fn what_is_archived_and_deleted_is_in_the_archive(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_large_values(LargeValues::Attach(1_000)));
    let result = |n: usize| format!("[\"result {n}\",\n\"{}\"]", "x".repeat(2_000 + 1_000 * n));
    for n in 0..100 {
        let payload = json(&format!("{{\"n\":{n},\"result\":{}}}", result(n)));
        store.create(new(&format!("e{n}")).payload(payload)).unwrap();
    }
    let old = Query::new().created(..=Timestamp::now()).oldest_first();
    let lines = exported(&store, &old);
    let report = store.bulk(old).delete().unwrap();
    assert_eq!((lines.len(), report.changed), (100, 100));
    for (n, (_, line)) in lines.iter().enumerate() {
        let mark = &line["payload"]["result"];
        let moved =
            line["attachments"].as_array().unwrap().iter().find(|a| a["key"] == mark["$attachment"]).unwrap();
        assert_eq!(moved["text"], result(n));
        assert_eq!((&moved["size"], &moved["sha256"]), (&mark["bytes"], &mark["sha256"]));
    }
}

pub fn a_writer_exports_what_it_wrote(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            w.create(new("e"))?;
            w.put_attachment("e", NewAttachment::bytes("k", "value"))?;
            w.update("e", Update::new().message("m"))?;
            let mut out = Vec::new();
            assert_eq!(w.query(&Query::new()).export(&mut out).unwrap(), 1);
            let line: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(
                (&line["message"], &line["attachments"][0]["base64"]),
                (&"m".into(), &"dmFsdWU=".into())
            );
            Ok(())
        })
        .unwrap();
}

/// What stands beside the members of a record, as the types that it was written from.
#[derive(serde::Deserialize)]
struct Line {
    events: Vec<Event>,
    attachments: Vec<Attachment>,
    outputs: Vec<Output>,
    tasks: Vec<Task>,
    visits: Visits,
}

/// A value's own JSON, open for more members.
fn opened(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap().strip_suffix('}').unwrap().to_owned()
}

pub fn what_a_line_has_reads_back_as_what_it_was(engine: &dyn Engine) {
    let store = engine.ticking();
    let json_text = |value: &Value| serde_json::to_string(value).unwrap();
    let seen = Visits::new(2, Timestamp::from_nanos(5));
    for (id, state) in [("pending", "New"), ("live", "BidAccepted"), ("ended", "Running")] {
        let new = new(id).state(state).name("n").node_id("m").message("why").label("a", "1").attempt(3);
        let new = new.parent("p").previous("q").preview("short").payload(json("{\"p\":1.50}"));
        store
            .create(new.event(NewEvent::new("t").details(json("{\"n\":1.50}"))).event(NewEvent::new("u")))
            .unwrap();
        store.put_attachment(id, NewAttachment::bytes("b", "bytes")).unwrap();
        store.put_attachment(id, NewAttachment::json("j", json("[\"\u{e9}\\n\"]"))).unwrap();
        store.put_attachment(id, NewAttachment::uri("u", "s3://x").size(9)).unwrap();
        store.append_output(id, "all", b"everything").unwrap();
        store.cap_output(id, "ends", OutputCap::Both { head: 3, tail: 2 }).unwrap();
        store.append_output(id, "ends", b"0123456789").unwrap();
        store.put_task(id, TaskUpdate::started("load")).unwrap();
        store.put_task(id, TaskUpdate::finished("sum").value(json("[2]"))).unwrap();
        store.add_visits(id, seen).unwrap();
    }
    store.update("ended", Update::to("Completed").reported_at(Timestamp::from_nanos(7))).unwrap();

    let lines = exported(&store, &Query::new());
    assert_eq!(lines.len(), 3);
    let r = store.begin_read().unwrap();
    for (text, value) in &lines {
        let execution: Execution = serde_json::from_str(text).unwrap();
        let line: Line = serde_json::from_str(text).unwrap();
        // Once more, from the values alone.
        let attachments = line.attachments.iter().zip(value["attachments"].as_array().unwrap());
        let attachments = attachments.map(|(attachment, member)| {
            let name = if attachment.kind == AttachmentKind::Bytes { "base64" } else { "text" };
            format!("{},\"{name}\":{}}}", opened(attachment), json_text(&member[name]))
        });
        let outputs =
            line.outputs.iter().zip(value["outputs"].as_array().unwrap()).map(|(output, member)| {
                let parts: Vec<OutputPart> = serde_json::from_value(member["parts"].clone()).unwrap();
                format!("{},\"parts\":{}}}", opened(output), serde_json::to_string(&parts).unwrap())
            });
        let again = format!(
            "{},\"events\":{},\"attachments\":[{}],\"outputs\":[{}],\"tasks\":{},\"visits\":{}}}",
            opened(&execution),
            serde_json::to_string(&line.events).unwrap(),
            attachments.collect::<Vec<_>>().join(","),
            outputs.collect::<Vec<_>>().join(","),
            serde_json::to_string(&line.tasks).unwrap(),
            serde_json::to_string(&line.visits).unwrap(),
        );
        assert_eq!(&again, text);

        // And they are what the store has.
        let known = r.get(&execution.id).unwrap().unwrap();
        assert_eq!(execution.payload_json(), known.payload_json());
        let mut header = known.into_header();
        header.incarnation = execution.incarnation;
        assert_eq!(execution.header(), &header);
        assert_eq!(execution.state.phase(), header.state.phase());
        let id = &header.id;
        assert_eq!(line.events, r.events(id, ..).unwrap().map(Result::unwrap).collect::<Vec<_>>());
        let attachments = r.attachments(id).list().unwrap().map(|row| {
            let mut attachment = row.unwrap();
            attachment.version = 0;
            attachment
        });
        assert_eq!(line.attachments, attachments.collect::<Vec<_>>());
        assert_eq!(line.outputs, r.outputs(id).list().unwrap().map(Result::unwrap).collect::<Vec<_>>());
        assert_eq!(line.outputs[1].dropped(), Some(3..8));
        assert_eq!(line.tasks, r.tasks(id).list().unwrap().map(Result::unwrap).collect::<Vec<_>>());
        assert_eq!(Some(line.visits), r.visits(id).unwrap());
    }
}
