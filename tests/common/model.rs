//! The store as plain maps: what every operation must give, errors included.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;

use execstore::{
    ChangeKind, Desired, Execution, ExecutionId, Expect, Header, InputError, Labels, Lifecycle, Revision,
    State, WriteError,
};

/// The largest payload that the tests' stores take.
pub const MAX_PAYLOAD: usize = 8 * 1024;

/// The default lifecycle, said once more: name, whether it is terminal, successors.
pub const STATES: [(&str, bool, &[&str]); 11] = [
    ("New", false, &["AskForBid", "BidAccepted", "Failed", "Cancelled"]),
    (
        "AskForBid",
        false,
        &["AskForBidAccepted", "AskForBidRejected", "Failed", "Cancelled"],
    ),
    (
        "AskForBidAccepted",
        false,
        &["BidAccepted", "BidRejected", "Failed", "Cancelled"],
    ),
    ("AskForBidRejected", true, &[]),
    ("BidAccepted", false, &["Running", "Failed", "Cancelled"]),
    ("Running", false, &["Publishing", "Completed", "Failed", "Cancelled"]),
    ("Publishing", false, &["Completed", "Failed", "Cancelled"]),
    ("BidRejected", true, &[]),
    ("Completed", true, &[]),
    ("Failed", true, &[]),
    ("Cancelled", true, &[]),
];

/// The states that hold resources.
pub const LIVE: [&str; 3] = ["BidAccepted", "Running", "Publishing"];

/// A record. Without a payload where only a header is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rec {
    pub id: String,
    pub job: String,
    pub namespace: String,
    pub name: Option<String>,
    pub node_id: Option<String>,
    pub state: String,
    pub message: Option<String>,
    pub desired: Desired,
    pub parent: Option<String>,
    pub previous: Option<String>,
    pub labels: Labels,
    pub revision: u64,
    pub created: i64,
    pub modified: i64,
    pub completed: Option<i64>,
    pub events: u64,
    pub payload: Arc<str>,
}

impl Rec {
    pub fn of_header(header: &Header) -> Self {
        Self {
            id: header.id.to_string(),
            job: header.job_id.to_string(),
            namespace: header.namespace.clone(),
            name: header.name.clone(),
            node_id: header.node_id.clone(),
            state: header.state.to_string(),
            message: header.message.clone(),
            desired: header.desired,
            parent: header.parent.as_ref().map(String::from),
            previous: header.previous.as_ref().map(String::from),
            labels: header.labels.clone(),
            revision: header.revision.get(),
            created: header.created_at.as_nanos(),
            modified: header.modified_at.as_nanos(),
            completed: header.completed_at.map(|time| time.as_nanos()),
            events: header.event_count,
            payload: "".into(),
        }
    }

    pub fn of(execution: &Execution) -> Self {
        let payload = execution.payload_json().as_str().into();
        Self { payload, ..Self::of_header(execution.header()) }
    }

    pub fn header(&self) -> Self {
        Self { payload: "".into(), ..self.clone() }
    }
}

/// An event of an execution; its place in the list is its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ev {
    pub topic: String,
    pub message: String,
    pub time: Option<i64>,
    pub details: Option<String>,
}

/// An entry of the change log; its place in the list is its number.
#[derive(Clone, Debug)]
pub struct Entry {
    pub time: i64,
    pub kind: ChangeKind,
    pub before: Option<Arc<Rec>>,
    pub after: Option<Arc<Rec>>,
    pub new_events: u64,
}

/// A condition.
#[derive(Clone, Debug, Default)]
pub struct Want {
    pub states: Vec<String>,
    pub not_states: Vec<String>,
    pub revision: Option<u64>,
}

impl Want {
    pub fn expect(&self) -> Expect {
        let expect = Expect::any().states(&self.states).not_states(&self.not_states);
        match self.revision {
            Some(revision) => expect.revision(revision),
            None => expect,
        }
    }
}

/// What the store holds.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// By number, which is the order of creation.
    pub records: BTreeMap<u64, Arc<Rec>>,
    pub events: BTreeMap<u64, Arc<Vec<Ev>>>,
    pub log: Vec<Entry>,
    pub checkpoints: BTreeMap<String, u64>,
    pub last_number: u64,
    /// How many operations changed something.
    pub version: u64,
}

pub fn lifecycle_state(name: &str) -> State {
    Lifecycle::compute_node().state(name).unwrap().clone()
}

fn known(name: &str) -> Result<(), WriteError> {
    if STATES.iter().any(|(state, ..)| *state == name) {
        return Ok(());
    }
    Err(WriteError::UnknownState { state: name.into() })
}

fn check_payload(payload: &str) -> Result<(), WriteError> {
    check_size("payload", payload.len(), MAX_PAYLOAD)
}

fn check_size(what: &'static str, actual: usize, maximum: usize) -> Result<(), WriteError> {
    if actual > maximum {
        return Err(InputError::TooLarge { what, actual, maximum }.into());
    }
    Ok(())
}

fn invalid(what: &'static str, reason: &str) -> WriteError {
    InputError::Invalid { what, reason: reason.into() }.into()
}

fn check_id(what: &'static str, id: &str) -> Result<(), WriteError> {
    match id {
        "" => Err(invalid(what, "it is empty")),
        id if id.starts_with(' ') => Err(invalid(what, "it begins or ends with a space")),
        _ => Ok(()),
    }
}

fn check_parts(rec: &Rec) -> Result<(), WriteError> {
    check_size("name", rec.name.as_deref().unwrap_or_default().len(), 256)?;
    check_size("number of labels", rec.labels.len(), 64)
}

fn check_events(events: &[Ev]) -> Result<(), WriteError> {
    let object = |event: &Ev| event.details.as_ref().is_none_or(|text| text.starts_with('{'));
    if events.iter().all(object) {
        return Ok(());
    }
    Err(invalid("event details", "they are not a JSON object"))
}

impl Model {
    pub fn number(&self, id: &str) -> Option<u64> {
        let mut records = self.records.iter();
        records.find(|(_, rec)| rec.id == id).map(|(number, _)| *number)
    }

    pub fn get(&self, id: &str) -> Option<&Rec> {
        self.number(id).map(|number| &*self.records[&number])
    }

    pub fn count(&self, state: &str) -> u64 {
        self.records.values().filter(|rec| rec.state == state).count() as u64
    }

    pub fn create(&mut self, new: Rec, events: &[Ev], now: i64) -> Result<Rec, WriteError> {
        known(&new.state)?;
        if STATES.iter().any(|(name, terminal, _)| *terminal && *name == new.state) {
            return Err(WriteError::InitialState { state: lifecycle_state(&new.state) });
        }
        check_id("execution id", &new.id)?;
        check_id("job id", &new.job)?;
        check_id("parent", new.parent.as_deref().unwrap_or("x"))?;
        check_parts(&new)?;
        check_payload(&new.payload)?;
        check_events(events)?;
        if self.number(&new.id).is_some() {
            return Err(WriteError::AlreadyExists { id: ExecutionId::new(&new.id).unwrap() });
        }
        let rec = Rec {
            revision: 1,
            created: now,
            modified: now,
            completed: None,
            events: events.len() as u64,
            ..new
        };
        self.last_number += 1;
        self.events.insert(self.last_number, Arc::new(dated(events, now)));
        self.put(self.last_number, ChangeKind::Created, Some(rec.clone()), now, events.len());
        Ok(rec)
    }

    /// `edit` changes the parts of the record that the update names, and checks its links and its payload.
    pub fn update(
        &mut self,
        id: &str,
        want: &Want,
        to: Option<&str>,
        edit: impl FnOnce(&mut Rec),
        patch: Option<&str>,
        events: &[Ev],
        now: i64,
    ) -> Result<Rec, WriteError> {
        let (number, before) = self.expected(id, want)?;
        check_events(events)?;
        let mut after = before.clone();
        after.revision += 1;
        after.modified = now.max(before.modified);
        if let Some(to) = to {
            known(to)?;
            let row = STATES.iter().find(|(name, ..)| *name == before.state).unwrap();
            let (from, to_state) = (lifecycle_state(&before.state), lifecycle_state(to));
            let id = ExecutionId::new(id).unwrap();
            if row.1 {
                return Err(WriteError::Terminal { id, state: from, to: to_state });
            }
            if !row.2.contains(&to) {
                return Err(WriteError::Transition { id, from, to: to_state });
            }
            after.state = to.into();
            if STATES.iter().any(|(name, terminal, _)| *terminal && *name == to) {
                after.completed = Some(after.modified);
            }
        }
        edit(&mut after);
        check_id("parent", after.parent.as_deref().unwrap_or("x"))?;
        check_parts(&after)?;
        if let Some(patch) = patch {
            check_payload(patch)?;
            let mut value = serde_json::from_str(&after.payload).unwrap();
            merge(&mut value, &serde_json::from_str(patch).unwrap());
            after.payload = value.to_string().into();
        }
        if after.payload != before.payload {
            check_payload(&after.payload)?;
        }
        after.events += events.len() as u64;
        self.add_events(number, events, now);
        self.put(number, ChangeKind::Updated, Some(after.clone()), now, events.len());
        Ok(after)
    }

    /// The spelling of a merged payload is the store's; that it means the same was checked.
    pub fn respell(&mut self, id: &str, payload: &str) {
        let number = self.number(id).unwrap();
        let rec = Rec { payload: payload.into(), ..(*self.records[&number]).clone() };
        let rec = Arc::new(rec);
        self.log.last_mut().unwrap().after = Some(rec.clone());
        self.records.insert(number, rec);
    }

    pub fn append(&mut self, id: &str, want: &Want, events: &[Ev], now: i64) -> Result<Rec, WriteError> {
        let (number, before) = self.expected(id, want)?;
        check_events(events)?;
        if events.is_empty() {
            return Err(invalid("events", "there are none"));
        }
        let mut after = before.clone();
        after.modified = now.max(before.modified);
        after.events += events.len() as u64;
        self.add_events(number, events, now);
        self.put(number, ChangeKind::EventsAppended, Some(after.clone()), now, events.len());
        Ok(after)
    }

    pub fn delete(&mut self, id: &str, want: &Want, now: i64) -> Result<Rec, WriteError> {
        let (number, before) = self.expected(id, want)?;
        self.events.remove(&number);
        self.put(number, ChangeKind::Deleted, None, now, 0);
        Ok(before)
    }

    pub fn set_checkpoint(&mut self, name: &str, seq: u64) -> Result<(), WriteError> {
        if name.is_empty() {
            return Err(invalid("checkpoint name", "it is empty"));
        }
        let head = self.log.len() as u64;
        if seq > head {
            return Err(WriteError::CheckpointBeyondHead { seq, head });
        }
        self.checkpoints.insert(name.into(), seq);
        self.version += 1;
        Ok(())
    }

    pub fn delete_checkpoint(&mut self, name: &str) -> bool {
        let found = self.checkpoints.remove(name).is_some();
        self.version += u64::from(found);
        found
    }

    fn expected(&self, id: &str, want: &Want) -> Result<(u64, Rec), WriteError> {
        want.states.iter().chain(&want.not_states).try_for_each(|name| known(name))?;
        let number = self.number(id).ok_or_else(|| WriteError::NotFound { id: id.into() })?;
        let rec = &*self.records[&number];
        let holds = (want.states.is_empty() || want.states.contains(&rec.state))
            && !want.not_states.contains(&rec.state)
            && want.revision.is_none_or(|revision| revision == rec.revision);
        if holds {
            return Ok((number, rec.clone()));
        }
        Err(WriteError::Conflict {
            id: ExecutionId::new(id).unwrap(),
            expected: Box::new(want.expect()),
            actual_state: lifecycle_state(&rec.state),
            actual_revision: Revision(rec.revision),
        })
    }

    fn add_events(&mut self, number: u64, events: &[Ev], now: i64) {
        if !events.is_empty() {
            let list = Arc::make_mut(self.events.get_mut(&number).unwrap());
            list.extend(dated(events, now));
        }
    }

    fn put(&mut self, number: u64, kind: ChangeKind, after: Option<Rec>, time: i64, new_events: usize) {
        let after = after.map(Arc::new);
        let before = match &after {
            Some(rec) => self.records.insert(number, rec.clone()),
            None => self.records.remove(&number),
        };
        self.log.push(Entry { time, kind, before, after, new_events: new_events as u64 });
        self.version += 1;
    }
}

fn dated(events: &[Ev], now: i64) -> Vec<Ev> {
    let dated = |event: &Ev| Ev {
        time: event.time.or(Some(now)),
        details: event.details.clone().or(Some("{}".into())),
        ..event.clone()
    };
    events.iter().map(dated).collect()
}

/// RFC 7396, as it is written there.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(members) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let object = target.as_object_mut().unwrap();
    for (key, value) in members {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(serde_json::Value::Null), value);
        }
    }
}
