//! Rows that are to be removed, whatever is in them: a bounded part at a time.

use std::borrow::Borrow;
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::{Live, Stored, Tables};
use crate::format::schema::table;
use crate::format::{Table, chunk_of, chunk_row, name_row, place_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::{BlobId, RowId};

/// Bytes that cost about as much to remove as a row.
const UNIT: usize = 4 * 1024;

/// How much work may still be done: a row is one, and each 4 KiB of it one more. And until when, if that matters.
#[derive(Clone, Debug)]
pub(crate) struct Budget(pub(crate) u64, Option<Instant>);

impl Budget {
    pub(crate) fn of(work: u64) -> Self {
        Self(work, None)
    }

    /// So much, and not for longer than that.
    pub(crate) fn within(work: u64, time: Duration) -> Self {
        Self(work, Instant::now().checked_add(time))
    }

    /// Looks at the clock; `true` if it is time to end, and then nothing is left. To be asked when something was done, so that something is
    /// done however slow it is.
    pub(crate) fn is_late(&mut self) -> bool {
        let late = self.1.is_some_and(|end| Instant::now() >= end);
        if late {
            self.0 = 0;
        }
        late
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    /// Takes the work of a row, or what is left if that is less.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(1 + (bytes / UNIT) as u64);
    }
}

/// A table of what executions have beside their records: its keys begin with the number of one.
pub(crate) trait OfExecution: Stored {
    /// The first and the last key that one of an execution can have.
    fn ends(number: RowId) -> (Owned<Self>, Owned<Self>);
}

/// A key, kept.
pub(crate) type Owned<T> = <<T as Table>::Key as ToOwned>::Owned;

macro_rules! of_execution {
    ($ends:expr, $($table:ident),+) => {$(
        impl OfExecution for table::$table {
            fn ends(number: RowId) -> (Owned<Self>, Owned<Self>) {
                $ends(number)
            }
        }
    )+};
}
of_execution!(|number| (place_row(number, 0), place_row(number, u64::MAX)), Events, Tasks);
of_execution!(
    |number| {
        let start = name_row(number, "");
        let end = [start.as_slice(), &[0xff]].concat();
        (start, end)
    },
    Attachments,
    Outputs,
    TaskNames
);

impl Tables<Live<'_>> {
    /// The first rows that an execution has in a table, damaged ones too; as many as the budget allows.
    pub(crate) fn rows_beside<T: OfExecution, R>(
        &self,
        number: RowId,
        budget: &mut Budget,
        row: fn(&T::Key, &[u8]) -> R,
    ) -> Result<Vec<R>, StorageError> {
        let (low, high) = T::ends(number);
        let sized = |key: &T::Key, value: &[u8]| Ok((value.len(), row(key, value)));
        sound(self.range::<T, _, _>(low.borrow(), high.borrow(), sized)?, budget)
    }

    /// Where the first chunks of a blob begin that lie wholly in a range of offsets; as many as the budget allows.
    pub(crate) fn chunks_within(
        &self,
        blob: BlobId,
        offsets: std::ops::Range<u64>,
        budget: &mut Budget,
    ) -> Result<Vec<u64>, StorageError> {
        let (low, high) = (chunk_row(blob, offsets.start), chunk_row(blob, offsets.end));
        let last = offsets.end;
        let row = |key: &[u8; 16], value: &[u8]| {
            let (len, offset) = (value.len(), chunk_of(key).1);
            let end = offset.saturating_add(len.saturating_sub(crate::format::FRAME) as u64);
            Ok((len, (end <= last).then_some(offset)))
        };
        let rows = self.between::<table::Chunks, _, _>(Bound::Included(&low), Bound::Excluded(&high), row)?;
        Ok(sound(rows, budget)?.into_iter().flatten().collect())
    }
}

/// The rows that lie where they should. Those that do not are left where they are: what is read here is to be removed, and
/// damage must not keep the rest from going.
pub(super) fn sound<T>(
    rows: impl Iterator<Item = Result<(usize, T), ReadError>>,
    budget: &mut Budget,
) -> Result<Vec<T>, StorageError> {
    let mut sound = Vec::new();
    if budget.is_spent() {
        return Ok(sound);
    }
    for row in rows {
        match row {
            Ok((bytes, row)) => {
                sound.push(row);
                budget.spend(bytes);
            }
            Err(ReadError::Storage(error)) => return Err(error),
            Err(_) => {}
        }
        if budget.is_spent() {
            break;
        }
    }
    Ok(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_has_nothing_left_and_who_has_no_time_set_is_never_late() {
        let mut late = Budget::within(10, Duration::ZERO);
        assert!(!late.is_spent(), "something is done first");
        assert!(late.is_late() && late.is_spent());
        for mut in_time in [Budget::of(10), Budget::within(10, Duration::MAX)] {
            assert!(!in_time.is_late() && !in_time.is_spent());
        }
    }
}
