//! The change log: checkpoints in it, and its trimming.

use super::Writer;
use crate::error::{ReadError, WriteError};
use crate::id::ChangeSeq;
use crate::limits::check_name;
use crate::reader::Readable;
use crate::seal::{Hash, change_hash};

/// # The change log
impl Writer<'_> {
    /// Saves a position in the change log under a name of 1 to 256 bytes, at most the head of the log.
    pub fn set_checkpoint(&mut self, name: impl AsRef<str>, seq: ChangeSeq) -> Result<(), WriteError> {
        let name = name.as_ref();
        check_name("checkpoint name", name)?;
        if seq.0 > self.totals.head {
            return Err(WriteError::CheckpointBeyondHead { seq: seq.0, head: self.totals.head });
        }
        self.storing(|w| {
            w.tables.put_checkpoint(name, seq)?;
            w.put_totals()
        })
    }

    /// Forgets a checkpoint; `false` if there was none of this name.
    pub fn delete_checkpoint(&mut self, name: impl AsRef<str>) -> Result<bool, WriteError> {
        if self.checkpoint(&name)?.is_none() {
            return Ok(false);
        }
        self.storing(|w| {
            w.tables.remove_checkpoint(name.as_ref())?;
            w.put_totals()
        })?;
        Ok(true)
    }

    /// Forgets the entries of the change log up to this one, but none that a checkpoint is still before.
    /// Gives how many were forgotten.
    ///
    /// Payloads that only those entries needed are freed. The numbers go on from the head as before. Costs a few
    /// microseconds for each entry: trim a long log in several transactions, or leave it to
    /// [`Store::maintain`](crate::Store::maintain).
    pub fn trim_changes(&mut self, up_to: ChangeSeq) -> Result<u64, WriteError> {
        let checkpoints = self.checkpoints()?;
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
        let (mut freed, mut settled, mut anchor) = (Vec::new(), Vec::new(), None);
        for change in self.tables.change_rows(first..=end, &self.context.lifecycle)? {
            match change {
                Ok(change) => {
                    anchor = change.link.map(|link| change_hash(change.seq.0, &change.entry(), &link));
                    freed.extend(change.last_need());
                    settled.extend(self.is_last_change(&change)?.then_some((change.seq.0, change.number)));
                }
                // It goes too; a payload that it needed stays behind.
                Err(ReadError::Damaged(_)) => anchor = None,
                Err(error) => return Err(error.into()),
            }
        }
        if anchor.is_none() {
            anchor = self.hash_of(end)?;
        }
        self.storing(|w| {
            for (seq, number) in settled {
                w.tables.put_settled(seq, number)?;
            }
            for seq in first..=end {
                w.tables.remove_change(seq)?;
            }
            for (number, version) in freed {
                w.tables.remove_payload(number, version)?;
            }
            w.totals.trimmed = end;
            if let (Some(seal), Some(anchor)) = (&mut w.totals.seal, anchor) {
                seal.anchor = anchor;
            }
            w.put_totals()
        })?;
        Ok(end + 1 - first)
    }

    /// The hash of a damaged entry of a tamper-evident log, as the entry after it has it.
    fn hash_of(&self, seq: u64) -> Result<Option<Hash>, ReadError> {
        let Some(seal) = &self.totals.seal else { return Ok(None) };
        if seq == self.totals.head {
            return Ok(Some(seal.head));
        }
        let next = self.tables.change_rows(seq + 1..=seq + 1, &self.context.lifecycle)?.next();
        Ok(next.transpose()?.and_then(|change| change.link).map(|link| link.previous))
    }
}
