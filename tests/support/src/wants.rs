//! Conditions, and what a store of plain maps says to them.

use execstore::attachments::AttachmentIs;
use execstore::error::{InputError, Mismatch, WriteError};
use execstore::tasks::{TaskIs, TaskState};
use execstore::{ExecutionId, Expect, Incarnation, Revision};
use sha2::{Digest, Sha256};

use crate::dice::Dice;
use crate::model::{Model, known, lifecycle_state};
use crate::records::{Rec, STATES};
use crate::side_data::{Beside, Value};

/// A condition.
#[derive(Clone, Debug, Default)]
pub struct Want {
    pub states: Option<Vec<String>>,
    pub not_states: Vec<String>,
    pub revisions: Vec<u64>,
    pub parts: Vec<Part>,
}

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Incarnation(u64),
    Events(u64),
    Attempt(u64),
    Label(String, Option<String>),
    Attachment(String, AttachmentIs),
    Output(String, u64),
    Task(String, TaskIs),
}

/// What an attachment or a task is, as far as conditions ask.
type Looks<T> = Option<T>;

impl Part {
    fn add_to(&self, expect: Expect) -> Expect {
        match self {
            Part::Incarnation(number) => expect.incarnation(Incarnation(*number)),
            Part::Events(count) => expect.event_count(*count),
            Part::Attempt(attempt) => expect.attempt(*attempt),
            Part::Label(key, Some(value)) => expect.label(key, value),
            Part::Label(key, None) => expect.no_label(key),
            Part::Attachment(key, is) => expect.attachment(key, *is),
            Part::Output(name, length) => expect.output_length(name, *length),
            Part::Task(name, is) => expect.task(name, *is),
        }
    }

    /// What it is about must have a name.
    fn check(&self) -> Result<(), WriteError> {
        let (what, name) = match self {
            Part::Attachment(key, _) => ("attachment key", key),
            Part::Output(name, _) => ("output name", name),
            Part::Task(name, _) => ("task name", name),
            _ => return Ok(()),
        };
        check_name(what, name)
    }

    /// No execution can meet both: none of those that either of them speaks of.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Part::Incarnation(one), Part::Incarnation(other))
            | (Part::Events(one), Part::Events(other))
            | (Part::Attempt(one), Part::Attempt(other)) => one != other,
            (Part::Label(key, one), Part::Label(same, other)) => key == same && one != other,
            (Part::Output(name, one), Part::Output(same, other)) => name == same && one != other,
            (Part::Attachment(key, one), Part::Attachment(same, other)) => {
                let sizes = [one, other].map(|is| if let AttachmentIs::Size(size) = is { *size } else { 0 });
                let versions =
                    [one, other].map(|is| if let AttachmentIs::Version(at) = is { *at } else { 0 });
                let hashes =
                    [one, other].map(|is| if let AttachmentIs::Sha256(hash) = is { *hash } else { [0; 32] });
                let mut possible = vec![None];
                for at in 0..8 {
                    possible.push(Some((sizes[at & 1], versions[at >> 1 & 1], hashes[at >> 2])));
                }
                key == same && !possible.iter().any(|so| attached(*one, *so) && attached(*other, *so))
            }
            (Part::Task(name, one), Part::Task(same, other)) => {
                let states = [one, other]
                    .map(|is| if let TaskIs::In(state) = is { *state } else { TaskState::Running });
                let attempts = [one, other].map(|is| if let TaskIs::Attempt(at) = is { *at } else { 0 });
                let mut possible = vec![None];
                for at in 0..4 {
                    possible.push(Some((states[at & 1], attempts[at >> 1])));
                }
                name == same && !possible.iter().any(|so| node_is(*one, *so) && node_is(*other, *so))
            }
            _ => false,
        }
    }

    /// It is in the record itself. What is not comes last among what does not hold.
    fn is_of_record(&self) -> bool {
        matches!(self, Part::Incarnation(_) | Part::Events(_) | Part::Attempt(_) | Part::Label(..))
    }

    fn fails(&self, number: u64, rec: &Rec, beside: &Beside) -> Option<Mismatch> {
        let mismatch = match self {
            Part::Incarnation(expected) if *expected != number => {
                Mismatch::Incarnation { expected: Incarnation(*expected), found: Incarnation(number) }
            }
            Part::Events(expected) if *expected != rec.events => {
                Mismatch::EventCount { expected: *expected, found: rec.events }
            }
            Part::Attempt(expected) if *expected != rec.attempt => {
                Mismatch::Attempt { expected: *expected, found: rec.attempt }
            }
            Part::Label(key, expected) => {
                let expected = expected.as_deref().map(Into::into);
                let found = rec.labels.get(key.as_str()).cloned();
                if expected == found {
                    return None;
                }
                Mismatch::Label { key: key.as_str().into(), expected, found }
            }
            Part::Attachment(key, expected) => {
                let found = beside.attachments.get(key);
                if attached(*expected, found.map(looks)) {
                    return None;
                }
                let sha256 = found.filter(|_| matches!(expected, AttachmentIs::Sha256(_))).map(hash);
                let found = found.map(|value| value.put.clone());
                Mismatch::Attachment { key: key.as_str().into(), expected: *expected, found, sha256 }
            }
            Part::Output(name, expected) if *expected != beside.output_length(name) => {
                let found = beside.output_length(name);
                Mismatch::OutputLength { name: name.as_str().into(), expected: *expected, found }
            }
            Part::Task(name, expected) => {
                let found = beside.rec(name);
                if node_is(*expected, found.map(|(rec, _)| (rec.state, rec.attempts))) {
                    return None;
                }
                let found = found.map(|(_, task)| task.clone());
                Mismatch::Task { name: name.as_str().into(), expected: *expected, found }
            }
            _ => return None,
        };
        Some(mismatch)
    }
}

pub fn check_name(what: &'static str, name: &str) -> Result<(), WriteError> {
    match name {
        "" => Err(InputError::Invalid { what, reason: "it is empty".into() }.into()),
        _ => Ok(()),
    }
}

fn hash(value: &Value) -> [u8; 32] {
    Sha256::digest(&value.bytes).into()
}

fn looks(value: &Value) -> (u64, u64, [u8; 32]) {
    (value.put.size, value.put.version, hash(value))
}

fn attached(expected: AttachmentIs, found: Looks<(u64, u64, [u8; 32])>) -> bool {
    match expected {
        AttachmentIs::Absent => found.is_none(),
        AttachmentIs::Present => found.is_some(),
        AttachmentIs::Size(size) => found.is_some_and(|(is, ..)| is == size),
        AttachmentIs::Version(version) => found.is_some_and(|(_, is, _)| is == version),
        AttachmentIs::Sha256(hash) => found.is_some_and(|(.., is)| is == hash),
        _ => panic!("a condition that is new"),
    }
}

fn node_is(expected: TaskIs, found: Looks<(TaskState, u64)>) -> bool {
    match expected {
        TaskIs::Absent => found.is_none(),
        TaskIs::Present => found.is_some(),
        TaskIs::In(state) => found.is_some_and(|(is, _)| is == state),
        TaskIs::Attempt(attempt) => found.is_some_and(|(_, is)| is == attempt),
        _ => panic!("a condition that is new"),
    }
}

impl Want {
    pub fn expect(&self) -> Expect {
        let mut expect = Expect::new().not_states(&self.not_states);
        if let Some(states) = &self.states {
            expect = expect.states(states);
        }
        expect = self.revisions.iter().fold(expect, |expect, revision| expect.revision(*revision));
        self.parts.iter().fold(expect, |expect, part| part.add_to(expect))
    }

    /// A state passes it.
    fn passes(&self, state: &str) -> bool {
        let is = |name: &String| name == state;
        self.states.as_ref().is_none_or(|states| states.iter().any(is)) && !self.not_states.iter().any(is)
    }

    /// Everything is spelt right, and somebody could meet it.
    pub fn check(&self) -> Result<(), WriteError> {
        self.states.iter().flatten().chain(&self.not_states).try_for_each(|name| known(name))?;
        self.parts.iter().try_for_each(Part::check)?;
        let invalid = |reason: String| Err(InputError::Invalid { what: "condition", reason }.into());
        // The caller's list may be empty.
        let asks = self.states.as_ref().is_none_or(|states| !states.is_empty());
        if asks && !STATES.iter().any(|(state, ..)| self.passes(state)) {
            return invalid(format!("{}: no state is left", self.expect()));
        }
        if let [first, .., last] = self.revisions[..]
            && first != last
        {
            return invalid(format!("revision {first} and revision {last}: no execution has both"));
        }
        for (at, one) in self.parts.iter().enumerate() {
            if let Some(other) = self.parts[at + 1..].iter().find(|other| one.excludes(other)) {
                let [one, other] = [one, other].map(|part| part.add_to(Expect::new()));
                return invalid(format!("{one} and {other}: no execution has both"));
            }
        }
        Ok(())
    }
}

impl Model {
    /// The number and the record of an id, if it is there and as wanted.
    pub fn expected(&self, id: &str, want: &Want) -> Result<(u64, Rec), WriteError> {
        want.check()?;
        let number =
            self.number(id).ok_or_else(|| WriteError::NotFound { id: ExecutionId::new(id).unwrap() })?;
        let rec = &*self.records[&number];
        let beside = self.beside(number);
        let mut mismatches = Vec::new();
        if !want.passes(&rec.state) {
            mismatches.push(Mismatch::State { found: lifecycle_state(&rec.state) });
        }
        if let Some(revision) = want.revisions.last().filter(|revision| **revision != rec.revision) {
            mismatches
                .push(Mismatch::Revision { expected: Revision(*revision), found: Revision(rec.revision) });
        }
        let (of_record, others): (Vec<_>, Vec<_>) = want.parts.iter().partition(|part| part.is_of_record());
        mismatches
            .extend(of_record.into_iter().chain(others).filter_map(|part| part.fails(number, rec, &beside)));
        if mismatches.is_empty() {
            return Ok((number, rec.clone()));
        }
        Err(WriteError::Conflict {
            id: ExecutionId::new(id).unwrap(),
            expected: Box::new(want.expect()),
            actual_state: lifecycle_state(&rec.state),
            actual_revision: Revision(rec.revision),
            mismatches,
        })
    }
}

/// A condition on the execution of an id, that holds or does not. Below 256 one of a few on the record, else some that are made up.
pub fn want(model: &Model, id: &str, kind: u16) -> Want {
    let rec = model.get(id);
    let (now, revision) = rec.map_or(("New".into(), 1), |rec| (rec.state.clone(), rec.revision));
    let mut want = Want::default();
    match kind {
        8 => want.states = Some(vec![now]),
        9 => want.states = Some(vec!["Running".into(), "New".into()]),
        10 => want.not_states = vec!["Running".into()],
        11 => want.not_states = vec!["Completed".into(), "Nowhere".into()],
        12 => want.revisions = vec![revision],
        13 => want.revisions = vec![1],
        14 => (want.states, want.revisions) = (Some(vec![now]), vec![revision]),
        15 => (want.not_states, want.revisions) = (vec![now], vec![revision]),
        16 => want.states = Some(vec![]),
        17 => (want.states, want.not_states) = (Some(vec![now.clone()]), vec![now]),
        18 => want.not_states = STATES.iter().map(|(state, ..)| (*state).to_owned()).collect(),
        19 => want.revisions = vec![1, revision],
        20 => (want.revisions, want.parts) = (vec![revision], vec![Part::Events(1)]),
        256.. => {
            let mut dice = Dice::new(kind.into());
            let many = 1 + dice.roll(3);
            want.parts = (0..many).map(|_| part(model, id, &mut dice)).collect();
        }
        _ => {}
    }
    want
}

/// One that holds, most times.
fn part(model: &Model, id: &str, dice: &mut Dice) -> Part {
    let number = model.number(id);
    let beside = number.map(|number| model.beside(number)).unwrap_or_default();
    let rec = model.get(id);
    let right = dice.roll(4) > 0;
    let near = |is: u64, dice: &mut Dice| match dice.roll(3) {
        _ if right => is,
        0 => is.saturating_sub(1),
        _ => is + dice.roll(3),
    };
    let name = |dice: &mut Dice| match dice.roll(40) {
        0 => String::new(),
        roll => ["a", "a/b", "stdout"][roll as usize % 3].to_owned(),
    };
    match dice.roll(7) {
        0 => Part::Incarnation(near(number.unwrap_or(model.last_number), dice)),
        1 => Part::Events(near(rec.map_or(0, |rec| rec.events), dice)),
        2 => Part::Attempt(near(rec.map_or(0, |rec| rec.attempt), dice)),
        3 => {
            let key = ["k", "l", "m", "z"][dice.roll(4) as usize];
            let found = rec.and_then(|rec| rec.labels.get(key)).map(|value| value.to_string());
            let other = [None, Some("v"), Some("")][dice.roll(3) as usize].map(str::to_owned);
            Part::Label(key.into(), if right { found } else { other })
        }
        4 => {
            let key = name(dice);
            let found = beside.attachments.get(&key).map(looks);
            let (size, version, hash) = found.unwrap_or((0, 0, [7; 32]));
            let is = match dice.roll(5) {
                _ if right && found.is_none() => AttachmentIs::Absent,
                0 if !right => AttachmentIs::Absent,
                0 | 1 => AttachmentIs::Present,
                2 => AttachmentIs::Size(near(size, dice)),
                3 => AttachmentIs::Version(near(version, dice)),
                _ => AttachmentIs::Sha256(if right { hash } else { [7; 32] }),
            };
            Part::Attachment(key, is)
        }
        5 => {
            let name = name(dice);
            let length = near(beside.output_length(&name), dice);
            Part::Output(name, length)
        }
        _ => {
            let name = name(dice);
            let found = beside.rec(&name).map(|(rec, _)| (rec.state, rec.attempts));
            let (state, attempts) = found.unwrap_or((TaskState::Running, 0));
            let is = match dice.roll(4) {
                _ if right && found.is_none() => TaskIs::Absent,
                0 if !right => TaskIs::Absent,
                0 | 1 => TaskIs::Present,
                2 => TaskIs::In(if right { state } else { TaskState::Finished }),
                _ => TaskIs::Attempt(near(attempts, dice)),
            };
            Part::Task(name, is)
        }
    }
}
