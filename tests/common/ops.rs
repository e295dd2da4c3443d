//! The operations of the model test, as small numbers that shrink well, and what they mean.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Debug;

use execstore::{
    ChangeSeq, Desired, Execution, Json, NewEvent, NewExecution, Timestamp, Update, WriteError, Writer,
};

use crate::besides::Act;
use crate::model::{Amend, Apply, Model};
use crate::records::{Ev, Rec, STATES};
use crate::reports::Manner;
use crate::wants::want;
use crate::writes::Writes;

/// What is written in a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    Create {
        id: u8,
        job: u8,
        state: u8,
        parts: u8,
        payload: u8,
        events: u8,
        attempt: u8,
    },
    /// `manner` says whether it is a report: see [`Manner`].
    Update {
        id: u8,
        want: u16,
        state: u8,
        edits: u16,
        payload: u8,
        events: u8,
        manner: u16,
    },
    Append {
        id: u8,
        want: u16,
        events: u8,
    },
    Delete {
        id: u8,
        want: u16,
    },
    SetCheckpoint {
        name: u8,
        seq: u8,
        expected: u8,
    },
    DeleteCheckpoint {
        name: u8,
        expected: u8,
    },
    Trim {
        seq: u8,
    },
    Beside(Act),
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

/// An id: of four fixed ones, or of what is there; often of the same two, so that more than one thing happens to them.
fn pick(model: &Model, id: u8) -> String {
    let among = if id < 10 { model.records.len().min(2) } else { model.records.len() };
    match model.records.values().nth(id as usize % among.max(1)) {
        Some(rec) if id >= 4 => rec.id.clone(),
        _ => format!("e{}", id % 8),
    }
}

/// Where a checkpoint is expected, if it is: where it is, or elsewhere.
fn expected_at(model: &Model, name: &str, kind: u8) -> Option<Option<u64>> {
    let found = model.checkpoints.get(name).copied();
    [None, Some(found), Some(Some(found.unwrap_or(0) + 1)), Some(None)][usize::from(kind % 4)]
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
pub fn perform(w: &mut impl Writes, model: &mut Model, op: &Op, now: i64) -> Vec<String> {
    let rec = |result: Result<Execution, WriteError>| result.map(|execution| Rec::of(&execution));
    match op {
        Op::Create { id, job, state: first, parts, payload: kind, events: list, attempt } => {
            let (evs, new_events) = events(*list);
            let (mut new, mut expected) = creation(*id, *job, *first, *parts, *kind);
            if *attempt > 0 {
                (new, expected.attempt) = (new.attempt((*attempt).into()), (*attempt).into());
            }
            let found = rec(w.act(
                |w| w.create(new.clone(), &new_events),
                |store| store.create_execution(new.clone(), &new_events),
            ));
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
        Op::Update { .. } => vec![update(w, model, op, now)],
        Op::Append { id, want: kind, events: list } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let (expect, (evs, new_events)) = (want.expect(), events(*list));
            let found = rec(w.act(
                |w| w.append_events(&id, &expect, &new_events),
                |store| store.append_events(&id, &expect, &new_events),
            ));
            same(op, found, model.append(&id, &want, &evs, now));
            vec![id]
        }
        Op::Delete { id, want: kind } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let expect = want.expect();
            let found = rec(w.act(|w| w.delete(&id, &expect), |store| store.delete(&id, &expect)));
            same(op, found, model.delete(&id, &want, now));
            vec![id]
        }
        Op::SetCheckpoint { name, seq, expected } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            let at = expected_at(model, name, *expected);
            let found = within(w, |w| match at {
                Some(at) => w.set_checkpoint_if(name, at.map(ChangeSeq), ChangeSeq(seq)),
                None => w.set_checkpoint(name, ChangeSeq(seq)),
            });
            let met = at.map_or(Ok(()), |at| model.check_checkpoint(name, at));
            same(op, found, met.and_then(|()| model.set_checkpoint(name, seq)));
            vec![]
        }
        Op::DeleteCheckpoint { name, expected } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            // Nobody expects that there is none, and deletes it.
            let at = expected_at(model, name, *expected).flatten();
            let found = within(w, |w| match at {
                Some(at) => w.delete_checkpoint_if(name, ChangeSeq(at)).map(|()| true),
                None => w.delete_checkpoint(name),
            });
            let met = at.map_or(Ok(()), |at| model.check_checkpoint(name, Some(at)));
            same(op, found, met.map(|()| model.delete_checkpoint(name)));
            vec![]
        }
        Op::Beside(act) => {
            let id = pick(model, act.id);
            crate::besides::act(w, model, &id, act, now);
            vec![id]
        }
        Op::Trim { seq } => {
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            same(op, within(w, |w| w.trim_changes(ChangeSeq(seq))), Ok(model.trim(seq)));
            vec![]
        }
    }
}

/// For what the store has no method of its own.
fn within<T>(
    w: &mut impl Writes,
    act: impl Fn(&mut Writer<'_>) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    w.act(&act, |store| store.write(&act))
}

/// An update, or a report. Gives the id.
fn update(w: &mut impl Writes, model: &mut Model, op: &Op, now: i64) -> String {
    let Op::Update { id, want: kind, state: to, edits, payload, events: list, manner } = op else {
        unreachable!()
    };
    let id = pick(model, *id);
    let (want, manner) = (want(model, &id, *kind), Manner::of(*manner, model.get(&id), now));
    let (expect, (evs, new_events)) = (want.expect(), events(*list));
    let mut to = (*to < 13).then(|| state(*to));
    if manner.same_state {
        to = model.get(&id).and_then(|rec| STATES.iter().map(|row| row.0).find(|name| *name == rec.state));
    }
    let (edits, payload) = if manner.little { (*edits & 3, 1) } else { (*edits, *payload) };
    let (update, mut amend) = edit(edits, payload, to);
    let update = manner.add_to(update);
    amend.reporting = manner.is_report().then_some(manner.says);
    let rec = |execution: Execution| Rec::of(&execution);
    let mut found = match manner.by_report {
        true => w
            .act(
                |w| w.report(&id, &expect, update.clone(), &new_events),
                |store| store.report(&id, &expect, update.clone(), &new_events),
            )
            .map(|reported| (reported.why_ignored().cloned(), reported.into_current().map(rec).unwrap())),
        false => w
            .act(
                |w| w.update(&id, &expect, update.clone(), &new_events),
                |store| store.update(&id, &expect, update.clone(), &new_events),
            )
            .map(|execution| (None, rec(execution))),
    };
    let mut expected = match manner.by_report {
        true => model.report(&id, &want, &amend, &evs, now),
        false => model.update(&id, &want, &amend, &evs, now).map(|after| (None, after)),
    };
    if amend.patch.is_some()
        && let (Ok((None, found)), Ok((None, expected))) = (&mut found, &mut expected)
    {
        let value = |rec: &Rec| serde_json::from_str::<serde_json::Value>(&rec.payload).unwrap();
        assert_eq!(value(found), value(expected), "{op:?}");
        model.respell(&id, &found.payload);
        expected.payload = found.payload.clone();
    }
    same(op, found, expected);
    id
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
        incarnation: 0,
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
        not_before: None,
        attempt: 0,
        reported: None,
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
        steps.push(Box::new(move |rec| rec.parent = Some(parent.clone())));
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
            steps.push(Box::new(move |rec| rec.payload = text.as_str().into()));
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
    let apply = Box::new(move |rec: &mut Rec| steps.iter().for_each(|step| step(rec)));
    (update, Amend { to, apply, patch: merged, named, reporting: None })
}
