//! Where the sums of the log or of the payloads differ: which executions it concerns. Holds what is in a part whose sums differ.

use std::collections::{HashMap, HashSet};

use super::checks::Verifier;
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{PayloadPlace, decode_change, header_bytes, number_of, payload_of, payload_row};
use crate::model::change::ChangeKind;
use crate::model::error::StorageError;
use crate::model::execution::Header;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::storage::Source;

/// What is remembered of an execution while the log is read.
struct Known {
    payload_version: PayloadVersion,
    last_change: u64,
    payload_apart: bool,
    header: u64,
}

/// The last entry of the log for an execution.
struct Last {
    seq: u64,
    header: u64,
    payload: PayloadVersion,
    deleted: bool,
}

#[derive(Default)]
struct Found {
    known: HashMap<RowId, Known>,
    last: HashMap<RowId, Last>,
    /// Payloads apart that the log needs, by execution and version.
    needed: HashSet<(RowId, PayloadVersion)>,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn search_log(&mut self) -> Result<(), StorageError> {
        if self.sums.agree(Group::Log) && self.sums.agree(Group::Payloads) {
            return Ok(());
        }
        let mut found = Found::default();
        self.records_again(|verifier, record| {
            let number = record.number();
            if verifier.is_in_question(number) {
                let known = Known {
                    payload_version: record.payload_version,
                    last_change: record.last_change,
                    payload_apart: record.payload == PayloadPlace::Apart,
                    header: verifier.hash(&record.header),
                };
                found.known.insert(number, known);
            }
            Ok(())
        })?;
        self.search_changes(&mut found)?;
        self.search_payloads(&found)
    }

    fn is_in_question(&self, number: RowId) -> bool {
        self.sums.differ(Group::Log, number) || self.sums.differ(Group::Payloads, number)
    }

    fn hash(&self, header: &Header) -> u64 {
        let mut bytes = Vec::new();
        header_bytes(header, &mut bytes);
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    fn search_changes(&mut self, found: &mut Found) -> Result<(), StorageError> {
        let (tag, lifecycle) = (Tag::Changes, self.lifecycle);
        self.again::<table::Changes>(|verifier, key, value| {
            let seq = number_of(key);
            let Ok(change) = decode_change(key, value, lifecycle) else { return Ok(()) };
            let Some(of) = change.of_execution() else { return Ok(()) };
            let number = of.number;
            if !verifier.is_in_question(number) {
                return Ok(());
            }
            let before = change.before().map(|header| (verifier.hash(&header), of.payload_version_before()));
            let last = found.last.get(&number);
            let known = last.map(|last| (last.header, last.payload));
            if before.is_none() && known.is_some() {
                verifier.problem(tag, format!("{seq} creates what was there"));
            }
            if before.is_some() && known.is_some() && before != known {
                verifier.problem(tag, format!("{seq} does not begin where the change before it ended"));
            }
            let follows = last.map(|last| last.seq);
            if follows.is_some_and(|seq| seq != of.follows)
                || (follows.is_none() && of.follows > verifier.waiting.swept)
            {
                verifier.problem(tag, format!("{seq} does not say which change it follows"));
            }
            let deleted = change.kind == ChangeKind::Deleted;
            let (header, payload) = (verifier.hash(&of.header), of.payload_version);
            found.last.insert(number, Last { seq, header, payload, deleted });
            for version in [payload, of.payload_version_before()] {
                verifier.payload_of_change(found, seq, number, version)?;
            }
            Ok(())
        })?;
        for (number, last) in &found.last {
            match found.known.get(number) {
                None if !last.deleted => {
                    self.problem(tag, format!("execution number {number} is not deleted in the log"));
                }
                Some(_) if last.deleted => {
                    self.problem(tag, format!("execution number {number} is deleted in the log"));
                }
                Some(known)
                    if (known.header, known.payload_version, known.last_change)
                        != (last.header, last.payload, last.seq) =>
                {
                    let what = format!("execution number {number} is not as its last change left it");
                    self.problem(tag, what);
                }
                _ => {}
            }
        }
        let swept = self.waiting.swept;
        for (number, known) in &found.known {
            if known.last_change > swept && !found.last.contains_key(number) {
                let what = format!("execution number {number}: its last change is not in the log");
                self.problem(tag, what);
            }
        }
        Ok(())
    }

    fn payload_of_change(
        &mut self,
        found: &mut Found,
        seq: u64,
        number: RowId,
        version: PayloadVersion,
    ) -> Result<(), StorageError> {
        let known = found.known.get(&number);
        if known.is_some_and(|known| known.payload_version == version && !known.payload_apart) {
            return Ok(());
        }
        if !self.tables.has::<table::Payloads>(&payload_row(number, version))? {
            self.problem(Tag::Changes, format!("{seq}: payload {version} of execution {number} is missing"));
        }
        found.needed.insert((number, version));
        Ok(())
    }

    fn search_payloads(&mut self, found: &Found) -> Result<(), StorageError> {
        let tag = Tag::Payloads;
        let mut apart = HashSet::new();
        self.again::<table::Payloads>(|verifier, key, _| {
            let (number, version) = payload_of(key);
            if !verifier.is_in_question(number) {
                return Ok(());
            }
            let known = found.known.get(&number);
            if known.is_some_and(|known| known.payload_version == version && known.payload_apart) {
                apart.insert(number);
            } else if !found.needed.contains(&(number, version)) {
                let what = format!("payload {version} of execution number {number} is needed by nothing");
                verifier.problem(tag, what);
            }
            Ok(())
        })?;
        for (number, known) in &found.known {
            if known.payload_apart && !apart.contains(number) {
                self.problem(tag, format!("execution number {number}: its payload is missing"));
            }
        }
        Ok(())
    }
}
