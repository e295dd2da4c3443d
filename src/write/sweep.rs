//! What is deleted goes: a bounded part at once, the rest from a row of the table `removals` in further steps.
//!
//! A deletion takes away what a reader finds its rows by, so nobody reaches them from its commit on; that is why they
//! can go in parts. Numbers of executions and blobs are never given again, so nobody else's rows are among them.

use std::borrow::Borrow;
use std::time::Duration;

use super::Writer;
use crate::format::schema::table;
use crate::format::{Removal, Value, decode};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::{BlobId, RowId};
use crate::storage::{Budget, OfExecution, Owned};

/// How much a transaction removes by default of what was deleted: a matter of a few milliseconds.
pub(crate) const REMOVAL: u64 = 1_024;
/// A step ends after this time, however little it has removed: others wait.
const TIME: Duration = Duration::from_millis(3);

/// The key of a row that has a blob, which goes after the last chunk of that.
type Owner<T> = (Owned<T>, Option<BlobId>);

impl Writer<'_> {
    /// Removes rows that cannot be reached any more, as many as may go at once, and notes the rest.
    pub(super) fn discard(&mut self, removal: Removal) -> Result<(), StorageError> {
        let (known, is_new) = match self.tables.removal(&removal.row()) {
            _ if self.totals.waiting == 0 => (None, true),
            Ok(known) => (known, known.is_none()),
            Err(ReadError::Storage(error)) => return Err(error),
            // What it said is lost; `verify` tells of the rows.
            Err(_) => (None, false),
        };
        let mut rest = Some(known.map_or(removal, |known| known.and(removal)));
        if is_new {
            let mut budget = std::mem::replace(&mut self.at_once, Budget::of(0));
            rest = self.sweep_one(removal, &mut budget)?;
            self.at_once = budget;
        }
        let Some(rest) = rest else { return Ok(()) };
        self.totals.waiting += u64::from(is_new);
        self.tables.put_removal(&rest)
    }

    /// Removes some of the rows that wait. `false` if there was nothing that could go.
    pub(crate) fn sweep(&mut self) -> Result<bool, StorageError> {
        let (mut budget, mut after, mut moved) = (Budget::within(self.settings.removal, TIME), None, false);
        if self.totals.waiting == 0 {
            return Ok(false);
        }
        self.storing(|w| {
            while !budget.is_spent()
                && let Some(removal) = w.tables.next_removal(after.as_ref())?
            {
                after = Some(removal.row());
                let before = w.tables.removed().0;
                match w.sweep_one(removal, &mut budget)? {
                    // Rows that a walk finds and a look-up does not: damage.
                    Some(rest) if w.tables.removed().0 == before && rest == removal => {}
                    Some(rest) => {
                        w.tables.put_removal(&rest)?;
                        moved = true;
                    }
                    None => {
                        w.tables.remove_removal(&removal)?;
                        w.totals.waiting = w.totals.waiting.saturating_sub(1);
                        budget.spend(0);
                        moved = true;
                    }
                }
            }
            if moved { w.put_totals() } else { Ok(()) }
        })?;
        Ok(moved)
    }

    /// Removes rows, and gives what is left once the budget is spent.
    fn sweep_one(&mut self, removal: Removal, budget: &mut Budget) -> Result<Option<Removal>, StorageError> {
        let (ended, rest) = match removal {
            Removal::Execution(number) => (self.sweep_execution(number, budget)?, removal),
            Removal::Blob { blob, start, end } => (self.sweep_blob(blob, start..end, budget)?, removal),
            Removal::Bucket(bucket) => (self.sweep_bucket(bucket, budget)?, removal),
            Removal::Log { first, last } => {
                let first = self.sweep_log(first, last, budget)?;
                (first > last, Removal::Log { first, last })
            }
        };
        Ok((!ended).then_some(rest))
    }

    /// `true` if nothing is left.
    fn sweep_execution(&mut self, number: RowId, budget: &mut Budget) -> Result<bool, StorageError> {
        let mut ended = self.sweep_rows::<table::Events>(number, budget)?;
        ended = ended && self.sweep_attachments(number, budget)? && self.sweep_outputs(number, budget)?;
        if ended && self.tables.has::<table::TaskCounts>(&number.to_be_bytes())? {
            ended = self.sweep_rows::<table::TaskNames>(number, budget)?
                && self.sweep_rows::<table::Tasks>(number, budget)?;
            if ended {
                self.tables.remove_progress(number)?;
            }
        }
        if ended {
            self.tables.remove_visits(number)?;
        }
        Ok(ended)
    }

    fn sweep_rows<T: OfExecution>(
        &mut self,
        number: RowId,
        budget: &mut Budget,
    ) -> Result<bool, StorageError> {
        let keys = self.tables.rows_beside::<T, Owned<T>>(number, budget, |key, _| key.to_owned())?;
        for key in &keys {
            if self.tables.remove::<T>(key.borrow())? && budget.is_late() {
                return Ok(false);
            }
        }
        // With nothing left of the budget it cannot be told, unless somebody looks.
        Ok(!budget.is_spent() || self.is_cleared::<T>(number)?)
    }

    fn is_cleared<T: OfExecution>(&self, number: RowId) -> Result<bool, StorageError> {
        Ok(self.tables.rows_beside::<T, ()>(number, &mut Budget::of(1), |_, _| ())?.is_empty())
    }

    fn sweep_attachments(&mut self, number: RowId, budget: &mut Budget) -> Result<bool, StorageError> {
        let blob = |key: &[u8], value: &[u8]| {
            let found = decode::<table::Attachments>(key, value);
            let blob = found.ok().and_then(|(_, value)| match value {
                Value::Blob(blob) => Some(blob),
                Value::Inline(_) => None,
            });
            (key.to_vec(), blob)
        };
        self.sweep_owners::<table::Attachments>(number, budget, blob)
    }

    fn sweep_outputs(&mut self, number: RowId, budget: &mut Budget) -> Result<bool, StorageError> {
        let blob = |key: &[u8], value: &[u8]| {
            let found = decode::<table::Outputs>(key, value);
            (key.to_vec(), found.ok().map(|row| row.blob))
        };
        self.sweep_owners::<table::Outputs>(number, budget, blob)
    }

    /// The rows that have blobs, each after the last chunk of its blob. Of a damaged one it is not known which that is: its
    /// chunks stay, and `verify` tells of them.
    fn sweep_owners<T: OfExecution>(
        &mut self,
        number: RowId,
        budget: &mut Budget,
        blob: fn(&T::Key, &[u8]) -> Owner<T>,
    ) -> Result<bool, StorageError> {
        loop {
            let owners = self.tables.rows_beside::<T, _>(number, &mut Budget::of(budget.0.min(64)), blob)?;
            if owners.is_empty() {
                return Ok(!budget.is_spent() || self.is_cleared::<T>(number)?);
            }
            for (key, blob) in owners {
                if budget.is_spent() {
                    return Ok(false);
                }
                if let Some(blob) = blob
                    && !self.sweep_blob(blob, 0..u64::MAX, budget)?
                {
                    return Ok(false);
                }
                if !self.tables.remove::<T>(key.borrow())? {
                    return Ok(false);
                }
                budget.spend(0);
                budget.is_late();
            }
        }
    }

    fn sweep_blob(
        &mut self,
        blob: BlobId,
        offsets: std::ops::Range<u64>,
        budget: &mut Budget,
    ) -> Result<bool, StorageError> {
        for offset in self.tables.chunks_within(blob, offsets.clone(), budget)? {
            if self.tables.remove_chunk(blob, offset)? && budget.is_late() {
                return Ok(false);
            }
        }
        if !budget.is_spent() {
            return Ok(true);
        }
        Ok(self.tables.chunks_within(blob, offsets, &mut Budget::of(1))?.is_empty())
    }
}
