//! The tables of one transaction, each opened when it is first used and then held. No policy lives here: no
//! conditions, no clock, no arithmetic of revisions; and no table knows another.

mod attachments;
mod base;
mod buckets;
mod bulks;
mod calls;
mod changes;
mod checkpoints;
mod chunks;
mod completions;
mod counts;
pub(crate) mod ends;
mod events;
mod executions;
mod failures;
mod flush;
mod former_rows;
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
mod pending;
pub(crate) mod process;
mod range;
mod redo_steps;
mod removals;
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

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use redb::{AccessGuard, ReadableTableMetadata, TableStats};

use crate::format::schema::{Tag, Value, table, tables};
use crate::format::{Reason, Row, Totals, decode, encode};
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::{Sum, row_hash};
use former_rows::FormerRows;
use range::look_up;
use redo_steps::{bad_redo, put_step, read_step};
use slots::{FromBytes, Slots, choose, on_table};

pub(crate) use base::Base;
pub(crate) use calls::{catch_panics, commit_unsynced, commit_whole, finish, has_store, roll_back};
pub(crate) use changes::Noticed;
pub(crate) use executions::{Pick, Seen, StoredExecution};
pub(crate) use former_rows::TablesMark;
pub(crate) use index::counted_job;
pub(crate) use labels::LabelValues;
pub(crate) use namespaces::NamespaceCounts;
pub(crate) use packing::{SPARE, clear_spare};
pub(crate) use pending::{Layer, Pending};
#[cfg(test)]
pub(crate) use range::counted;
pub(crate) use range::{CheckedRange, damaged};
pub(crate) use side_data::{Budget, OfExecution, Owned};
pub(crate) use slots::Stored;
pub(crate) use source::Late;
pub use source::{Live, Snapshot, Source};
pub(crate) use walk::{Visit, Walked};

/// What a transaction remembers for the journal at most: larger ones commit through redb directly. At that size its
/// scattered pages have become long runs.
pub(crate) const MAX_REDO: usize = 2 * 1024 * 1024;

/// The tables of one transaction.
pub struct Tables<S: Source> {
    source: S,
    slots: Slots<S>,
    /// What is read beneath the pending rows, unless it is the transaction's own tables.
    base: Option<Arc<Base>>,
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
    /// Bytes of the values that were replaced or removed in redb.
    freed: usize,
    /// Rows that were removed, and the bytes of their values.
    removed: (u64, usize),
    /// Room for the value that is being encoded.
    scratch: Vec<u8>,
    /// What was replaced or removed since a mark, if there is one.
    former: Option<FormerRows>,
    /// What was written and redb has not been given yet; `None` if all goes to redb at once.
    pending: Option<Box<Pending>>,
    /// As many bytes of them as are kept.
    most_pending: usize,
    /// redb has been given rows.
    wrote_to_redb: bool,
}

impl<S: Source> Tables<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            source,
            slots: Slots::new(),
            base: None,
            seen_totals: OnceLock::new(),
            redo: None,
            redo_is_partial: false,
            sum: None,
            written: 0,
            rows_written: 0,
            freed: 0,
            removed: (0, 0),
            scratch: Vec::new(),
            former: None,
            pending: None,
            most_pending: flush::MOST,
            wrote_to_redb: false,
        }
    }

    /// Shows the rows of layers, oldest first, over what redb has.
    pub(crate) fn under(mut self, layers: Vec<Arc<Layer>>) -> Self {
        self.pending = (!layers.is_empty()).then(|| Box::new(Pending::after(layers)));
        self
    }

    /// redb has all rows that it shows.
    pub(crate) fn is_whole(&self) -> bool {
        self.pending.is_none()
    }

    /// Remembers what is written from now on: see `take_redo`.
    pub(crate) fn record_redo(mut self) -> Self {
        self.redo = Some(Vec::new());
        self
    }

    /// Looks a row up, and decodes its value.
    fn look_up<T: Stored, R>(
        &self,
        key: &T::Key,
        decode: impl FnOnce(&[u8]) -> Result<R, Reason>,
    ) -> Result<Option<R>, ReadError> {
        let found = self.find::<T, _>(key, decode)?;
        Ok(found.transpose().map_err(|reason| damaged(T::TAG, key.as_ref(), reason))?)
    }

    /// Looks a row up, and calls with its value.
    fn find<T: Stored, R>(
        &self,
        key: &T::Key,
        call: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        if let Some(pending) = &self.pending {
            self.source.process().check()?;
            if let Some(value) = pending.get(T::TAG, key.as_ref()) {
                #[cfg(test)]
                counted::one();
                return Ok(value.map(call));
            }
        }
        self.find_beneath::<T, _>(key, call)
    }

    /// The same of a row that is not pending.
    fn find_beneath<T: Stored, R>(
        &self,
        key: &T::Key,
        call: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        match &self.base {
            Some(base) => look_up(T::slot(&base.slots).get(&base.source)?, T::lend(key), call),
            None => look_up(T::slot(&self.slots).get(&self.source)?, T::lend(key), call),
        }
    }

    /// The value of a row.
    fn get<T: Stored + for<'v> Row<Value<'v> = R>, R>(&self, key: &T::Key) -> Result<Option<R>, ReadError> {
        self.look_up::<T, _>(key, |value| decode::<T>(key, value))
    }

    /// The rows of a table from one key to another, both included.
    fn range<'a, T: Stored, R, F: FnMut(&T::Key, &[u8]) -> Result<R, Reason>>(
        &'a self,
        low: &T::Key,
        high: &T::Key,
        decode: F,
    ) -> Result<CheckedRange<'a, T, F>, StorageError> {
        self.between(Bound::Included(low), Bound::Included(high), decode)
    }

    /// The rows of a table between two bounds.
    fn between<'a, T: Stored, R, F: FnMut(&T::Key, &[u8]) -> Result<R, Reason>>(
        &'a self,
        low: Bound<&T::Key>,
        high: Bound<&T::Key>,
        decode: F,
    ) -> Result<CheckedRange<'a, T, F>, StorageError> {
        let bytes = (low.map(AsRef::as_ref), high.map(AsRef::as_ref));
        let pending = self.pending.as_ref().and_then(|pending| pending.range(T::TAG, bytes.0, bytes.1));
        match &self.base {
            Some(base) => {
                let table = T::slot(&base.slots).get(&base.source)?;
                CheckedRange::new(table, pending, (low, high), decode)
            }
            None => CheckedRange::new(T::slot(&self.slots).get(&self.source)?, pending, (low, high), decode),
        }
    }

    /// `true` if the table has a row of this key.
    pub(crate) fn has<T: Stored>(&self, key: &T::Key) -> Result<bool, StorageError> {
        Ok(self.find::<T, _>(key, |_| ())?.is_some())
    }

    /// Hands over every row of a table, keys and values as bytes, without a copy: see [`walk`].
    pub(crate) fn walk<T: Stored>(&self, visit: &mut Visit<'_, T::Key>) -> Result<Walked, StorageError> {
        walk::walk::<T, _>(T::slot(&self.slots).get(&self.source)?, visit)
    }

    /// The same of a table that is known by its tag alone.
    pub(crate) fn walk_any(&self, tag: Tag, visit: &mut Visit<'_, [u8]>) -> Result<Walked, StorageError> {
        macro_rules! walk_through {
            ($table:ident) => {
                self.walk::<table::$table>(&mut |row| visit(row.map(|(key, value)| (key.as_ref(), value))))
            };
        }
        on_table!(tag, walk_through)
    }

    /// The same of a row that is known by its table's tag and its key's bytes alone.
    pub(crate) fn has_any(&self, tag: Tag, key: &[u8]) -> Result<bool, StorageError> {
        macro_rules! has_it {
            ($table:ident) => {
                FromBytes::of(key).map_or(Ok(false), |key| self.has::<table::$table>(key))
            };
        }
        on_table!(tag, has_it)
    }

    /// Opens a table, which creates it in a write transaction where it is missing.
    fn open(&self, tag: Tag) -> Result<(), StorageError> {
        macro_rules! open_it {
            ($table:ident) => {
                table::$table::slot(&self.slots).get(&self.source).map(drop)
            };
        }
        on_table!(tag, open_it)
    }
}

impl Tables<Snapshot> {
    /// A state that others read too.
    pub(crate) fn of(base: Arc<Base>) -> Self {
        let source = Snapshot(base.source.0.clone(), base.source.1.clone());
        Self { base: Some(base), ..Self::new(source) }
    }

    /// The number of rows of a table, and what its pages hold. Costs a walk through its pages.
    pub(crate) fn stats(&self, tag: Tag) -> Result<(u64, TableStats), StorageError> {
        fn of<T: ReadableTableMetadata>(table: &T) -> Result<(u64, TableStats), StorageError> {
            catch_panics(|| Ok::<_, redb::StorageError>((table.len()?, table.stats()?)))
        }
        macro_rules! of_table {
            ($table:ident) => {
                of(table::$table::slot(&self.slots).get(&self.source)?)
            };
        }
        on_table!(tag, of_table)
    }
}

impl Tables<Live<'_>> {
    /// Reads over a state of redb's, as long as its transaction has not begun.
    pub(crate) fn over(mut self, base: Option<Arc<Base>>) -> Self {
        self.base = base.filter(|_| !self.source.has_begun());
        self
    }

    /// Opens the table of the totals: as long as it is open, no other writer can begin in the same transaction. One that has not begun
    /// has one writer anyway.
    pub(crate) fn hold_totals(&self) -> Result<(), StorageError> {
        if self.source.has_begun() { self.open(Tag::Totals) } else { Ok(()) }
    }

    /// From here on redb's own transaction is needed.
    fn begin(&mut self) -> Result<(), StorageError> {
        if let Some(layers) = self.source.begin()? {
            self.base = None;
            if let Some(pending) = &mut self.pending {
                // redb may have been given some of those that were there at the beginning.
                pending.go_on_from(layers);
            }
        }
        Ok(())
    }

    /// Opens every table, which creates those that are missing.
    pub(crate) fn create_all(&self) -> Result<(), StorageError> {
        Tag::ALL.into_iter().try_for_each(|tag| self.open(tag))
    }

    /// Encodes a value and writes it.
    fn put<T: Stored + Row>(&mut self, key: &T::Key, value: T::New<'_>) -> Result<(), StorageError> {
        self.put_with::<T>(key, |out| encode::<T>(key, out, |w| T::write(value, w)))
    }

    /// The same, encoded by somebody else.
    fn put_with<T: Stored>(
        &mut self,
        key: &T::Key,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StorageError> {
        self.put_encoded::<T>(key, false, encode)
    }

    /// Writes a row without a value, of which it is known that there is none.
    fn insert_new<T: Stored + for<'v> Row<New<'v> = ()>>(
        &mut self,
        key: &T::Key,
    ) -> Result<(), StorageError> {
        self.put_encoded::<T>(key, true, |out| encode::<T>(key, out, |w| T::write((), w)))
    }

    fn put_encoded<T: Stored>(
        &mut self,
        key: &T::Key,
        is_new: bool,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StorageError> {
        let mut value = std::mem::take(&mut self.scratch);
        encode(&mut value);
        let result = self.put_row::<T>(key, &value, is_new);
        self.scratch = value;
        result
    }

    /// Writes a row.
    fn insert<T: Stored>(&mut self, key: &T::Key, value: &[u8]) -> Result<(), StorageError> {
        self.put_row::<T>(key, value, false)
    }

    /// Writes a row; `is_new` if it is known that there is none of this key.
    fn put_row<T: Stored>(&mut self, key: &T::Key, value: &[u8], is_new: bool) -> Result<(), StorageError> {
        let bytes = key.as_ref();
        if self.pend::<T>(key, Some(value), is_new)? {
            self.inserted(T::TAG, bytes, value, None);
            return self.flush_much();
        }
        let mut sum = self.sum.filter(|_| T::TAG.is_summed());
        let old = Old { tag: T::TAG, key: bytes, sum: sum.as_mut(), former: self.former.as_mut() };
        let table = T::slot_mut(&mut self.slots);
        self.freed += table.write(&self.source, |table| {
            let was = table.insert(T::lend(key), value)?;
            let replaced = was.as_ref().map_or(0, |was| was.value().len());
            old.take(was);
            Ok(replaced)
        })?;
        self.wrote_to_redb = true;
        self.inserted(T::TAG, bytes, value, sum);
        Ok(())
    }

    /// Keeps back from redb what becomes of a row; `false` if redb gets every row at once.
    ///
    /// The place of a table's first one is looked for: what redb could not take is refused before anybody is answered, also where
    /// the table is only added to.
    fn pend<T: Stored>(
        &mut self,
        key: &T::Key,
        value: Option<&[u8]>,
        is_new: bool,
    ) -> Result<bool, StorageError> {
        let Some(pending) = &self.pending else { return Ok(false) };
        self.source.process().check()?;
        if !pending.has_some(T::TAG) {
            self.find_beneath::<T, _>(key, |_| ())?;
        }
        if let Some(pending) = &mut self.pending {
            pending.put(T::TAG, key.as_ref(), value, is_new);
        }
        Ok(true)
    }

    fn inserted(&mut self, tag: Tag, key: &[u8], value: &[u8], sum: Option<Sum>) {
        if let Some(mut sum) = sum {
            sum.add(row_hash(tag.byte(), key, value));
            self.sum = Some(sum);
        }
        self.written += key.len() + value.len();
        self.rows_written += 1;
        if let Some(redo) = self.room_for_redo(value.len()) {
            put_step(redo, tag, key, Some(value));
        }
    }

    /// Removes a row; `false` if it was not there.
    pub(crate) fn remove<T: Stored>(&mut self, key: &T::Key) -> Result<bool, StorageError> {
        if self.pending.is_none() {
            return self.remove_now::<T>(key);
        }
        let found = self.find::<T, _>(key, <[u8]>::len)?;
        if found.is_some() {
            self.pend::<T>(key, None, false)?;
        }
        self.was_removed(T::TAG, key.as_ref(), found, None);
        self.flush_much()?;
        Ok(found.is_some())
    }

    /// Removes a row of which it is known that it is there.
    fn remove_known<T: Stored>(&mut self, key: &T::Key) -> Result<(), StorageError> {
        if !self.pend::<T>(key, None, false)? {
            return self.remove_now::<T>(key).map(drop);
        }
        self.was_removed(T::TAG, key.as_ref(), Some(0), None);
        self.flush_much()
    }

    fn remove_now<T: Stored>(&mut self, key: &T::Key) -> Result<bool, StorageError> {
        let mut sum = self.sum.filter(|_| T::TAG.is_summed());
        let bytes = key.as_ref();
        let old = Old { tag: T::TAG, key: bytes, sum: sum.as_mut(), former: self.former.as_mut() };
        let table = T::slot_mut(&mut self.slots);
        let found = table.write(&self.source, |table| {
            let was = table.remove(T::lend(key))?;
            let found = was.as_ref().map(|was| was.value().len());
            old.take(was);
            Ok(found)
        })?;
        self.wrote_to_redb = true;
        self.freed += found.unwrap_or(0);
        self.was_removed(T::TAG, bytes, found, sum);
        Ok(found.is_some())
    }

    fn was_removed(&mut self, tag: Tag, key: &[u8], found: Option<usize>, sum: Option<Sum>) {
        if sum.is_some() {
            self.sum = sum;
        }
        self.written += key.len();
        self.rows_written += 1;
        let Some(bytes) = found else { return };
        self.removed = (self.removed.0 + 1, self.removed.1 + bytes);
        if let Some(redo) = self.room_for_redo(0) {
            put_step(redo, tag, key, None);
        }
    }

    /// Does again what a journal's record says was done. Only here are rows written of which no more is known than a tag and
    /// bytes.
    pub(crate) fn redo(&mut self, body: &[u8]) -> Result<(), StorageError> {
        let mut r = crate::format::Reader::new(body);
        while r.end().is_err() {
            let (tag, key, value) = read_step(&mut r).map_err(|_| bad_redo())?;
            self.redo_row(tag, key, value)?;
        }
        Ok(())
    }

    /// Writes a row of a table, or removes it.
    pub(crate) fn redo_row(
        &mut self,
        tag: Tag,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        macro_rules! redo_in {
            ($table:ident) => {{
                let key = FromBytes::of(key).ok_or_else(bad_redo)?;
                match value {
                    Some(value) => self.insert::<table::$table>(key, value),
                    None => self.remove_known::<table::$table>(key),
                }
            }};
        }
        on_table!(tag, redo_in)
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

    /// How many bytes of values were replaced or removed so far, in redb.
    pub(crate) fn freed(&self) -> usize {
        self.freed
    }

    /// redb has been given rows, which only it can take back.
    pub(crate) fn wrote_to_redb(&self) -> bool {
        self.wrote_to_redb
    }

    /// How many rows were removed so far, and the bytes of their values.
    pub(crate) fn removed(&self) -> (u64, usize) {
        self.removed
    }

    /// Where the next row goes, if all of them are remembered so far.
    fn room_for_redo(&mut self, more: usize) -> Option<&mut Vec<u8>> {
        let redo = self.redo.as_mut()?;
        // What is there stays: a part that is taken back may be what made it too much.
        self.redo_is_partial |= redo.len() + more > MAX_REDO;
        (!self.redo_is_partial).then_some(redo)
    }

    /// What was written since it was to be remembered; `None` if it was too much.
    pub(crate) fn take_redo(&mut self) -> Option<Vec<u8>> {
        let redo = self.redo.take()?;
        (!self.redo_is_partial).then_some(redo)
    }
}

/// Takes the row that is replaced or removed out of the sum, and keeps it for as long as it may be wanted back.
struct Old<'a> {
    tag: Tag,
    key: &'a [u8],
    sum: Option<&'a mut Sum>,
    former: Option<&'a mut FormerRows>,
}

impl Old<'_> {
    fn take(self, was: Option<AccessGuard<'_, Value>>) {
        if let Some(former) = self.former {
            former.push(self.tag, self.key, was.as_ref().map(AccessGuard::value));
        }
        if let (Some(sum), Some(was)) = (self.sum, was) {
            sum.subtract(row_hash(self.tag.byte(), self.key, was.value()));
        }
    }
}
