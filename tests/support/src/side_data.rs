//! What lies beside the records, as plain maps, and the operations on it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use execstore::attachments::{Attachment, AttachmentKind, NewAttachment};
use execstore::error::WriteError;
use execstore::outputs::{Appended, Output, OutputCap};
use execstore::tasks::Task;
use execstore::visits::Visits;
use execstore::{Expect, Json, Query, Readable, Timestamp};

use crate::model::Model;
use crate::tasks::{TASK_STATES, TaskRec};
use crate::wants::{Part, Want, check_name, want};
use crate::writes::Writes;

/// What one execution has.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    pub attachments: BTreeMap<String, Value>,
    outputs: BTreeMap<String, Stream>,
    visits: Option<Visits>,
    /// In the order in which they came, with what the store gave when they were put.
    tasks: Vec<(TaskRec, Task)>,
}

/// An attachment, as the store gave it when it was put, and its bytes.
#[derive(Clone, Debug)]
pub struct Value {
    pub put: Attachment,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
struct Stream {
    /// Every byte ever appended.
    bytes: Vec<u8>,
    cap: OutputCap,
    dropped: Range<u64>,
    at: i64,
}

/// One operation on it. `size` chooses what is written.
#[derive(Clone, Debug)]
pub struct Act {
    pub id: u8,
    pub act: u8,
    pub name: u8,
    pub size: u8,
    pub want: u16,
}

impl Act {
    pub fn name(&self) -> &'static str {
        ["", "a", "a/b", "stdout", "a", "stdout"][usize::from(self.name % 6)]
    }

    pub fn want(&self, model: &Model, id: &str) -> Want {
        want(model, id, self.want)
    }

    fn bytes(&self) -> Vec<u8> {
        let len = [0, 1, 100, 1_024, 1_025, 4_000, 4_096, 66_000][usize::from(self.size % 8)];
        (0..len).map(|at: usize| (at / 7) as u8 ^ self.size).collect()
    }
}

/// What was done, if both say so; else both must have refused it in the same way.
pub fn agreed<T: Debug, E: Debug>(
    act: &impl Debug,
    found: Result<T, WriteError>,
    expected: Result<E, WriteError>,
) -> Option<(T, E)> {
    match (found, expected) {
        (Ok(found), Ok(expected)) => Some((found, expected)),
        (found, expected) => {
            let [found, expected] =
                [found.map(|given| format!("{given:?}")), expected.map(|_| "done".into())];
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{act:?}");
            None
        }
    }
}

/// Does one to an execution, in the store and in the model.
pub fn act(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64) {
    match act.act % 11 {
        0 => put_attachment(w, model, id, act, now, false),
        1 => put_attachment(w, model, id, act, now, true),
        2 => delete(w, model, id, act, true),
        3 | 4 => append(w, model, id, act, None, now),
        5 => append(w, model, id, act, Some(cap(act.size)), now),
        6 if act.size < 40 => delete(w, model, id, act, false),
        8 => append_at(w, model, id, act, now),
        10 => visit(w, model, id, act, now),
        _ => crate::tasks::put(w, model, id, act, now),
    }
}

/// The number of an execution that is as wanted, if what it is about has a name.
fn named(model: &Model, id: &str, want: &Want, what: &'static str, name: &str) -> Result<u64, WriteError> {
    let (number, _) = model.expected(id, want)?;
    check_name(what, name).map(|()| number)
}

fn put_attachment(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64, streamed: bool) {
    let (want, name, mut bytes) = (act.want(model, id), act.name(), act.bytes());
    let expect = want.expect();
    let (mut kind, mut size) = (AttachmentKind::Bytes, bytes.len() as u64);
    let mut new = NewAttachment::bytes(name, bytes.clone()).content_type("a/b");
    match act.size / 8 % 3 {
        1 if !streamed => {
            (new, kind, bytes) = (
                NewAttachment::json(name, json(act.size)),
                AttachmentKind::Json,
                json(act.size).as_str().into(),
            );
            size = bytes.len() as u64;
        }
        2 if !streamed => {
            (new, kind, size) = (NewAttachment::uri(name, "s3://b/k").size(77), AttachmentKind::Uri, 77);
            bytes = b"s3://b/k".to_vec();
        }
        _ => {}
    }
    let found = w.act(
        |w| {
            w.expect(id, &expect)?;
            if streamed {
                return w.put_attachment_from(id, name, "a/b", &mut bytes.as_slice());
            }
            w.put_attachment(id, new.clone())
        },
        |store| match streamed && expect == Expect::new() {
            true => store.put_attachment_from(id, name, "a/b", &mut bytes.as_slice()),
            false => store.put_attachment_if(id, &expect, new.clone()),
        },
    );
    let expected = named(model, id, &want, "attachment key", name);
    let Some((put, number)) = agreed(act, found, expected) else { return };
    let content_type = match kind {
        AttachmentKind::Json => "application/json",
        AttachmentKind::Uri => "text/uri-list",
        _ => "a/b",
    };
    assert_eq!((put.key.as_str(), put.kind, put.size), (name, kind, size), "{act:?}");
    assert_eq!((put.content_type.as_str(), put.modified_at.as_nanos()), (content_type, now), "{act:?}");
    assert!(put.version > model.last_version && put.sha256.is_none(), "{put:?} after {}", model.last_version);
    model.last_version = put.version;
    beside(model, number).attachments.insert(name.into(), Value { put, bytes });
    model.version += 1;
}

fn delete(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, attachment: bool) {
    let (want, name) = (act.want(model, id), act.name());
    let expect = want.expect();
    let found = w.act(
        |w| {
            w.expect(id, &expect)?;
            if attachment { w.delete_attachment(id, name) } else { w.delete_output(id, name) }
        },
        |store| match attachment {
            true => store.delete_attachment_if(id, &expect, name),
            false => store.delete_output_if(id, &expect, name),
        },
    );
    let what = if attachment { "attachment key" } else { "output name" };
    let expected = named(model, id, &want, what, name);
    let Some((found, number)) = agreed(act, found, expected) else { return };
    let beside = beside(model, number);
    let had = match attachment {
        true => beside.attachments.remove(name).is_some(),
        false => beside.outputs.remove(name).is_some(),
    };
    assert_eq!(found, had, "{act:?}");
    model.version += u64::from(had);
}

/// Appends, or says how much is kept.
fn append(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, cap: Option<OutputCap>, now: i64) {
    let (want, name, bytes) = (act.want(model, id), act.name(), act.bytes());
    let expect = want.expect();
    let found = w.act(
        |w| {
            w.expect(id, &expect)?;
            match cap {
                Some(cap) => w.cap_output(id, name, cap),
                None => w.append_output(id, name, &bytes),
            }
        },
        |store| match cap {
            Some(cap) => store.cap_output_if(id, &expect, name, cap),
            None => store.append_output_if(id, &expect, name, bytes.clone()),
        },
    );
    let expected = named(model, id, &want, "output name", name);
    let Some((output, number)) = agreed(act, found, expected) else { return };
    let bytes = if cap.is_some() { &[] } else { bytes.as_slice() };
    appended(model, number, name, bytes, cap, &output, now);
}

fn append_at(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64) {
    let (mut want, name, mut bytes) = (act.want(model, id), act.name(), act.bytes());
    let known = model.number(id).and_then(|number| model.beside(number).outputs.get(name).cloned());
    let there: &[u8] = known.as_ref().map_or(&[], |stream| &stream.bytes);
    let again = bytes.len().min(there.len());
    let offset = match act.act / 10 % 6 {
        0 | 1 => there.len(),
        // What was appended first, and last, comes once more; or nearly so.
        2 => 0,
        3 => there.len() - again,
        4 => there.len() + 1,
        _ => there.len() / 2,
    };
    if act.act / 10 % 6 > 1 && act.size & 64 == 0 {
        bytes = there.iter().skip(offset).take(again.max(1)).copied().collect();
        if act.size & 32 != 0 {
            bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
        }
    }
    let (from, offset) = (offset..offset + bytes.len(), offset as u64);
    let expect = want.expect();
    let found = w.act(
        |w| w.expect(id, &expect).and_then(|_| w.append_output_at(id, name, offset, &bytes)),
        |store| match expect == Expect::new() {
            true => store.append_output_at(id, name, offset, bytes.clone()),
            false => store.write(|w| {
                w.expect(id, &expect)?;
                Ok(w.append_output_at(id, name, offset, &bytes)?)
            }),
        },
    );
    let kept = |stream: &Stream| from.clone().all(|at| !stream.dropped.contains(&(at as u64)));
    let repeated =
        !bytes.is_empty() && there.get(from.clone()) == Some(&bytes) && known.as_ref().is_some_and(kept);
    let mut expected = named(model, id, &want, "output name", name);
    if !repeated && expected.is_ok() {
        want = Want { parts: vec![Part::Output(name.into(), offset)], ..Want::default() };
        expected = model.expected(id, &want).map(|(number, _)| number);
    }
    let Some((found, number)) = agreed(act, found, expected) else { return };
    assert_eq!(found.is_new(), !repeated, "{act:?}");
    match found {
        Appended::New(output) => appended(model, number, name, &bytes, None, &output, now),
        Appended::Repeated(output) => known.unwrap().compare(&output, name),
    }
}

fn visit(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64) {
    let more = Visits::new(1 + u64::from(act.size % 3), Timestamp::from_nanos(now));
    let found = w.act(|w| w.add_visits(id, more), |store| store.add_visits(id, more));
    let Some((found, ())) = agreed(act, found, Ok(())) else { return };
    let number = model.number(id);
    assert_eq!(found, number.is_some(), "{act:?}");
    if let Some(number) = number {
        let visits = beside(model, number).visits.get_or_insert_default();
        (visits.count, visits.last) = match visits.count {
            0 => (more.count, more.last),
            known => (known + more.count, visits.last.max(more.last)),
        };
        model.version += 1;
    }
}

fn beside(model: &mut Model, number: u64) -> &mut Beside {
    Arc::make_mut(model.beside.entry(number).or_default())
}

fn appended(
    model: &mut Model,
    number: u64,
    name: &str,
    bytes: &[u8],
    cap: Option<OutputCap>,
    found: &Output,
    now: i64,
) {
    let outputs = &mut beside(model, number).outputs;
    let before = outputs.get(name).cloned();
    let new = Stream { bytes: Vec::new(), cap: OutputCap::All, dropped: 0..0, at: now };
    let stream = outputs.entry(name.into()).or_insert(new);
    stream.append(bytes, cap, now);
    stream.compare(found, name);
    // Nothing is written if nothing changes.
    let changed = before.as_ref() != Some(stream);
    model.version += u64::from(changed);
}

pub fn json(size: u8) -> Json {
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

    fn compare(&self, found: &Output, name: &str) {
        assert_eq!((found.name.as_str(), found.cap), (name, self.cap));
        assert_eq!(found.length, self.bytes.len() as u64, "{name}");
        assert_eq!(found.dropped().unwrap_or(0..0), self.dropped, "{name}");
        assert_eq!(found.modified_at.as_nanos(), self.at, "{name}");
    }
}

impl Beside {
    pub fn output_length(&self, name: &str) -> u64 {
        self.outputs.get(name).map_or(0, |stream| stream.bytes.len() as u64)
    }

    pub fn rec(&self, name: &str) -> Option<&(TaskRec, Task)> {
        self.tasks.iter().find(|(rec, _)| rec.name == name)
    }

    pub fn set_task(&mut self, rec: TaskRec, task: Task) {
        match self.tasks.iter_mut().find(|(known, _)| known.name == rec.name) {
            Some(known) => *known = (rec, task),
            None => self.tasks.push((rec, task)),
        }
    }
}

/// Everything beside the records, compared.
pub fn compare(r: &impl Readable, model: &Model) {
    let mut sizes = (0, 0, 0);
    for (number, rec) in &model.records {
        let beside = model.beside(*number);
        let id = &rec.id;
        let found: Vec<_> = r.attachments(id).list().unwrap().map(Result::unwrap).collect();
        let expected: Vec<_> = beside.attachments.values().map(|value| value.put.clone()).collect();
        assert_eq!(found, expected, "{id}");
        for (key, value) in &beside.attachments {
            assert!(r.attachments(id).bytes(key).unwrap().unwrap() == value.bytes, "{id} {key}");
            let mut read = Vec::new();
            r.attachments(id).open(key).unwrap().unwrap().read_to_end(&mut read).unwrap();
            assert!(read == value.bytes, "{id} {key}");
            let is_uri = value.put.kind == AttachmentKind::Uri;
            sizes.0 += 1;
            if is_uri { sizes.2 += value.put.size } else { sizes.1 += value.put.size }
        }
        assert_eq!(r.visits(id).unwrap(), beside.visits, "{id}");
        let under = r.attachments(id).with_prefix("a/").unwrap().count();
        assert_eq!(under, beside.attachments.keys().filter(|key| key.starts_with("a/")).count());
        let found: Vec<_> = r.outputs(id).list().unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), beside.outputs.len(), "{id}");
        for (found, (name, stream)) in found.iter().zip(&beside.outputs) {
            stream.compare(found, name);
            streamed(r, id, name, stream);
        }
        let found: Vec<_> = r.tasks(id).list().unwrap().map(Result::unwrap).collect();
        let found: Vec<_> = found.into_iter().map(|task| (TaskRec::of(&task), task)).collect();
        assert_eq!(found, beside.tasks, "{id}");
        let progress = r.tasks(id).progress().unwrap();
        for state in TASK_STATES {
            let count = beside.tasks.iter().filter(|(rec, _)| rec.state == state).count();
            assert_eq!(progress.of(state), count as u64, "{id} {state}");
        }
    }
    let usage = r.query(&Query::new()).attachment_usage().unwrap();
    assert_eq!((usage.attachments, usage.stored, usage.named), sizes);
}

fn streamed(r: &impl Readable, id: &str, name: &str, stream: &Stream) {
    let (mut at, mut kept) = (0, Vec::new());
    loop {
        let part = r.outputs(id).read(name, at, 3_000).unwrap().unwrap();
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
