//! What is created and changed in the model test, from small numbers that shrink well.

use execstore::{DesiredState, Json, NewEvent, NewExecution, Timestamp, Update};

use crate::model::{Amend, Apply};
use crate::records::{Ev, Rec, STATES};

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

pub fn events(kind: u8) -> (Vec<Ev>, Vec<NewEvent>) {
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

pub fn state(n: u8) -> &'static str {
    STATES.get(n as usize).map_or("Nowhere", |row| row.0)
}

pub fn creation(id: u8, job: u8, first: u8, parts: u8, kind: u8) -> (NewExecution, Rec) {
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
        desired: DesiredState::Pending,
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
        new = new.label("k", "v").labels([("l", "w")]).desired(DesiredState::Running);
        rec.labels = [("k".into(), "v".into()), ("l".into(), "w".into())].into();
        rec.desired = DesiredState::Running;
    }
    if bit(7) {
        new = new.preview("short");
        rec.preview = Some("short".into());
    }
    (new, rec)
}

/// An update, and what it means.
pub fn edit(bits: u16, kind: u8, to: Option<&'static str>) -> (Update, Amend) {
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
            update = update.desired(DesiredState::Stopped);
            steps.push(Box::new(|rec| rec.desired = DesiredState::Stopped));
        }
        2 => {
            update = update.clear_desired();
            steps.push(Box::new(|rec| rec.desired = DesiredState::Pending));
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
