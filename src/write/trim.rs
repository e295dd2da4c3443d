//! Forgetting the oldest entries of the change log.

use super::Writer;
use crate::format::{Removal, block_of};
use crate::model::error::{ReadError, StorageError, WriteError};
use crate::model::hash::Hash;
use crate::model::id::ChangeSeq;
use crate::model::integrity::change_hash;
use crate::readable::Readable;
use crate::storage::Budget;

/// What an entry costs of a budget: it is decoded, its execution is looked up, and it is removed.
const ENTRY: u64 = 2;
/// Entries after which the budget is looked at: each may free a large payload.
const PART: u64 = 16;

impl Writer<'_> {
    /// Forgets the entries of the change log up to this one, but none that a checkpoint is still before.
    /// Gives how many were forgotten.
    ///
    /// No reader finds them from the commit on. Up to about five hundred go at once, with the payloads that only they needed; the
    /// rest goes afterwards, a few milliseconds at a time, see [`Store::maintain`](crate::Store::maintain). So this costs the
    /// same however many there are. The numbers go on from the head as before.
    pub fn trim_changes(&mut self, up_to: ChangeSeq) -> Result<u64, WriteError> {
        let checkpoints = self.log().checkpoints()?;
        let hold = checkpoints.into_values().min().map_or(up_to, |hold| hold.min(up_to));
        self.forget_changes(hold.0)
    }

    /// The same, whatever the checkpoints say.
    pub(crate) fn forget_changes(&mut self, end: u64) -> Result<u64, WriteError> {
        let end = end.min(self.totals.head);
        let first = self.totals.trimmed + 1;
        if end < first {
            return Ok(0);
        }
        let anchor = self.hash_of(end)?;
        self.storing(|w| {
            w.totals.trimmed = end;
            if let (Some(seal), Some(anchor)) = (&mut w.totals.seal, anchor) {
                seal.anchor = anchor;
            }
            w.discard(Removal::Log { first, last: end })?;
            w.put_totals()
        })?;
        Ok(end + 1 - first)
    }

    /// The hash of an entry of a tamper-evident log; of a damaged one as the entry after it has it.
    fn hash_of(&self, seq: u64) -> Result<Option<Hash>, ReadError> {
        let Some(seal) = &self.totals.seal else { return Ok(None) };
        if seq == self.totals.head {
            return Ok(Some(seal.head));
        }
        let rows = self.tables.change_rows(seq..=seq + 1, &self.settings.lifecycle)?;
        for row in rows {
            match row {
                Ok(change) if change.seq.0 == seq => {
                    return Ok(change.link.map(|link| change_hash(seq, &change.entry(), &link)));
                }
                Ok(next) => return Ok(next.link.map(|link| link.previous)),
                Err(ReadError::Storage(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Removes trimmed entries, from the first on, and what only they needed. Gives the first that is left.
    pub(super) fn sweep_log(
        &mut self,
        first: u64,
        last: u64,
        budget: &mut Budget,
    ) -> Result<u64, StorageError> {
        let mut first = first;
        while !budget.is_spent() && first <= last {
            let (before, end) = (self.tables.removed(), last.min(first.saturating_add(PART - 1)));
            self.forget_entries(first, end)?;
            let freed = self.tables.removed().1 - before.1;
            budget.0 = budget.0.saturating_sub((end + 1 - first) * ENTRY);
            budget.spend(freed);
            budget.is_late();
            first = end + 1;
        }
        Ok(first)
    }

    fn forget_entries(&mut self, first: u64, end: u64) -> Result<(), StorageError> {
        let (mut freed, mut settled) = (Vec::new(), Vec::new());
        for change in self.tables.change_rows(first..=end, &self.settings.lifecycle)? {
            match change {
                Ok(change) => {
                    freed.extend(change.last_need());
                    if let Some(number) = change.of_execution().map(|of| of.number) {
                        let is_last = self.is_last_change(change.seq.0, number)?;
                        settled.extend(is_last.then_some((change.seq.0, number)));
                    }
                }
                Err(ReadError::Storage(error)) => return Err(error),
                // It goes too; a payload that it needed stays behind.
                Err(_) => {}
            }
        }
        for (seq, number) in settled {
            self.tables.put_last_change(seq, number)?;
        }
        for seq in first..=end {
            self.tables.remove_change(seq)?;
            if block_of(seq) != block_of(seq + 1) {
                self.tables.remove_last_change_bits(block_of(seq))?;
            }
        }
        for (number, version) in freed {
            self.tables.remove_payload(number, version)?;
        }
        Ok(())
    }
}
