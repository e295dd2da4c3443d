//! The index rows of one execution, and the counters that go with them.

use std::collections::BTreeMap;

use super::links::Targets;
use super::{Place, Writer};
use crate::change::Change;
use crate::codec::{BLOCK, Lasts, Span, SpanKind, block_of, label, label_prefix};
use crate::error::{ReadError, StorageError};
use crate::execution::Header;
use crate::schema::Tag;
use crate::text::Text;
use crate::time::Timestamp;

impl Writer<'_> {
    /// The rows of a new execution.
    pub(super) fn enter_indexes(
        &mut self,
        header: &Header,
        number: u64,
        targets: Targets,
    ) -> Result<(), StorageError> {
        self.tables.put_job(header.job_id.as_str(), number)?;
        self.enter_state(header, number)?;
        self.enter_labels(header, None, number)?;
        self.meet_links(&header.id, number)?;
        self.move_links(None, header, number, targets)
    }

    /// The rows that an update moves; what stays the same is not touched.
    pub(super) fn move_indexes(
        &mut self,
        before: &Header,
        after: &Header,
        number: u64,
        targets: Targets,
    ) -> Result<(), StorageError> {
        if before.state != after.state {
            self.leave_state(before, number)?;
            self.enter_state(after, number)?;
        }
        self.leave_labels(before, Some(after), number)?;
        self.enter_labels(after, Some(before), number)?;
        self.move_links(Some(before), after, number, targets)?;
        match after.completed_at {
            Some(at) if before.completed_at.is_none() => self.tables.put_completed(at, number),
            _ => Ok(()),
        }
    }

    /// The rows of an execution that goes.
    pub(super) fn leave_indexes(&mut self, last: &Header, number: u64) -> Result<(), StorageError> {
        self.tables.remove_job(last.job_id.as_str(), number)?;
        self.leave_state(last, number)?;
        self.leave_labels(last, None, number)?;
        self.leave_links(last, number)?;
        match last.completed_at {
            Some(at) => self.tables.remove_completed(at, number).map(drop),
            None => Ok(()),
        }
    }

    fn enter_state(&mut self, header: &Header, number: u64) -> Result<(), StorageError> {
        let code = self.code(header);
        self.totals.set_count(code, self.totals.count(code) + 1);
        self.tables.put_state(code, number)
    }

    fn leave_state(&mut self, header: &Header, number: u64) -> Result<(), StorageError> {
        let code = self.code(header);
        self.totals.set_count(code, self.totals.count(code).saturating_sub(1));
        self.tables.remove_state(code, number).map(drop)
    }

    fn code(&self, header: &Header) -> u8 {
        self.context.lifecycle.code(header.state.as_str()).unwrap_or(u8::MAX)
    }

    fn enter_labels(
        &mut self,
        header: &Header,
        other: Option<&Header>,
        number: u64,
    ) -> Result<(), StorageError> {
        let code = self.code(header);
        for (key, value) in without(header, other) {
            self.tables.put_label(key, value, code, number)?;
            self.count_label(key, value, code, |count| count + 1)?;
        }
        Ok(())
    }

    fn leave_labels(
        &mut self,
        header: &Header,
        other: Option<&Header>,
        number: u64,
    ) -> Result<(), StorageError> {
        let code = self.code(header);
        for (key, value) in without(header, other) {
            self.tables.remove_label(key, value, code, number)?;
            self.count_label(key, value, code, |count| count.saturating_sub(1))?;
        }
        Ok(())
    }

    fn count_label(
        &mut self,
        key: &str,
        value: &str,
        state: u8,
        count: impl FnOnce(u64) -> u64,
    ) -> Result<(), StorageError> {
        let row = label(key, value);
        let mut counts = match self.label_counts.remove(&row) {
            Some(counts) => counts,
            None => match self.tables.label_counts(key, value) {
                Ok(counts) => counts,
                Err(ReadError::Storage(error)) => return Err(error),
                // A damaged counter does not keep its executions from being written, and it is what says which of them a query
                // looks at: it is made again from its rows, among which this change is already.
                Err(_) => {
                    let counts = self.recounted(key, value)?;
                    self.label_counts.insert(row, counts);
                    return Ok(());
                }
            },
        };
        let place = usize::from(state);
        if counts.len() <= place {
            counts.resize(place + 1, 0);
        }
        if let Some(slot) = counts.get_mut(place) {
            *slot = count(*slot);
        }
        self.label_counts.insert(row, counts);
        Ok(())
    }

    /// How many rows a label has in each state. Those that cannot be read count too.
    fn recounted(&self, key: &str, value: &str) -> Result<Vec<u64>, StorageError> {
        let mut counts = Vec::new();
        for (state, _) in (0u8..).zip(self.context.lifecycle.states()) {
            let mut count = 0;
            for row in
                self.tables.index_rows(Tag::Labels, &label_prefix(key, value, state), &(0..=u64::MAX))?
            {
                match row {
                    Err(ReadError::Storage(error)) => return Err(error),
                    _ => count += 1,
                }
            }
            counts.push(count);
        }
        Ok(counts)
    }

    /// An execution that changes is not settled any more.
    pub(super) fn unsettle(&mut self, place: &Place) -> Result<(), StorageError> {
        if place.last_change <= self.totals.trimmed {
            self.tables.remove_settled(place.last_change)?;
        }
        Ok(())
    }

    /// `true` if the execution was not changed again.
    pub(super) fn is_last_change(&self, change: &Change) -> Result<bool, StorageError> {
        match self.tables.execution(change.number, &self.context.lifecycle) {
            Ok(found) => Ok(found.is_some_and(|found| found.last_change == change.seq.0)),
            Err(ReadError::Storage(error)) => Err(error),
            // Each of its changes may be the last of a record that cannot be read, and lists must come upon it.
            Err(_) => Ok(true),
        }
    }

    /// A number for a new execution.
    pub(super) fn begin_number(&mut self, number: u64, created: Timestamp) -> Result<(), StorageError> {
        let last = block_of(self.totals.last_number);
        if block_of(number) != last {
            let span = std::mem::take(&mut self.totals.created);
            self.put_span(SpanKind::Executions, last, &span)?;
        }
        self.totals.last_number = number;
        self.totals.created.extend(created);
        Ok(())
    }

    /// The next number of the change log.
    pub(super) fn begin_change(&mut self, modified: Timestamp) -> Result<(), StorageError> {
        let last = block_of(self.totals.head);
        self.totals.head += 1;
        if block_of(self.totals.head) != last {
            let span = std::mem::take(&mut self.totals.modified);
            self.put_span(SpanKind::Changes, last, &span)?;
            self.end_block(last)?;
        }
        self.totals.modified.extend(modified);
        Ok(())
    }

    /// Notes which changes of a full block are the last ones of their executions, and which of the blocks before it are not
    /// any more. So a list in the order of modification need not look at the others.
    fn end_block(&mut self, block: u64) -> Result<(), StorageError> {
        let swept = self.tables.swept(self.totals.trimmed)?;
        let first = block.saturating_mul(BLOCK);
        let mut lasts = Lasts::default();
        (first.max(swept + 1)..first + BLOCK).for_each(|change| lasts.set(change, true));
        let mut before: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for row in self.tables.follows_rows(first..=first + BLOCK - 1)? {
            let (change, follows) = match row {
                Ok(row) => row,
                Err(ReadError::Storage(error)) => return Err(error),
                // What it follows stays noted: who reads compares with the record.
                Err(_) => continue,
            };
            if follows.is_deleted {
                lasts.set(change, false);
            }
            if block_of(follows.follows) == block {
                lasts.set(follows.follows, false);
            } else if follows.follows > swept {
                before.entry(block_of(follows.follows)).or_default().push(follows.follows);
            }
        }
        for (block, changes) in before {
            let mut lasts = match self.tables.lasts(block) {
                Ok(Some(lasts)) => lasts,
                Err(ReadError::Storage(error)) => return Err(error),
                // Damage: `verify` tells of it.
                Ok(None) | Err(_) => continue,
            };
            changes.into_iter().for_each(|change| lasts.set(change, false));
            self.tables.put_lasts(block, &lasts)?;
        }
        self.tables.put_lasts(block, &lasts)
    }

    fn put_span(&mut self, kind: SpanKind, block: u64, span: &Span) -> Result<(), StorageError> {
        self.tables.put_span(kind, block, span)
    }
}

/// The labels that the other header does not have in the same state.
fn without<'h>(
    header: &'h Header,
    other: Option<&'h Header>,
) -> impl Iterator<Item = (&'h Text, &'h Text)> + use<'h> {
    let other = other.filter(|other| other.state == header.state);
    header
        .labels
        .iter()
        .filter(move |(key, value)| other.is_none_or(|other| other.labels.get(key.as_str()) != Some(*value)))
}
