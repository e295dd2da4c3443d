//! The order of the checks, and what they share.

use std::collections::HashSet;
use std::fmt::Display;

use super::VerifyReport;
use super::bits::Bits;
use super::indexed::Indexed;
use super::sums::{Group, Sums};
use super::waiting::Waiting;
use crate::format::schema::{Tag, table};
use crate::format::{Totals, decode, without_zeros};
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::{Sum, row_hash};
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::RowId;
use crate::read::View;
use crate::storage::{Pick, Source, Stored, Tables, Walked, damaged};
use crate::txn::ReadTxn;

pub(super) struct Verifier<'a, S: Source> {
    pub(super) tables: &'a Tables<S>,
    pub(super) lifecycle: &'a Lifecycle,
    pub(super) totals: &'a Totals,
    pub(super) report: VerifyReport,
    pub(super) counts: Totals,
    pub(super) sums: Sums,
    pub(super) indexed: Indexed,
    pub(super) waiting: Waiting,
    /// The executions whose first entry in the log, or whose record if they have none there, was seen.
    pub(super) begun: Bits,
    /// The sum over all rows of a tamper-evident store.
    pub(super) sum: Sum,
    /// The last execution that was asked for, and whether it is there.
    asked: Option<(RowId, bool)>,
    /// The tables that were walked through.
    walked: HashSet<Tag>,
    /// How many tables were walked through once more, because something was wrong.
    pub(super) searched: u64,
}

/// Everything that can be wrong in a snapshot.
pub(crate) fn verify(txn: &ReadTxn) -> Result<VerifyReport, ReadError> {
    let mut report = VerifyReport::default();
    let totals = match txn.tables().totals() {
        Ok(totals) => totals,
        Err(ReadError::Damaged(damage)) => {
            report.add(Tag::Totals.name(), damage.to_string());
            Totals::default()
        }
        Err(error) => return Err(error),
    };
    let mut verifier = Verifier::new(txn.tables(), &txn.settings().lifecycle, &totals, report);
    verifier.everything()?;
    Ok(verifier.report)
}

impl<'a, S: Source> Verifier<'a, S> {
    pub(super) fn new(
        tables: &'a Tables<S>,
        lifecycle: &'a Lifecycle,
        totals: &'a Totals,
        report: VerifyReport,
    ) -> Self {
        Self {
            tables,
            lifecycle,
            totals,
            report,
            counts: Totals::default(),
            sums: Sums::new(),
            indexed: Indexed::new(totals),
            waiting: Waiting::default(),
            begun: Bits::default(),
            sum: Sum::default(),
            asked: None,
            walked: HashSet::new(),
            searched: 0,
        }
    }

    /// All checks. The tables are walked through in two halves at the same time, which share nothing but the key of the hashes.
    pub(super) fn everything(&mut self) -> Result<(), ReadError>
    where
        Tables<S>: Sync,
    {
        self.removals()?;
        let (mut other, mut walked) = (self.other(), None);
        let own = std::thread::scope(|scope| {
            let spawned = std::thread::Builder::new()
                .name("execstore-verify".into())
                .spawn_scoped(scope, || walked = Some(other.walk_history()));
            let own = self.walk_records();
            if let Ok(Err(panic)) = spawned.map(|thread| thread.join()) {
                std::panic::resume_unwind(panic);
            }
            own
        });
        own?;
        match walked {
            Some(walked) => walked?,
            // There was no thread to be had.
            None => other.walk_history()?,
        }
        self.join(other);
        self.compare()
    }

    /// One for the other half.
    pub(super) fn other(&self) -> Self {
        let mut other = Self::new(self.tables, self.lifecycle, self.totals, VerifyReport::default());
        other.sums = self.sums.other();
        other.waiting = self.waiting.clone();
        other
    }

    /// Takes what the other half has found.
    pub(super) fn join(&mut self, other: Self) {
        self.report.join(other.report);
        self.sums.join(other.sums);
        self.sum.add_sum(other.sum);
        for number in self.begun.both(&other.begun) {
            self.sums.doubt(Group::Log, number);
        }
        self.walked.extend(other.walked);
        self.searched += other.searched;
    }

    pub(super) fn walk_records(&mut self) -> Result<(), ReadError> {
        self.records()?;
        self.ids()?;
        self.indexes()?;
        Ok(())
    }

    pub(super) fn walk_history(&mut self) -> Result<(), ReadError> {
        self.events()?;
        self.log()?;
        self.payloads()?;
        self.beside()
    }

    /// What both halves have said.
    pub(super) fn compare(&mut self) -> Result<(), ReadError> {
        self.search_indexes()?;
        self.namespaces()?;
        self.counters();
        self.unmet();
        self.spans()?;
        self.search_events()?;
        self.last_change_bits()?;
        self.search_log()?;
        self.checkpoints()?;
        self.others()?;
        self.seal()?;
        self.nothing_unnamed();
        Ok(())
    }

    /// Sums that differ where nothing is found are a problem of their own.
    pub(super) fn nothing_unnamed(&mut self) {
        for group in Group::ALL {
            if self.report.is_clean() && !self.sums.agree(group) {
                self.problem(group.tag(), "the rows are not those that there should be");
            }
        }
    }

    pub(super) fn problem(&mut self, tag: Tag, what: impl Into<String>) {
        self.report.add(tag.name(), what);
    }

    /// A row that cannot be read.
    pub(super) fn damaged(&mut self, tag: Tag, key: &[u8], reason: String) {
        self.problem(tag, ReadError::from(damaged(tag, key, reason)).to_string());
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

    /// Every row of a table, once, in the order of the keys. Tells of those that are out of their place, or that look-ups do not
    /// find, and adds them up in a tamper-evident store.
    pub(super) fn walk<T: Stored>(
        &mut self,
        mut row: impl FnMut(&mut Self, &T::Key, &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let tables = self.tables;
        let is_summed = self.totals.seal.is_some() && T::TAG.is_summed();
        let walked = tables.walk::<T>(&mut |found| match found {
            Ok((key, value)) => {
                if is_summed {
                    self.sum.add(row_hash(T::TAG.byte(), key.as_ref(), value));
                }
                row(self, key, value)
            }
            Err(damage) => {
                self.problem(T::TAG, ReadError::from(damage).to_string());
                Ok(())
            }
        })?;
        self.compare_rows(T::TAG, &walked);
        if walked.all_found { Ok(()) } else { self.unreachable::<T>() }
    }

    /// A table holds as many rows as were written to it. Those that a page hides may be missed by nothing else.
    fn compare_rows(&mut self, tag: Tag, walked: &Walked) {
        self.walked.insert(tag);
        let Walked { rows, noted, .. } = walked;
        if rows != noted {
            self.problem(tag, format!("{rows} rows can be read, not {noted}"));
        }
    }

    /// The tables that no other check walks through.
    fn others(&mut self) -> Result<(), StorageError> {
        for tag in Tag::ALL {
            if !self.walked.contains(&tag) {
                let walked = self.tables.walk_any(tag, &mut |_| Ok(()))?;
                self.compare_rows(tag, &walked);
            }
        }
        Ok(())
    }

    /// Which rows a walk finds and look-ups do not.
    fn unreachable<T: Stored>(&mut self) -> Result<(), StorageError> {
        self.again::<T>(|verifier, key, _| {
            if !verifier.tables.has::<T>(key)? {
                verifier.problem(T::TAG, format!("key {}: look-ups do not find it", hex(key.as_ref())));
            }
            Ok(())
        })
    }

    /// Every row of a table that lies in its place, once more, because something is wrong.
    pub(super) fn again<T: Stored>(
        &mut self,
        mut row: impl FnMut(&mut Self, &T::Key, &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.searched += 1;
        let tables = self.tables;
        let walked = tables.walk::<T>(&mut |found| match found {
            Ok((key, value)) => row(self, key, value),
            Err(_) => Ok(()),
        });
        walked.map(drop)
    }

    /// `true` if there is an execution of this number, which can be read.
    pub(super) fn is_execution(&mut self, number: RowId) -> Result<bool, StorageError> {
        if let Some((asked, is_there)) = self.asked
            && asked == number
        {
            return Ok(is_there);
        }
        let none = Pick { keep: &|_| false, payload: false };
        let is_there = match self.tables.execution_if(number, self.lifecycle, none) {
            Ok(found) => found.is_some(),
            Err(ReadError::Storage(error)) => return Err(error),
            Err(_) => false,
        };
        self.asked = Some((number, is_there));
        Ok(is_there)
    }

    fn counters(&mut self) {
        let (counted, kept) = (without_zeros(&self.counts.named), without_zeros(&self.totals.named));
        if counted != kept {
            let what = format!(
                "by state, {kept:?} executions have another namespace than the default one, not {counted:?}"
            );
            self.problem(Tag::Totals, what);
        }
        for (code, state) in (0u8..).zip(self.lifecycle.states()) {
            let (counted, kept) = (self.counts.count(code), self.totals.count(code));
            if counted != kept {
                self.problem(Tag::Totals, format!("the counter of {state} is {kept}, not {counted}"));
            }
        }
    }

    fn checkpoints(&mut self) -> Result<(), StorageError> {
        let (tag, head) = (Tag::Checkpoints, self.totals.head);
        self.walk::<table::Checkpoints>(|verifier, key, value| {
            let name = std::str::from_utf8(key).map_err(|error| error.to_string());
            match name.and_then(|name| Ok((name, decode::<table::Checkpoints>(key, value)?))) {
                Err(reason) => verifier.damaged(tag, key, reason),
                Ok((name, seq)) => {
                    verifier.report.checkpoints += 1;
                    if seq.0 > head {
                        verifier.problem(tag, format!("{name:?} is beyond the head, {head}"));
                    }
                }
            }
            Ok(())
        })
    }
}

pub(super) fn hex(key: &[u8]) -> impl Display {
    key.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
}
