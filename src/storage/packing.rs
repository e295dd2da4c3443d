//! Writing a table anew: its rows in the order of their keys, into full pages.
//!
//! redb joins a page with its neighbour once it is nearly empty, so a tree from which most rows were deleted evenly stays two to three times as
//! large as it need be. Moving its pages to the front of the file does not change that.

use std::ops::Bound;
use std::sync::OnceLock;

use redb::{Key, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::slots::{Slot, Stored, choose, on_table};
use super::{Live, Tables, catch_panics};
use crate::format::schema::{Tag, Value, table, tables};
use crate::model::error::StorageError;

/// Where the rows are while they are copied. It takes the place of the table in the same transaction, so no committed state has it.
pub(crate) const SPARE: &str = "execstore/packing";

/// Removes what lies in that place, whatever it is; `false` if nothing does.
pub(crate) fn clear_spare(txn: &WriteTransaction) -> Result<bool, StorageError> {
    catch_panics(|| txn.delete_table(TableDefinition::<Value, Value>::new(SPARE)))
}

impl Tables<Live<'_>> {
    /// Writes a table of so many rows anew. `false` if it has another number of them, or was told to end, of which it asks after `every` so many rows: then the
    /// transaction must be rolled back.
    pub(crate) fn write_anew(
        &mut self,
        tag: Tag,
        rows: u64,
        every: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<bool, StorageError> {
        let txn = self.source.txn().ok_or(StorageError::Closed)?;
        macro_rules! copy_table {
            ($table:ident) => {{
                let slot = table::$table::slot_mut(&mut self.slots);
                catch_panics(|| write_anew(txn, slot, rows, every, goes_on))
            }};
        }
        on_table!(tag, copy_table)
    }
}

fn write_anew<'t, K: Key + 'static>(
    txn: &'t WriteTransaction,
    slot: &mut Slot<Live<'t>, K>,
    rows: u64,
    every: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<bool, redb::Error> {
    let (table, spare) = (slot.definition, TableDefinition::<K, Value>::new(SPARE));
    slot.table = OnceLock::new();
    let from = txn.open_table(table)?;
    let mut to = txn.open_table(spare)?;
    let mut end = to.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
    for (nth, row) in (0..).zip(from.iter()?) {
        if nth % every == 0 && !goes_on() {
            drop(end);
            return Ok(false);
        }
        let (key, value) = row?;
        end.insert_before(key.value(), value.value())?;
    }
    end.close()?;
    if to.len()? != rows {
        return Ok(false);
    }
    drop((from, to));
    txn.delete_table(table)?;
    txn.rename_table(spare, table)?;
    Ok(true)
}
