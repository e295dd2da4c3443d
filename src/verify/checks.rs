//! The checks of `verify`, table by table.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use super::Report;
use super::doomed::Waiting;
use super::indexes::Indexed;
use crate::change::ChangeKind;
use crate::codec::{IdKey, Totals, decode_number, pair_of};
use crate::error::{ReadError, StorageError};
use crate::lifecycle::Lifecycle;
use crate::reader::sealed::View;
use crate::schema::Tag;
use crate::tables::{Source, Tables};
use crate::txn::ReadTxn;

/// What is remembered of an execution while the other tables are read.
struct Known {
    events: u64,
    events_seen: u64,
    payload_version: u64,
    last_change: u64,
    payload_apart: bool,
    /// The header's hash, to compare with the last change of the log.
    header: u64,
}

/// The last entry of the log for an execution.
struct Last {
    seq: u64,
    header: u64,
    payload: u64,
    deleted: bool,
}

pub(super) struct Verifier<'a, S: Source> {
    pub(super) tables: &'a Tables<S>,
    pub(super) lifecycle: &'a Lifecycle,
    pub(super) report: Report,
    known: HashMap<u64, Known>,
    /// Payloads apart that the change log needs, by execution and version.
    needed: HashSet<(u64, u64)>,
    counts: Totals,
    pub(super) indexed: Indexed,
    pub(super) waiting: Waiting,
}

/// Everything that can be wrong in a snapshot.
pub(crate) fn verify(txn: &ReadTxn) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let totals = match txn.tables().totals() {
        Ok(totals) => totals,
        Err(ReadError::Damaged(damage)) => {
            report.add(Tag::Totals.name(), damage.to_string());
            Totals::default()
        }
        Err(error) => return Err(error),
    };
    let mut verifier = Verifier {
        tables: txn.tables(),
        lifecycle: &txn.context().lifecycle,
        report,
        known: HashMap::new(),
        needed: HashSet::new(),
        counts: Totals::default(),
        indexed: Indexed::new(&totals),
        waiting: Waiting::default(),
    };
    verifier.doomed(&totals)?;
    verifier.executions(&totals)?;
    verifier.ids()?;
    verifier.indexes()?;
    verifier.counters(&totals);
    verifier.unmet(&totals);
    verifier.spans()?;
    verifier.events()?;
    verifier.changes(&totals)?;
    verifier.lasts(&totals)?;
    verifier.payloads()?;
    verifier.checkpoints(&totals)?;
    verifier.beside()?;
    verifier.seal(&totals)?;
    Ok(verifier.report)
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn problem(&mut self, tag: Tag, what: impl Into<String>) {
        self.report.add(tag.name(), what);
    }

    /// A row, or its damage noted; storage errors end the verification.
    pub(super) fn row<T>(&mut self, tag: Tag, row: Result<T, ReadError>) -> Result<Option<T>, StorageError> {
        match row {
            Ok(row) => Ok(Some(row)),
            Err(ReadError::Storage(error)) => Err(error),
            Err(error) => {
                self.problem(tag, error.to_string());
                Ok(None)
            }
        }
    }

    /// `true` if there is an execution of this number.
    pub(super) fn is_known(&self, number: u64) -> bool {
        self.known.contains_key(&number)
    }

    fn executions(&mut self, totals: &Totals) -> Result<(), ReadError> {
        for row in self.tables.execution_rows(0..=u64::MAX, self.lifecycle)? {
            let Some(found) = self.row(Tag::Executions, row)? else {
                continue;
            };
            self.report.executions += 1;
            self.reachable(Tag::Executions, &found.number.to_be_bytes())?;
            let header = &found.header;
            let id = &header.id;
            if self.waiting.execution(found.number) {
                self.problem(Tag::Doomed, format!("{id}: it is there, and its rows wait to be removed"));
            }
            if found.number > totals.last_number {
                self.problem(Tag::Executions, format!("{id}: number {} was never given", found.number));
            }
            if header.modified_at < header.created_at {
                self.problem(Tag::Executions, format!("{id}: it was modified before it was created"));
            }
            if header.completed_at.is_some() != header.state.is_terminal() {
                self.problem(Tag::Executions, format!("{id}: the completed time does not fit its state"));
            }
            let number = self.tables.number(id.as_str());
            if self.row(Tag::Ids, number)?.flatten() != Some(found.number) {
                self.problem(Tag::Ids, format!("{id}: it has no row, or that of another execution"));
            }
            let code = self.lifecycle.code(header.state.as_str()).unwrap_or(u8::MAX);
            self.counts.set_count(code, self.counts.count(code) + 1);
            self.index_rows(&found)?;
            let header = &found.header;
            let known = Known {
                events: header.event_count,
                events_seen: 0,
                payload_version: found.payload_version,
                last_change: found.last_change,
                payload_apart: found.payload.is_none(),
                header: hash(header),
            };
            self.known.insert(found.number, known);
        }
        Ok(())
    }

    /// A row that a walk through its table finds must also be found by its key: damage to the inner pages of
    /// the tree may hide it from look-ups alone.
    pub(super) fn reachable(&mut self, tag: Tag, key: &[u8]) -> Result<(), StorageError> {
        if !self.tables.has_row(tag, key)? {
            self.problem(tag, format!("key {}: look-ups do not find it", hex(key)));
        }
        Ok(())
    }

    fn ids(&mut self) -> Result<(), ReadError> {
        for row in self.tables.raw(Tag::Ids)? {
            let Some((key, value)) = self.row(Tag::Ids, row)? else {
                continue;
            };
            self.reachable(Tag::Ids, &key)?;
            match decode_number(Tag::Ids as u8, &key, &value) {
                Err(reason) => self.problem(Tag::Ids, format!("key {}: {reason}", hex(&key))),
                Ok(number) => {
                    let found = self.tables.execution(number, self.lifecycle);
                    let found = self.row(Tag::Executions, found)?.flatten();
                    if found.is_none_or(|found| *IdKey::of(found.header.id.as_str()) != *key) {
                        let key = hex(&key);
                        self.problem(
                            Tag::Ids,
                            format!("key {key}: there is no such execution number {number}"),
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn counters(&mut self, totals: &Totals) {
        for (code, state) in (0u8..).zip(self.lifecycle.states()) {
            let (counted, kept) = (self.counts.count(code), totals.count(code));
            if counted != kept {
                self.problem(Tag::Totals, format!("the counter of {state} is {kept}, not {counted}"));
            }
        }
    }

    fn events(&mut self) -> Result<(), ReadError> {
        for row in self.tables.raw(Tag::Events)? {
            let Some((key, value)) = self.row(Tag::Events, row)? else {
                continue;
            };
            self.reachable(Tag::Events, &key)?;
            self.report.events += 1;
            let (number, seq) = key.as_slice().try_into().map(pair_of).unwrap_or_default();
            if let Err(reason) = crate::codec::decode_event(Tag::Events as u8, &key, seq.into(), &value) {
                self.problem(Tag::Events, format!("key {}: {reason}", hex(&key)));
            }
            let expected = self.known.get_mut(&number).map(|known| {
                known.events_seen += 1;
                known.events_seen
            });
            match expected {
                None if self.waiting.execution(number) => {}
                None => self.problem(Tag::Events, format!("key {}: it has no execution", hex(&key))),
                Some(expected) if expected != seq => {
                    self.problem(Tag::Events, format!("key {}: number {expected} was expected", hex(&key)));
                    self.known.entry(number).and_modify(|known| known.events_seen = seq);
                }
                Some(_) => {}
            }
        }
        let short: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| known.events != known.events_seen)
            .map(|(number, known)| {
                format!("execution number {number}: {} events, not {}", known.events_seen, known.events)
            })
            .collect();
        short.into_iter().for_each(|what| self.problem(Tag::Events, what));
        Ok(())
    }

    /// The log has no gaps up to its head, each entry begins where the one before it for the same execution
    /// ended, and the last one ends at the record.
    fn changes(&mut self, totals: &Totals) -> Result<(), ReadError> {
        let mut last: HashMap<u64, Last> = HashMap::new();
        let mut expected = self.waiting.swept + 1;
        for row in self.tables.change_rows(0..=u64::MAX, self.lifecycle)? {
            let Some(change) = self.row(Tag::Changes, row)? else {
                expected += 1;
                continue;
            };
            self.report.changes += 1;
            let seq = change.seq;
            if expected != seq.0 {
                self.problem(Tag::Changes, format!("{seq} follows a gap"));
            }
            expected = seq.0 + 1;
            self.reachable(Tag::Changes, &seq.0.to_be_bytes())?;
            if change.link.is_some() && totals.seal.is_none() {
                self.problem(Tag::Changes, format!("{seq} has a hash, and the store is not tamper-evident"));
            }
            let before = change.before().map(|header| (hash(&header), change.payload_version_before()));
            let known = last.get(&change.number).map(|last| (last.header, last.payload));
            if before.is_none() && known.is_some() {
                self.problem(Tag::Changes, format!("{seq} creates what was there"));
            }
            if before.is_some() && known.is_some() && before != known {
                self.problem(Tag::Changes, format!("{seq} does not begin where the change before it ended"));
            }
            let follows = last.get(&change.number).map(|last| last.seq);
            if follows.is_some_and(|seq| seq != change.follows)
                || (follows.is_none() && change.follows > self.waiting.swept)
            {
                self.problem(Tag::Changes, format!("{seq} does not say which change it follows"));
            }
            let deleted = change.kind == ChangeKind::Deleted;
            let (header, payload) = (hash(&change.header), change.payload_version);
            last.insert(change.number, Last { seq: seq.0, header, payload, deleted });
            for version in [change.payload_version, change.payload_version_before()] {
                self.payload_of_change(seq.0, change.number, version)?;
            }
        }
        if expected != totals.head + 1 {
            self.problem(Tag::Changes, format!("the log does not end at its head, {}", totals.head));
        }
        let mut wrong = Vec::new();
        for (number, last) in &last {
            match self.known.get(number) {
                None if !last.deleted => {
                    wrong.push(format!("execution number {number} is not deleted in the log"))
                }
                Some(_) if last.deleted => {
                    wrong.push(format!("execution number {number} is deleted in the log"))
                }
                Some(known)
                    if (known.header, known.payload_version, known.last_change)
                        != (last.header, last.payload, last.seq) =>
                {
                    wrong.push(format!("execution number {number} is not as its last change left it"));
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.problem(Tag::Changes, what));
        Ok(())
    }

    fn payload_of_change(&mut self, seq: u64, number: u64, version: u64) -> Result<(), StorageError> {
        let inline =
            self.known.get(&number).is_some_and(|k| k.payload_version == version && !k.payload_apart);
        if !inline && !self.tables.has_row(Tag::Payloads, &crate::codec::pair(number, version))? {
            self.problem(Tag::Changes, format!("{seq}: payload {version} of execution {number} is missing"));
        }
        if !inline {
            self.needed.insert((number, version));
        }
        Ok(())
    }

    fn payloads(&mut self) -> Result<(), ReadError> {
        let mut apart: HashMap<u64, u64> = HashMap::new();
        for row in self.tables.raw(Tag::Payloads)? {
            let Some((key, value)) = self.row(Tag::Payloads, row)? else {
                continue;
            };
            self.reachable(Tag::Payloads, &key)?;
            self.report.payloads += 1;
            let Ok(key) = <&[u8; 16]>::try_from(key.as_slice()) else {
                continue;
            };
            let payload = self.tables.check_payload(key, &value);
            self.row(Tag::Payloads, payload)?;
            let (number, version) = pair_of(key);
            let known = self.known.get(&number);
            if known.is_some_and(|known| known.payload_version == version && known.payload_apart) {
                apart.insert(number, version);
            } else if !self.needed.contains(&(number, version)) {
                self.problem(
                    Tag::Payloads,
                    format!("payload {version} of execution number {number} is needed by nothing"),
                );
            }
        }
        let missing: Vec<_> = self
            .known
            .iter()
            .filter(|(number, known)| known.payload_apart && !apart.contains_key(number))
            .map(|(number, _)| format!("execution number {number}: its payload is missing"))
            .collect();
        missing.into_iter().for_each(|what| self.problem(Tag::Payloads, what));
        Ok(())
    }

    fn checkpoints(&mut self, totals: &Totals) -> Result<(), ReadError> {
        for row in self.tables.checkpoint_rows()? {
            let Some((name, seq)) = self.row(Tag::Checkpoints, row)? else {
                continue;
            };
            self.report.checkpoints += 1;
            self.reachable(Tag::Checkpoints, name.as_bytes())?;
            if seq.0 > totals.head {
                self.problem(Tag::Checkpoints, format!("{name:?} is beyond the head, {}", totals.head));
            }
        }
        Ok(())
    }
}

fn hash(header: &impl std::fmt::Debug) -> u64 {
    xxhash_rust::xxh3::xxh3_64(format!("{header:?}").as_bytes())
}

pub(super) fn hex(key: &[u8]) -> impl Display {
    key.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
}
