//! The store as plain maps: what every operation must give, errors included.

use std::collections::BTreeMap;
use std::sync::Arc;

use execstore::error::{InputError, PositionError, WriteError};
use execstore::lifecycle::{Lifecycle, State};
use execstore::{ChangeKind, ChangeSeq, ExecutionId, StoreIncarnation};

use crate::buckets::{Logged, Plain};
use crate::records::{Entry, Ev, MAX_PAYLOAD, Rec, STATES, Targets, is_terminal};
use crate::reports::Reporting;
use crate::side_data::Beside;
use crate::wants::{Want, check_name};

/// What changes the parts of a record that an update names.
pub type Apply = Box<dyn Fn(&mut Rec)>;

/// What an update means.
pub struct Amend {
    pub to: Option<&'static str>,
    pub apply: Apply,
    pub patch: Option<&'static str>,
    /// It sets the parent, and the previous attempt.
    pub named: [bool; 2],
    /// Of what it is a report, if it is one.
    pub reporting: Option<Reporting>,
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
    /// The last change of each record.
    pub last_changes: BTreeMap<u64, u64>,
    /// What lies beside each record.
    pub beside: BTreeMap<u64, Arc<Beside>>,
    /// The caller's own rows.
    pub buckets: Plain,
    /// How many entries of the log were trimmed.
    pub trimmed: u64,
    /// How many operations changed something.
    pub version: u64,
    /// The latest time of a change.
    pub latest: Option<i64>,
    /// The highest version of an attachment.
    pub last_version: u64,
}

pub fn lifecycle_state(name: &str) -> State {
    Lifecycle::compute_node().state(name).unwrap().clone()
}

pub fn known(name: &str) -> Result<(), WriteError> {
    if STATES.iter().any(|(state, ..)| *state == name) {
        return Ok(());
    }
    Err(WriteError::Input(InputError::UnknownState { state: name.into() }))
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
        id if id.starts_with(' ') => Err(invalid(what, "it begins or ends with white space")),
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

    /// What an execution of this number has beside its record.
    pub fn beside(&self, number: u64) -> Arc<Beside> {
        self.beside.get(&number).cloned().unwrap_or_default()
    }

    pub fn get(&self, id: &str) -> Option<&Rec> {
        self.number(id).map(|number| &*self.records[&number])
    }

    pub fn count(&self, state: &str) -> u64 {
        self.records.values().filter(|rec| rec.state == state).count() as u64
    }

    pub fn create(&mut self, new: Rec, events: &[Ev], now: i64) -> Result<Rec, WriteError> {
        known(&new.state)?;
        if is_terminal(&new.state) {
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
        let targets = self.check_links(&new, None, [false; 2])?;
        let rec = Rec {
            targets,
            incarnation: self.last_number + 1,
            not_before: self.doubted(None, now),
            revision: 1,
            created: now,
            modified: now,
            completed: None,
            events: events.len() as u64,
            ..new
        };
        self.last_number += 1;
        // The first of an id takes up the links to it.
        for known in self.records.values_mut() {
            for place in 0..2 {
                let (id, target) = known.links()[place];
                if target == 0 && id == Some(&rec.id) {
                    Arc::make_mut(known).targets.0[place] = self.last_number;
                }
            }
        }
        self.events.insert(self.last_number, Arc::new(dated(events, now)));
        self.put(self.last_number, ChangeKind::Created, Some(rec.clone()), now, events.len());
        Ok(rec)
    }

    pub fn update(
        &mut self,
        id: &str,
        want: &Want,
        amend: &Amend,
        events: &[Ev],
        now: i64,
    ) -> Result<Rec, WriteError> {
        let (number, before) = self.expected(id, want)?;
        self.update_as(number, before, amend, events, now)
    }

    /// Updates what was found to be as wanted.
    pub fn update_as(
        &mut self,
        number: u64,
        before: Rec,
        amend: &Amend,
        events: &[Ev],
        now: i64,
    ) -> Result<Rec, WriteError> {
        check_events(events)?;
        if let Some(why) = amend.reporting.and_then(|says| says.late(&before)) {
            return Err(WriteError::Late { id: ExecutionId::new(&before.id).unwrap(), why });
        }
        let mut after = self.amended(&before, amend, now)?;
        after.targets = self.check_links(&after, Some((number, &before)), amend.named)?;
        after.not_before = self.doubted(before.not_before, now);
        after.events += events.len() as u64;
        self.add_events(number, events, now);
        self.put(number, ChangeKind::Updated, Some(after.clone()), now, events.len());
        Ok(after)
    }

    /// The record as an update makes it, before anything but itself is looked at.
    pub fn amended(&self, before: &Rec, amend: &Amend, now: i64) -> Result<Rec, WriteError> {
        let mut after = before.clone();
        after.revision += 1;
        after.modified = now.max(before.modified);
        // A report may tell of the state that the execution is in.
        let stays = |to: &&str| amend.reporting.is_some() && *to == before.state;
        if let Some(to) = amend.to.filter(|to| !stays(to)) {
            known(to)?;
            let row = STATES.iter().find(|(name, ..)| *name == before.state).unwrap();
            let (from, to_state) = (lifecycle_state(&before.state), lifecycle_state(to));
            let id = ExecutionId::new(&before.id).unwrap();
            if row.1 {
                return Err(WriteError::Terminal { id, state: from, to: to_state });
            }
            if !row.2.contains(&to) {
                return Err(WriteError::Transition { id, from, to: to_state });
            }
            after.state = to.into();
            if is_terminal(to) {
                after.completed = Some(after.modified);
            }
        }
        amend.reporting.unwrap_or_default().note(&mut after);
        (amend.apply)(&mut after);
        check_id("parent", after.parent.as_deref().unwrap_or("x"))?;
        check_parts(&after)?;
        if let Some(patch) = amend.patch {
            check_payload(patch)?;
            let known: serde_json::Value = serde_json::from_str(&after.payload).unwrap();
            let mut value = known.clone();
            merge(&mut value, &serde_json::from_str(patch).unwrap());
            if value != known {
                after.payload = value.to_string().into();
            }
        }
        if after.payload != before.payload {
            check_payload(&after.payload)?;
        }
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
        after.not_before = self.doubted(before.not_before, now);
        after.events += events.len() as u64;
        self.add_events(number, events, now);
        self.put(number, ChangeKind::EventsAppended, Some(after.clone()), now, events.len());
        Ok(after)
    }

    pub fn delete(&mut self, id: &str, want: &Want, now: i64) -> Result<Rec, WriteError> {
        let (number, before) = self.expected(id, want)?;
        self.events.remove(&number);
        self.beside.remove(&number);
        self.put(number, ChangeKind::Deleted, None, now, 0);
        Ok(before)
    }

    pub fn set_checkpoint(
        &mut self,
        name: &str,
        seq: u64,
        store: StoreIncarnation,
    ) -> Result<(), WriteError> {
        check_name("checkpoint name", name)?;
        let head = self.log.len() as u64;
        if seq > head {
            let (seq, head) = (ChangeSeq(seq), ChangeSeq(head));
            return Err(PositionError::BeyondHead { seq, incarnation: store, head }.into());
        }
        if seq < self.trimmed && self.checkpoints.get(name).is_none_or(|saved| seq < *saved) {
            let (requested, oldest) = (ChangeSeq(seq + 1), ChangeSeq(self.trimmed + 1));
            return Err(PositionError::Trimmed { requested, oldest }.into());
        }
        self.checkpoints.insert(name.into(), seq);
        self.version += 1;
        Ok(())
    }

    /// A checkpoint must be where it was read, or not be.
    pub fn check_checkpoint(&self, name: &str, expected: Option<u64>) -> Result<(), WriteError> {
        check_name("checkpoint name", name)?;
        let found = self.checkpoints.get(name).copied();
        if found == expected {
            return Ok(());
        }
        let [expected, found] = [expected, found].map(|seq| seq.map(ChangeSeq));
        Err(WriteError::CheckpointMoved { name: name.into(), expected, found })
    }

    pub fn delete_checkpoint(&mut self, name: &str) -> bool {
        let found = self.checkpoints.remove(name).is_some();
        self.version += u64::from(found);
        found
    }

    pub fn trim(&mut self, upto: u64) -> u64 {
        let hold = self.checkpoints.values().min().copied().unwrap_or(u64::MAX);
        let end = upto.min(hold).min(self.log.len() as u64);
        let gone = end.saturating_sub(self.trimmed);
        self.trimmed += gone;
        self.version += u64::from(gone > 0);
        gone
    }

    /// Where the links lead. None leads back to its own record.
    fn check_links(
        &self,
        after: &Rec,
        before: Option<(u64, &Rec)>,
        named: [bool; 2],
    ) -> Result<Targets, WriteError> {
        let mut targets = [0; 2];
        for place in 0..2 {
            let Some(link) = after.links()[place].0 else { continue };
            let known = before.map(|(_, rec)| rec.links()[place]).filter(|(id, _)| *id == Some(link));
            let number = self.number(link);
            targets[place] = number.unwrap_or(0);
            if let Some((_, target)) = known
                && (!named[place] || number.is_none_or(|number| number == target))
            {
                targets[place] = target;
                continue;
            }
            let (mut reached, own) =
                (std::collections::BTreeSet::from([targets[place]]), before.map(|(own, _)| own));
            let mut back = link == after.id;
            loop {
                let further: Vec<u64> = reached
                    .iter()
                    .filter_map(|number| self.records.get(number))
                    .flat_map(|rec| rec.links())
                    .inspect(|(id, target)| back |= own.is_none() && *target == 0 && *id == Some(&after.id))
                    .map(|(_, target)| target)
                    .collect();
                let before = reached.len();
                reached.extend(further);
                if reached.len() == before {
                    break;
                }
            }
            if back || own.is_some_and(|own| reached.contains(&own)) {
                let id = |id: &str| ExecutionId::new(id).unwrap();
                return Err(WriteError::Cycle { id: id(&after.id), link: id(link) });
            }
        }
        Ok(Targets(targets))
    }

    /// The store's own last time, if the clock stands before it.
    fn doubted(&self, before: Option<i64>, now: i64) -> Option<i64> {
        before.max(self.latest.filter(|latest| now < *latest))
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
        match after.is_some() {
            true => self.last_changes.insert(number, self.log.len() as u64 + 1),
            false => self.last_changes.remove(&number),
        };
        self.latest = self.latest.max(Some(time));
        let new_events = new_events as u64;
        self.log.push(Entry { time, kind, before, after, new_events, bucket: None });
        self.version += 1;
    }

    /// What was logged of buckets.
    pub fn log_buckets(&mut self, logged: Vec<Logged>, time: i64) {
        for bucket in logged {
            self.latest = self.latest.max(Some(time));
            let (kind, bucket) = (bucket.kind, Some(bucket));
            self.log.push(Entry { time, kind, before: None, after: None, new_events: 0, bucket });
        }
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
