//! What lies beside the records, as plain maps, and the operations on it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use execstore::{
    AttachmentKind, Json, NewAttachment, Node, NodeState, NodeUpdate, OutputCap, Query, Readable, Reported,
    Timestamp, WriteError, Writer,
};

use crate::model::Model;
use crate::records::STATES;

/// What one execution has.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    attachments: BTreeMap<String, Value>,
    outputs: BTreeMap<String, Stream>,
    /// In the order in which they came.
    nodes: Vec<Task>,
}

#[derive(Clone, Debug)]
struct Value {
    kind: AttachmentKind,
    size: u64,
    bytes: Vec<u8>,
    at: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Stream {
    /// Every byte ever appended.
    bytes: Vec<u8>,
    cap: OutputCap,
    dropped: Range<u64>,
    at: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct Task {
    name: String,
    state: NodeState,
    attempts: u64,
    started: i64,
    ended: Option<i64>,
    value: Option<String>,
    error: Option<String>,
}

impl Task {
    fn of(node: &Node) -> Self {
        Self {
            name: node.name.to_string(),
            state: node.state,
            attempts: node.attempts,
            started: node.started_at.as_nanos(),
            ended: node.ended_at.map(Timestamp::as_nanos),
            value: node.value.as_ref().map(|json| json.as_str().to_owned()),
            error: node.error.as_ref().map(ToString::to_string),
        }
    }
}

/// Does one of them to an execution, in the store and in the model. `size` chooses what is written.
pub fn act(w: &mut Writer<'_>, model: &mut Model, id: &str, act: u8, name: u8, size: u8, now: i64) {
    let name = ["", "a", "a/b", "stdout"][usize::from(name % 4)];
    let number = model.number(id);
    let len = [0, 1, 100, 1_024, 1_025, 4_000, 4_096, 66_000][usize::from(size % 8)];
    let bytes: Vec<u8> = (0..len).map(|at: usize| (at / 7) as u8 ^ size).collect();
    let changed = match act % 8 {
        0 => put(w.put_attachment(id, attachment(name, size, &bytes)).map(drop), number, name),
        1 => {
            let mut result = w.put_attachment_from(id, name, "a/b", &mut bytes.as_slice());
            if matches!(result, Err(WriteError::SourceInBatch)) {
                result = w.put_attachment(id, NewAttachment::bytes(name, bytes.as_slice()));
            }
            put(result.map(drop), number, name)
        }
        2 => gone(w.delete_attachment(id, name), number, name, |number| {
            model.beside.get(&number).is_some_and(|beside| beside.attachments.contains_key(name))
        }),
        3 | 4 => put(w.append_output(id, name, &bytes).map(drop), number, name),
        5 => put(w.cap_output(id, name, cap(size)).map(drop), number, name),
        6 if size < 40 => gone(w.delete_output(id, name), number, name, |number| {
            model.beside.get(&number).is_some_and(|beside| beside.outputs.contains_key(name))
        }),
        _ => {
            let reported = w.put_node(id, task(name, size, now));
            let applied = reported.as_ref().is_ok_and(Reported::is_applied);
            put(reported.map(drop), number, name) && {
                let number = number.unwrap();
                let ended = STATES
                    .iter()
                    .any(|(state, terminal, _)| *terminal && *state == model.records[&number].state);
                let known = model.beside.get(&number).map(|beside| (**beside).clone()).unwrap_or_default();
                assert_eq!(known.clone().put(name, size, now, ended), applied, "{known:?} {size} {now}");
                applied
            }
        }
    };
    let Some(number) = number.filter(|_| changed) else { return };
    let before = model.beside.get(&number).and_then(|beside| beside.outputs.get(name)).cloned();
    let beside = Arc::make_mut(model.beside.entry(number).or_default());
    let name = name.to_owned();
    match act % 8 {
        0 => {
            let (kind, bytes, size) = match size / 8 % 3 {
                0 => (AttachmentKind::Bytes, bytes, len as u64),
                1 => (AttachmentKind::Json, json(size).as_str().into(), json(size).as_str().len() as u64),
                _ => (AttachmentKind::Uri, b"s3://b/k".to_vec(), 77),
            };
            beside.attachments.insert(name, Value { kind, size, bytes, at: now });
        }
        1 => {
            let value = Value { kind: AttachmentKind::Bytes, size: len as u64, bytes, at: now };
            beside.attachments.insert(name, value);
        }
        2 => drop(beside.attachments.remove(&name)),
        3..=5 => {
            let stream = stream(beside, name, now);
            match act % 8 {
                5 => stream.append(&[], Some(cap(size)), now),
                _ => stream.append(&bytes, None, now),
            }
            // Nothing is written if nothing changes.
            model.version -= u64::from(before.as_ref() == Some(stream));
        }
        6 if size < 40 => drop(beside.outputs.remove(&name)),
        _ => drop(beside.put(&name, size, now, false)),
    }
    model.version += 1;
}

fn attachment(key: &str, size: u8, bytes: &[u8]) -> NewAttachment {
    match size / 8 % 3 {
        0 => NewAttachment::bytes(key, bytes),
        1 => NewAttachment::json(key, json(size)),
        _ => NewAttachment::uri(key, "s3://b/k").size(77),
    }
}

fn json(size: u8) -> Json {
    Json::from_text(&format!("[{size}, \"{}\"]", "x".repeat(usize::from(size) * 20))).unwrap()
}

fn cap(size: u8) -> OutputCap {
    let ends = |which: u8| [0, 1, 50, 5_000, 100_000][usize::from(which % 5)];
    match size % 4 {
        0 => OutputCap::All,
        1 => OutputCap::Head(ends(size / 4)),
        2 => OutputCap::Tail(ends(size / 4)),
        _ => OutputCap::Both { head: ends(size / 4), tail: ends(size / 20) },
    }
}

fn task(name: &str, size: u8, now: i64) -> NodeUpdate {
    let mut update = match size % 4 {
        0 => NodeUpdate::started(name),
        1 => NodeUpdate::finished(name),
        2 => NodeUpdate::failed(name, "why"),
        _ => NodeUpdate::skipped(name),
    };
    if let Some(attempt) = attempt(size) {
        update = update.attempt(attempt);
    }
    if let Some(at) = at(size, now) {
        update = update.at(Timestamp::from_nanos(at));
    }
    if size & 16 == 0 { update } else { update.value(json(size)) }
}

fn attempt(size: u8) -> Option<u64> {
    [None, None, Some(1), Some(2)][usize::from(size / 64)]
}

fn at(size: u8, now: i64) -> Option<i64> {
    (size & 8 != 0).then_some(now - i64::from(size % 7))
}

/// `true` if it was done; else the error must be the right one.
fn put(result: Result<(), WriteError>, number: Option<u64>, name: &str) -> bool {
    match result {
        Ok(()) => assert!(number.is_some() && !name.is_empty()),
        Err(WriteError::NotFound { .. }) => assert!(number.is_none()),
        Err(WriteError::Input(_)) => assert!(number.is_some() && name.is_empty()),
        Err(error) => panic!("{error}"),
    }
    number.is_some() && !name.is_empty()
}

fn gone(
    result: Result<bool, WriteError>,
    number: Option<u64>,
    name: &str,
    had: impl Fn(u64) -> bool,
) -> bool {
    let found = matches!(result, Ok(true));
    if put(result.map(drop), number, name) {
        assert_eq!(found, had(number.unwrap()));
    }
    found
}

fn stream(beside: &mut Beside, name: String, now: i64) -> &mut Stream {
    let new = Stream { bytes: Vec::new(), cap: OutputCap::All, dropped: 0..0, at: now };
    beside.outputs.entry(name).or_insert(new)
}

impl Stream {
    fn append(&mut self, bytes: &[u8], cap: Option<OutputCap>, now: i64) {
        self.bytes.extend_from_slice(bytes);
        self.cap = cap.unwrap_or(self.cap);
        let length = self.bytes.len() as u64;
        let (head, tail) = match self.cap {
            OutputCap::All => return self.touch(bytes, now),
            OutputCap::Head(head) => (head, 0),
            OutputCap::Tail(tail) => (0, tail),
            OutputCap::Both { head, tail } => (head, tail),
        };
        let middle = head..length.saturating_sub(tail);
        // What was dropped before stays so, and nothing is kept between two dropped parts.
        let parts: Vec<_> =
            [middle, self.dropped.clone()].into_iter().filter(|part| !part.is_empty()).collect();
        let start = parts.iter().map(|part| part.start).min();
        let end = parts.iter().map(|part| part.end).max();
        self.dropped = start.unwrap_or(0)..end.unwrap_or(0);
        self.touch(bytes, now);
    }

    fn touch(&mut self, bytes: &[u8], now: i64) {
        if !bytes.is_empty() {
            self.at = self.at.max(now);
        }
    }
}

impl Beside {
    pub fn output_length(&self, name: &str) -> u64 {
        self.outputs.get(name).map_or(0, |stream| stream.bytes.len() as u64)
    }

    /// `false` if the report is late.
    fn put(&mut self, name: &str, size: u8, now: i64, execution_ended: bool) -> bool {
        let state = [NodeState::Running, NodeState::Finished, NodeState::Failed, NodeState::Skipped]
            [usize::from(size % 4)];
        let starts = state == NodeState::Running;
        if starts && execution_ended {
            return false;
        }
        let (number, time) = (attempt(size), at(size, now));
        let value = (size & 16 != 0).then(|| json(size).as_str().to_owned());
        let new = |attempts: u64| Task {
            name: name.into(),
            state,
            attempts,
            started: time.unwrap_or(now),
            ended: (!starts).then_some(time.unwrap_or(now)),
            value: value.clone(),
            error: (state == NodeState::Failed).then(|| "why".into()),
        };
        let Some(task) = self.nodes.iter_mut().find(|task| task.name == name) else {
            let first = u64::from(state != NodeState::Skipped);
            self.nodes.push(new(number.unwrap_or(first)));
            return true;
        };
        let same_start = starts && time == Some(task.started);
        let older = time.is_some_and(|time| time < task.ended.unwrap_or(task.started)) && !same_start;
        match number {
            Some(number) if number > task.attempts => *task = new(number),
            Some(number) if number < task.attempts => return false,
            _ if older => return false,
            None if starts && !same_start => *task = new(task.attempts + 1),
            _ if task.ended.is_some() => return false,
            _ if starts => {
                if value.is_none() || value == task.value {
                    return false;
                }
                task.value = value;
            }
            _ => {
                let ended = time.unwrap_or(now.max(task.started));
                let (value, started) = (value.clone().or(task.value.clone()), task.started);
                *task = Task { value, started, ended: Some(ended), ..new(task.attempts) };
            }
        }
        true
    }
}

/// Everything beside the records, compared.
pub fn compare(r: &impl Readable, model: &Model) {
    let nothing = Beside::default();
    let mut sizes = (0, 0, 0);
    for (number, rec) in &model.records {
        let beside = model.beside.get(number).map_or(&nothing, |beside| beside);
        let id = &rec.id;
        let found: Vec<_> = r.attachments(id, "").unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), beside.attachments.len(), "{id}");
        for (found, (key, value)) in found.iter().zip(&beside.attachments) {
            assert_eq!((found.key.as_str(), found.kind, found.size), (key.as_str(), value.kind, value.size));
            assert_eq!(found.modified_at.as_nanos(), value.at);
            assert!(r.attachment_bytes(id, key).unwrap().unwrap() == value.bytes, "{id} {key}");
            let mut read = Vec::new();
            r.open_attachment(id, key).unwrap().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == value.bytes, "{id} {key}");
            sizes.0 += 1;
            if value.kind == AttachmentKind::Uri { sizes.2 += value.size } else { sizes.1 += value.size }
        }
        let under = r.attachments(id, "a/").unwrap().count();
        assert_eq!(under, beside.attachments.keys().filter(|key| key.starts_with("a/")).count());
        let found: Vec<_> = r.outputs(id).unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), beside.outputs.len(), "{id}");
        for (found, (name, stream)) in found.iter().zip(&beside.outputs) {
            assert_eq!(
                (found.name.as_str(), found.cap, found.length),
                (name.as_str(), stream.cap, stream.bytes.len() as u64)
            );
            assert_eq!(found.dropped().unwrap_or(0..0), stream.dropped, "{id} {name}");
            assert_eq!(found.modified_at.as_nanos(), stream.at);
            streamed(r, id, name, stream);
        }
        let found: Vec<_> = r.nodes(id).unwrap().map(|node| Task::of(&node.unwrap())).collect();
        assert_eq!(found, beside.nodes, "{id}");
        let progress = r.progress(id).unwrap();
        for state in [NodeState::Running, NodeState::Finished, NodeState::Failed, NodeState::Skipped] {
            let count = beside.nodes.iter().filter(|task| task.state == state).count();
            assert_eq!(progress.of(state), count as u64, "{id} {state}");
        }
    }
    let usage = r.attachment_usage(&Query::new()).unwrap();
    assert_eq!((usage.attachments, usage.stored, usage.named), sizes);
}

fn streamed(r: &impl Readable, id: &str, name: &str, stream: &Stream) {
    let (mut at, mut kept) = (0, Vec::new());
    loop {
        let part = r.read_output(id, name, at, 3_000).unwrap().unwrap();
        if part.bytes.is_empty() {
            break;
        }
        kept.push((part.offset, part.bytes.clone()));
        at = part.next();
    }
    let mut expected: Vec<(u64, u8)> = (0..).zip(stream.bytes.iter().copied()).collect();
    expected.retain(|(offset, _)| !stream.dropped.contains(offset));
    let found: Vec<(u64, u8)> = kept.into_iter().flat_map(|(offset, bytes)| (offset..).zip(bytes)).collect();
    assert!(found == expected, "{id} {name}");
}
