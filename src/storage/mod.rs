//! The tables of one transaction, each opened when it is first used and then held. No policy lives here: no
//! conditions, no clock, no arithmetic of revisions; and no table knows another.

mod attachments;
mod bulks;
mod changes;
mod checkpoints;
mod chunks;
mod completions;
mod counts;
mod events;
mod executions;
mod failures;
mod ids;
mod index;
mod labels;
mod last_change_bits;
mod last_changes;
mod links;
mod namespaces;
mod outputs;
mod packing;
mod payloads;
pub(crate) mod process;
mod removals;
mod rows;
pub(crate) mod settings;
mod side_data;
mod slots;
mod source;
mod states;
mod tasks;
mod time_blocks;
mod totals;
mod visits;
pub(crate) mod waits;
mod walk;
pub(crate) mod write_set;

use std::sync::OnceLock;

use redb::{AccessGuard, Key, ReadableTable, ReadableTableMetadata, TableStats};

use crate::format::schema::{Bytes, Number, Pair, StateRow, Tag, Value, tables};
use crate::format::{Totals, Writer};
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::{Sum, row_hash};
use slots::{FromBytes, Slot, Slots, choose, on_table};

pub(crate) use changes::Noticed;
pub(crate) use executions::{Found, Pick, Seen};
pub(crate) use index::counted_job;
pub(crate) use labels::LabelValues;
pub(crate) use namespaces::NamespaceCounts;
pub(crate) use packing::{SPARE, clear_spare};
#[cfg(test)]
pub(crate) use rows::counted;
pub(crate) use rows::{Rows, catch_panics, commit_whole, damaged, finish, has_store, look_up, roll_back};
pub(crate) use side_data::Budget;
pub use source::{Live, Snapshot, Source};
pub(crate) use visits::decode_visits;
pub(crate) use walk::Visit;

/// What a transaction remembers for the journal at most: larger ones commit through redb directly. At that size its
/// scattered pages have become long runs.
pub(crate) const MAX_REDO: usize = 1024 * 1024;

/// The tables of one transaction.
pub struct Tables<S: Source> {
    source: S,
    slots: Slots<S>,
    /// The totals of a source that stands still, once they were asked for.
    seen_totals: OnceLock<Box<Totals>>,
    /// What was written, if the journal is to know; up to [`MAX_REDO`].
    redo: Option<Vec<u8>>,
    /// More was written than that.
    redo_is_partial: bool,
    /// The sum over all rows of a tamper-evident store.
    sum: Option<Sum>,
    /// Bytes of keys and values that were written or removed.
    written: usize,
    /// Rows that were written or removed.
    rows_written: u64,
    /// Bytes of the values that were replaced.
    replaced: usize,
    /// Rows that were removed, and the bytes of their values.
    removed: (u64, usize),
    /// Room for the value that is being encoded.
    scratch: Vec<u8>,
}

impl<S: Source> Tables<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            slots: Slots::new(),
            seen_totals: OnceLock::new(),
            redo: None,
            redo_is_partial: false,
            sum: None,
            written: 0,
            rows_written: 0,
            replaced: 0,
            removed: (0, 0),
            scratch: Vec::new(),
        }
    }

    /// Remembers what is written from now on: see `take_redo`.
    pub(crate) fn record_redo(mut self) -> Self {
        self.redo = Some(Vec::new());
        self
    }

    /// Hands over every row of a table, keys and values as bytes, without a copy. Gives `false` if look-ups do not find all of
    /// them: see [`walk`].
    pub(crate) fn walk(&self, tag: Tag, visit: &mut Visit<'_>) -> Result<bool, StorageError> {
        let source = &self.source;
        macro_rules! walk_through {
            ($table:ident, $key:ident) => {
                walk::walk(tag, self.slots.$table.get(source)?, visit)
            };
        }
        on_table!(tag, walk_through)
    }

    /// Every row of a table, keys and values as bytes: of a table that is small.
    pub(crate) fn raw(&self, tag: Tag) -> Result<Box<dyn Iterator<Item = RawRow> + '_>, StorageError> {
        fn all<'a, T: ReadableTable<K, Value>, K: Key + 'static>(
            tag: Tag,
            table: &'a T,
        ) -> Result<Box<dyn Iterator<Item = RawRow> + 'a>, StorageError> {
            let range = catch_panics(|| table.iter())?;
            let rows = Rows::new(range, tag, &[], None, |key, value| Ok((key.to_vec(), value.to_vec())));
            Ok(Box::new(rows))
        }
        let source = &self.source;
        macro_rules! all_of {
            ($table:ident, $key:ident) => {
                all(tag, self.slots.$table.get(source)?)
            };
        }
        on_table!(tag, all_of)
    }

    /// `true` if the table has a row of this key.
    pub(crate) fn has_row(&self, tag: Tag, key: &[u8]) -> Result<bool, StorageError> {
        fn has<T: ReadableTable<K, Value>, K: Key + 'static>(
            table: &T,
            key: K::SelfType<'_>,
        ) -> Result<bool, StorageError> {
            Ok(look_up(table, key, |_| ())?.is_some())
        }
        let source = &self.source;
        macro_rules! has_key {
            ($table:ident, $key:ident) => {
                has(self.slots.$table.get(source)?, $key::of(key)?)
            };
        }
        on_table!(tag, has_key)
    }
}

impl Tables<Snapshot> {
    /// The number of rows of a table, and what its pages hold. Costs a walk through its pages.
    pub(crate) fn stats(&self, tag: Tag) -> Result<(u64, TableStats), StorageError> {
        fn of<T: ReadableTableMetadata>(table: &T) -> Result<(u64, TableStats), StorageError> {
            catch_panics(|| Ok::<_, redb::StorageError>((table.len()?, table.stats()?)))
        }
        let source = &self.source;
        macro_rules! of_table {
            ($table:ident, $key:ident) => {
                of(self.slots.$table.get(source)?)
            };
        }
        on_table!(tag, of_table)
    }
}

/// A key and a value as bytes.
pub(crate) type RawRow = Result<(Vec<u8>, Vec<u8>), ReadError>;

impl Tables<Live<'_>> {
    /// Opens every table, which creates those that are missing.
    pub(crate) fn create_all(&self) -> Result<(), StorageError> {
        for tag in Tag::ALL {
            drop(self.raw(tag)?);
        }
        Ok(())
    }

    /// Encodes a value and writes it.
    fn put(
        &mut self,
        tag: Tag,
        key: &[u8],
        encode: impl FnOnce(u8, &[u8], &mut Vec<u8>),
    ) -> Result<(), StorageError> {
        let mut value = std::mem::take(&mut self.scratch);
        encode(tag as u8, key, &mut value);
        let result = self.put_raw(tag, key, &value);
        self.scratch = value;
        result
    }

    /// Writes a row.
    pub(crate) fn put_raw(&mut self, tag: Tag, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        fn insert<'t, K: Key + 'static>(
            slot: &mut Slot<Live<'t>, K>,
            source: &Live<'t>,
            key: K::SelfType<'_>,
            value: &[u8],
            old: Old<'_>,
        ) -> Result<usize, StorageError> {
            let table = slot.get_mut(source)?;
            catch_panics(|| {
                table.insert(key, value).map(|was| {
                    let bytes = was.as_ref().map_or(0, |was| was.value().len());
                    old.take(was);
                    bytes
                })
            })
        }
        let mut sum = self.sum.filter(|_| tag.is_summed());
        let old = Old { tag, key, sum: sum.as_mut() };
        let source = &self.source;
        macro_rules! insert_into {
            ($table:ident, $key:ident) => {
                insert(&mut self.slots.$table, source, $key::of(key)?, value, old)
            };
        }
        self.replaced += on_table!(tag, insert_into)?;
        if let Some(mut sum) = sum {
            sum.add(row_hash(tag as u8, key, value));
            self.sum = Some(sum);
        }
        self.written += key.len() + value.len();
        self.rows_written += 1;
        if let Some(redo) = self.room_for_redo(value.len()) {
            let mut redo = Writer::append(redo);
            redo.byte(tag as u8);
            redo.bytes(key);
            redo.number(value.len() as u64 + 1);
            redo.rest(value);
        }
        Ok(())
    }

    /// Removes a row; `false` if it was not there.
    pub(crate) fn remove(&mut self, tag: Tag, key: &[u8]) -> Result<bool, StorageError> {
        fn delete<'t, K: Key + 'static>(
            slot: &mut Slot<Live<'t>, K>,
            source: &Live<'t>,
            key: K::SelfType<'_>,
            old: Old<'_>,
        ) -> Result<Option<usize>, StorageError> {
            let table = slot.get_mut(source)?;
            catch_panics(|| {
                table.remove(key).map(|was| {
                    let found = was.as_ref().map(|was| was.value().len());
                    old.take(was);
                    found
                })
            })
        }
        let mut sum = self.sum.filter(|_| tag.is_summed());
        let old = Old { tag, key, sum: sum.as_mut() };
        let source = &self.source;
        macro_rules! delete_from {
            ($table:ident, $key:ident) => {
                delete(&mut self.slots.$table, source, $key::of(key)?, old)
            };
        }
        let found = on_table!(tag, delete_from)?;
        if sum.is_some() {
            self.sum = sum;
        }
        self.written += key.len();
        self.rows_written += 1;
        if let Some(bytes) = found {
            self.removed = (self.removed.0 + 1, self.removed.1 + bytes);
        }
        let found = found.is_some();
        if found && let Some(redo) = self.room_for_redo(0) {
            let mut redo = Writer::append(redo);
            redo.byte(tag as u8);
            redo.bytes(key);
            redo.number(0);
        }
        Ok(found)
    }

    /// Does again what a journal's record says was done.
    pub(crate) fn redo(&mut self, body: &[u8]) -> Result<(), StorageError> {
        let mut r = crate::format::Reader::new(body);
        while r.end().is_err() {
            let (tag, key, value) = redo_step(&mut r).map_err(|_| bad_redo())?;
            match value {
                Some(value) => self.put_raw(tag, key, value)?,
                None => {
                    self.remove(tag, key)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps the sum over all rows from now on.
    pub(crate) fn keep_sum(&mut self, sum: Option<Sum>) {
        self.sum = sum;
    }

    pub(crate) fn sum(&self) -> Option<Sum> {
        self.sum
    }

    /// How many bytes were written so far. Grows with every write.
    pub(crate) fn written(&self) -> usize {
        self.written
    }

    pub(crate) fn rows_written(&self) -> u64 {
        self.rows_written
    }

    /// How many bytes of values were replaced or removed so far.
    pub(crate) fn freed(&self) -> usize {
        self.replaced + self.removed.1
    }

    /// How many rows were removed so far, and the bytes of their values.
    pub(crate) fn removed(&self) -> (u64, usize) {
        self.removed
    }

    /// Where the next row goes, if all of them are remembered so far.
    fn room_for_redo(&mut self, more: usize) -> Option<&mut Vec<u8>> {
        let redo = self.redo.as_mut()?;
        if !self.redo_is_partial && redo.len() + more > MAX_REDO {
            self.redo_is_partial = true;
            *redo = Vec::new();
        }
        (!self.redo_is_partial).then_some(redo)
    }

    /// What was written; `None` if it was too much to be remembered.
    pub(crate) fn take_redo(&mut self) -> Option<Vec<u8>> {
        let redo = self.redo.take().unwrap_or_default();
        (!self.redo_is_partial).then_some(redo)
    }
}

/// Takes the row that is replaced or removed out of the sum.
struct Old<'a> {
    tag: Tag,
    key: &'a [u8],
    sum: Option<&'a mut Sum>,
}

impl Old<'_> {
    fn take(self, was: Option<AccessGuard<'_, Value>>) {
        if let (Some(sum), Some(was)) = (self.sum, was) {
            sum.subtract(row_hash(self.tag as u8, self.key, was.value()));
        }
    }
}

type RedoStep<'a> = (Tag, &'a [u8], Option<&'a [u8]>);

fn redo_step<'a>(r: &mut crate::format::Reader<'a>) -> Result<RedoStep<'a>, String> {
    let tag = Tag::from_byte(r.byte()?).ok_or("there is no such table")?;
    let key = r.bytes()?;
    let value = match r.number()? {
        0 => None,
        len => Some(r.raw(len - 1)?),
    };
    Ok((tag, key, value))
}

/// A journal's record has a checksum over it, so a bad one inside it is damage beyond a flipped bit.
fn bad_redo() -> StorageError {
    let error = std::io::Error::new(std::io::ErrorKind::InvalidData, "a record cannot be decoded");
    StorageError::Journal(error.into())
}

fn fixed<const N: usize>(key: &[u8]) -> Result<&[u8; N], StorageError> {
    key.try_into().map_err(|_| bad_redo())
}
