//! The operations of the model test, as small numbers that shrink well, and what they mean.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Debug;

use execstore::{
    ChangeSeq, Desired, Execution, Json, NewEvent, NewExecution, Readable, Timestamp, Update, WriteError,
    Writer,
};

use crate::model::{Amend, Apply, Model};
use crate::records::{Ev, Rec, STATES, Want};

/// What is written in a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    Create { id: u8, job: u8, state: u8, parts: u8, payload: u8, events: u8 },
    Update { id: u8, want: u8, state: u8, edits: u16, payload: u8, events: u8 },
    Append { id: u8, want: u8, events: u8 },
    Delete { id: u8, want: u8 },
    SetCheckpoint { name: u8, seq: u8 },
    DeleteCheckpoint { name: u8 },
    Trim { seq: u8 },
    Beside { id: u8, act: u8, name: u8, size: u8 },
}

fn payload(kind: u8) -> String {
    let filled = |bytes: usize| format!("{{\"a\":1,\"fill\":\"{}\"}}", "x".repeat(bytes - 17));
    match kind % 10 {
        0 => "null".into(),
        1 => "{\"a\":1}".into(),
        2 => "{\"a\":2,\"b\":{\"c\":1}}".into(),
        3 => filled(1023),
        4 => filled(1024),
        5 => filled(1025),
        6 | 7 => filled(5_000 + kind as usize),
        8 => "[1, 2]".into(),
        _ => filled(9_000),
    }
}

fn patch(kind: u8) -> &'static str {
    [
        "{\"a\":3}",
        "{\"a\":null,\"z\":[1]}",
        "{\"b\":{\"c\":null,\"d\":\"x\"}}",
        "{}",
        "7",
        "{\"fill\":\"short\"}",
    ][kind as usize % 6]
}

fn events(kind: u8) -> (Vec<Ev>, Vec<NewEvent>) {
    let count = [0, 0, 1, 1, 2, 3, 1, 0][kind as usize % 8];
    let evs: Vec<_> = (0..count)
        .map(|n| Ev {
            topic: format!("t{n}"),
            message: "m".repeat(n * 40),
            time: (n == 1).then_some(i64::from(kind) - 50),
            details: match (kind, n) {
                (6, _) => Some("[1]".into()),
                (_, 2) => Some("{\"k\": 1}".into()),
                _ => None,
            },
        })
        .collect();
    let new = evs.iter().map(|ev| {
        let mut new = NewEvent::new(&ev.topic).message(&ev.message);
        if let Some(time) = ev.time {
            new = new.at(Timestamp::from_nanos(time));
        }
        match &ev.details {
            Some(text) => new.details(Json::from_text(text).unwrap()),
            None => new,
        }
    });
    let new = new.collect();
    (evs, new)
}

fn state(n: u8) -> &'static str {
    STATES.get(n as usize).map_or("Nowhere", |row| row.0)
}

/// An id: of eight fixed ones, or of what is there.
fn pick(model: &Model, id: u8) -> String {
    match model.records.values().nth(id as usize % 8) {
        Some(rec) if id >= 8 => rec.id.clone(),
        _ => format!("e{}", id % 8),
    }
}

fn want(model: &Model, id: &str, kind: u8) -> Want {
    let (now, revision) = model.get(id).map_or(("New".into(), 1), |rec| (rec.state.clone(), rec.revision));
    let mut want = Want::default();
    match kind {
        8 => want.states = vec![now],
        9 => want.states = vec!["Running".into(), "New".into()],
        10 => want.not_states = vec!["Running".into()],
        11 => want.not_states = vec!["Completed".into(), "Nowhere".into()],
        12 => want.revision = Some(revision),
        13 => want.revision = Some(1),
        14 => (want.states, want.revision) = (vec![now], Some(revision)),
        15 => (want.not_states, want.revision) = (vec![now], Some(revision)),
        16 => want.event_count = model.get(id).map(|rec| rec.events),
        17 => (want.event_count, want.revision) = (Some(1), Some(revision)),
        18 => want.label = Some(("k".into(), Some("v".into()))),
        19 => want.label = Some(("l".into(), None)),
        20 => want.output = Some(("stdout".into(), 0)),
        21 => {
            let beside = model.number(id).and_then(|number| model.beside.get(&number));
            want.output = Some(("a".into(), beside.map_or(0, |beside| beside.output_length("a"))));
        }
        _ => {}
    }
    want
}

fn same<T: Debug + PartialEq>(
    what: &Op,
    found: Result<T, WriteError>,
    expected: Result<T, WriteError>,
) -> Option<T> {
    match (found, expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found, expected, "{what:?}");
            Some(found)
        }
        (found, expected) => {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{what:?}");
            None
        }
    }
}

/// Does an operation in the store and in the model, and compares what they give. Returns the ids it touched.
pub fn perform(w: &mut Writer<'_>, model: &mut Model, op: &Op, now: i64) -> Vec<String> {
    let rec = |result: Result<Execution, WriteError>| result.map(|execution| Rec::of(&execution));
    match op {
        Op::Create { id, job, state: first, parts, payload: kind, events: list } => {
            let (evs, new_events) = events(*list);
            let (new, expected) = creation(*id, *job, *first, *parts, *kind);
            let found = rec(w.create(new, &new_events));
            let expected = match &found {
                // An id that the store made up.
                Ok(made) if expected.id == "?" => {
                    assert!(made.id.len() == 36 && model.get(&made.id).is_none());
                    Rec { id: made.id.clone(), ..expected }
                }
                _ => expected,
            };
            let id = expected.id.clone();
            same(op, found, model.create(expected, &evs, now));
            vec![id]
        }
        Op::Update { id, want: kind, state: to, edits, payload, events: list } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let (evs, new_events) = events(*list);
            let (update, amend) = edit(*edits, *payload, (*to < 13).then(|| state(*to)));
            let mut found = rec(w.update(&id, &want.expect(), update, &new_events));
            let patched = amend.patch.is_some();
            let mut expected = model.update(&id, &want, amend, &evs, now);
            if patched && let (Ok(found), Ok(expected)) = (&mut found, &mut expected) {
                let value = |rec: &Rec| serde_json::from_str::<serde_json::Value>(&rec.payload).unwrap();
                assert_eq!(value(found), value(expected), "{op:?}");
                model.respell(&id, &found.payload);
                expected.payload = found.payload.clone();
            }
            same(op, found, expected);
            vec![id]
        }
        Op::Append { id, want: kind, events: list } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let (evs, new_events) = events(*list);
            let found = rec(w.append_events(&id, &want.expect(), &new_events));
            same(op, found, model.append(&id, &want, &evs, now));
            vec![id]
        }
        Op::Delete { id, want: kind } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let found = rec(w.delete(&id, &want.expect()));
            same(op, found, model.delete(&id, &want, now));
            vec![id]
        }
        Op::SetCheckpoint { name, seq } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            same(op, w.set_checkpoint(name, ChangeSeq(seq)), model.set_checkpoint(name, seq));
            assert_eq!(w.checkpoint(name).unwrap().map(ChangeSeq::get), model.checkpoints.get(name).copied());
            vec![]
        }
        Op::DeleteCheckpoint { name } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            same(op, w.delete_checkpoint(name), Ok(model.delete_checkpoint(name)));
            vec![]
        }
        Op::Beside { id, act, name, size } => {
            let id = pick(model, *id);
            crate::besides::act(w, model, &id, *act, *name, *size, now);
            vec![id]
        }
        Op::Trim { seq } => {
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            same(op, w.trim_changes(ChangeSeq(seq)), Ok(model.trim(seq)));
            vec![]
        }
    }
}

fn creation(id: u8, job: u8, first: u8, parts: u8, kind: u8) -> (NewExecution, Rec) {
    let bit = |bit: u8| parts & (1 << bit) != 0;
    let id = match id {
        0..8 => format!("e{id}"),
        8 => String::new(),
        9 => " x".into(),
        _ => "?".into(),
    };
    let job = ["j0", "j1", "j", "j2", ""][job as usize % 5];
    let text = payload(kind);
    let mut new = NewExecution::new(job).payload(Json::from_text(&text).unwrap());
    let mut rec = Rec {
        id: id.clone(),
        job: job.into(),
        namespace: "default".into(),
        name: None,
        node_id: None,
        state: "New".into(),
        message: None,
        desired: Desired::Pending,
        parent: None,
        previous: None,
        labels: Default::default(),
        preview: None,
        revision: 1,
        created: 0,
        modified: 0,
        completed: None,
        events: 0,
        payload: text.into(),
        targets: Default::default(),
    };
    if id != "?" {
        new = new.id(&id);
    }
    if first < 13 {
        new = new.state(state(first));
        rec.state = state(first).into();
    }
    if bit(0) {
        let namespace = if parts & 4 == 0 { "tenant" } else { "another" };
        new = new.namespace(namespace).name("n");
        (rec.namespace, rec.name) = (namespace.into(), Some("n".into()));
    }
    if bit(1) {
        new = new.node_id("node").message("created");
        (rec.node_id, rec.message) = (Some("node".into()), Some("created".into()));
    }
    if bit(2) {
        let (parent, previous) = (format!("e{}", parts >> 4 & 7), format!("e{}", parts >> 5 & 7));
        new = new.parent(&parent).previous(&previous);
        (rec.parent, rec.previous) = (Some(parent), Some(previous));
    }
    if bit(3) {
        new = new.label("k", "v").labels([("l", "w")]).desired(Desired::Running);
        rec.labels = [("k".into(), "v".into()), ("l".into(), "w".into())].into();
        rec.desired = Desired::Running;
    }
    if bit(7) {
        new = new.preview("short");
        rec.preview = Some("short".into());
    }
    (new, rec)
}

/// An update, and what it means.
fn edit(bits: u16, kind: u8, to: Option<&'static str>) -> (Update, Amend) {
    let mut update = Update::new();
    if let Some(to) = to {
        update = update.state(to);
    }
    let mut steps: Vec<Apply> = Vec::new();
    let named = [matches!(bits >> 6 & 3, 1 | 3), bits >> 8 & 3 == 1];
    let choice = |place: u16| bits >> place & 3;
    macro_rules! part {
        ($place:expr, $set:ident, $clear:ident, $text:expr) => {
            match choice($place) {
                1 => {
                    update = update.$set($text);
                    steps.push(Box::new(|rec| rec.$set = Some($text.into())));
                }
                2 => {
                    update = update.$clear();
                    steps.push(Box::new(|rec| rec.$set = None));
                }
                _ => {}
            }
        };
    }
    part!(0, message, clear_message, "why");
    part!(2, name, clear_name, "other");
    part!(4, node_id, clear_node_id, "node-2");
    part!(6, parent, clear_parent, " bad");
    part!(8, previous, clear_previous, "e7");
    if choice(6) == 3 {
        let parent = format!("e{}", bits >> 8 & 7);
        update = update.parent(&parent);
        steps.push(Box::new(|rec| rec.parent = Some(parent)));
    }
    match choice(10) {
        1 => {
            update = update.desired(Desired::Stopped);
            steps.push(Box::new(|rec| rec.desired = Desired::Stopped));
        }
        2 => {
            update = update.clear_desired();
            steps.push(Box::new(|rec| rec.desired = Desired::Pending));
        }
        _ => {}
    }
    match choice(12) {
        1 => {
            update = update.label("k", "new").label("m", "x").remove_label("l");
            steps.push(Box::new(|rec| {
                rec.labels.insert("k".into(), "new".into());
                rec.labels.insert("m".into(), "x".into());
                rec.labels.remove("l");
            }));
        }
        2 => {
            update = update.label("z", "kept").clear_labels();
            steps.push(Box::new(|rec| rec.labels = [("z".into(), "kept".into())].into()));
        }
        3 if bits & 1 == 0 => {
            update = update.preview("another");
            steps.push(Box::new(|rec| rec.preview = Some("another".into())));
        }
        3 => {
            update = update.clear_preview();
            steps.push(Box::new(|rec| rec.preview = None));
        }
        _ => {}
    }
    let mut merged = None;
    match choice(14) {
        1 => {
            let text = payload(kind);
            update = update.payload(Json::from_text(&text).unwrap());
            steps.push(Box::new(move |rec| rec.payload = text.into()));
        }
        2 => {
            merged = Some(patch(kind));
            update = update.merge_payload(Json::from_text(patch(kind)).unwrap());
        }
        3 if kind == 0 => {
            update = update.clear_payload();
            steps.push(Box::new(|rec| rec.payload = "null".into()));
        }
        _ => {}
    }
    let apply = Box::new(|rec: &mut Rec| steps.into_iter().for_each(|step| step(rec)));
    (update, Amend { to, apply, patch: merged, named })
}
