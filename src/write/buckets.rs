//! The caller's own rows: buckets of byte keys, in the transactions that write executions.

use std::ops::RangeBounds;

use super::Writer;
use crate::format::{BucketRecord, Removal};
use crate::model::buckets::{BucketRow, check_row};
use crate::model::entry::RowEntry;
use crate::model::error::{ReadError, StorageError, WriteError};
use crate::model::limits::{InputError, check_name};
use crate::model::row_id::BucketId;
use crate::model::text::Text;
use crate::model::touch::TOP;
use crate::read::List;
use crate::read::buckets::Bucket;
use crate::storage::Budget;

/// # Buckets
///
/// Rows of the caller's own, keys and values as bytes, in buckets by name: queues, timers, locks, indexes. They are written in the same
/// transaction as the executions, become durable and visible with it, and are checked, verified and sealed as the store's own rows
/// are. A bucket's rows are in the change log if that is [asked for](BucketMut::set_logged).
impl<'t> Writer<'t> {
    /// Opens a bucket to write to it; makes it if there is none of the name.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// store.write(|w| {
    ///     let execution = w.create(NewExecution::new("job-1"))?;
    ///     let mut queue = w.open_bucket("queue")?;
    ///     let place = queue.next_sequence()?;
    ///     queue.put(place.to_be_bytes(), execution.id.as_str())?;
    ///     Ok(())
    /// })?;
    /// let next = store.write(|w| Ok(w.open_bucket("queue")?.pop_first()?))?;
    /// assert!(store.get(String::from_utf8_lossy(&next.unwrap().value))?.is_some());
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn open_bucket(&mut self, name: impl AsRef<str>) -> Result<BucketMut<'_, 't>, WriteError> {
        BucketMut::open(self, Place::TOP, name.as_ref())
    }

    /// Deletes a bucket with its rows and every bucket in it; `false` if there is none of the name.
    ///
    /// Nobody finds its rows from the commit on. Up to about a thousand of them go at once, the rest afterwards: see
    /// [`delete`](Self::delete).
    pub fn delete_bucket(&mut self, name: impl AsRef<str>) -> Result<bool, WriteError> {
        self.delete_bucket_in(&Place::TOP, name.as_ref())
    }

    fn delete_bucket_in(&mut self, parent: &Place, name: &str) -> Result<bool, WriteError> {
        let Some(record) = self.tables.bucket(parent.id, name)? else { return Ok(false) };
        self.storing(|w| {
            w.tables.remove_bucket(parent.id, name)?;
            w.discard(Removal::Bucket(record.id))?;
            if record.logged || record.logged_within {
                w.log_in_bucket(parent, name, None)?;
            }
            w.put_totals()
        })?;
        self.touched.bucket(parent.key);
        self.touched.bucket_gone(self.touched.place(parent.key, name));
        Ok(true)
    }

    /// Removes what a deleted bucket had, the innermost first. What is left of those in it becomes removals of their own. `true` if
    /// nothing is left.
    pub(super) fn sweep_bucket(
        &mut self,
        bucket: BucketId,
        budget: &mut Budget,
    ) -> Result<bool, StorageError> {
        let mut way = vec![bucket];
        while let Some(inmost) = way.last().copied() {
            match self.first_in(inmost)? {
                Some((name, id)) if !budget.is_spent() => {
                    self.tables.remove_bucket(inmost, &name)?;
                    budget.spend(0);
                    way.push(id);
                }
                None if self.sweep_bucket_rows(inmost, budget)? => drop(way.pop()),
                _ => {
                    for id in way.split_off(1) {
                        self.totals.waiting += 1;
                        self.tables.put_removal(&Removal::Bucket(id))?;
                    }
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn sweep_bucket_rows(&mut self, bucket: BucketId, budget: &mut Budget) -> Result<bool, StorageError> {
        for key in self.tables.some_bucket_keys(bucket, budget)? {
            self.tables.remove_bucket_row(bucket, &key)?;
            if budget.is_late() {
                return Ok(false);
            }
        }
        Ok(!budget.is_spent() || self.tables.some_bucket_keys(bucket, &mut Budget::of(1))?.is_empty())
    }

    /// The first bucket in one that can be read. Of one that cannot, it is not known which rows are its: they stay, and `verify` tells
    /// of them.
    fn first_in(&self, bucket: BucketId) -> Result<Option<(Text, BucketId)>, StorageError> {
        for row in self.tables.buckets_in(bucket)? {
            match row {
                Ok((name, record)) => return Ok(Some((name, record.id))),
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// A bucket that is written to; made by [`Writer::open_bucket`]. Reads through it see its own writes.
pub struct BucketMut<'w, 't> {
    pub(super) writer: &'w mut Writer<'t>,
    pub(super) parent: Place,
    pub(super) name: Text,
    pub(super) record: BucketRecord,
    /// For those who wait for it.
    key: u64,
}

/// What buckets lie in.
pub(super) struct Place {
    pub(super) id: BucketId,
    /// The names on the way there.
    pub(super) path: Vec<Text>,
    /// For those who wait for it.
    key: u64,
}

impl Place {
    const TOP: Self = Self { id: BucketId::ROOT, path: Vec::new(), key: TOP };
}

impl<'w, 't> BucketMut<'w, 't> {
    fn open(writer: &'w mut Writer<'t>, parent: Place, name: &str) -> Result<Self, WriteError> {
        check_name("bucket name", name)?;
        let key = writer.touched.place(parent.key, name);
        if let Some(record) = writer.tables.bucket(parent.id, name)? {
            return Ok(Self { writer, parent, name: name.into(), record, key });
        }
        writer.needs_room()?;
        let record = BucketRecord { id: BucketId(writer.next_blob().0), ..BucketRecord::default() };
        writer.storing(|w| {
            w.tables.put_bucket(parent.id, name, &record)?;
            w.put_totals()
        })?;
        writer.touched.bucket(parent.key);
        writer.touched.bucket(key);
        Ok(Self { writer, parent, name: name.into(), record, key })
    }

    /// Opens a bucket in this one; makes it if there is none of the name.
    pub fn open_bucket(&mut self, name: impl AsRef<str>) -> Result<BucketMut<'_, 't>, WriteError> {
        let place = self.place();
        BucketMut::open(self.writer, place, name.as_ref())
    }

    /// Deletes a bucket in this one: see [`Writer::delete_bucket`].
    pub fn delete_bucket(&mut self, name: impl AsRef<str>) -> Result<bool, WriteError> {
        let place = self.place();
        self.writer.delete_bucket_in(&place, name.as_ref())
    }

    /// What others lie in.
    fn place(&self) -> Place {
        let path = self.parent.path.iter().chain([&self.name]).cloned().collect();
        Place { id: self.record.id, path, key: self.key }
    }

    /// Writes a row; `true` if there was none of this key.
    ///
    /// A key of more than 1 KiB or a value of more than 1 MiB is refused.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        let (key, value) = (key.as_ref(), value.as_ref());
        check_row(key, Some(value))?;
        let is_new = !self.writer.tables.has_bucket_row(self.record.id, key)?;
        self.writer.needs_room()?;
        let mut after = self.record.clone();
        after.rows += u64::from(is_new);
        after.takes_in(key);
        if after.rows == 1 {
            after.begins_with(key);
        }
        let row = RowEntry { key, value: Some(value), was_there: !is_new };
        self.store(after, Some(row), |w, id| w.tables.put_bucket_row(id, key, value, is_new))?;
        Ok(is_new)
    }

    /// Removes a row; `false` if there was none of this key.
    ///
    /// Costs three look-ups: whether it is there, and whether it is the first or the last. Rows that were removed lately from between others
    /// are stepped over by ranges that come to their place, tens of nanoseconds each, until redb has been given them.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        let key = key.as_ref();
        if !self.writer.tables.has_bucket_row(self.record.id, key)? {
            return Ok(false);
        }
        self.remove(key)?;
        Ok(true)
    }

    /// Removes a row, and gives its value.
    pub fn take(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, WriteError> {
        let key = key.as_ref();
        let found = self.writer.tables.bucket_value(self.record.id, key)?;
        if found.is_some() {
            self.remove(key)?;
        }
        Ok(found)
    }

    /// Removes the row of the smallest key, and gives it: how a queue is taken from. The same cost however many went before it.
    pub fn pop_first(&mut self) -> Result<Option<BucketRow>, WriteError> {
        let first = self.first()?;
        if let Some(row) = &first {
            self.remove_from(&row.key, (true, false))?;
        }
        Ok(first)
    }

    /// Removes the row of the largest key, and gives it; the same.
    pub fn pop_last(&mut self) -> Result<Option<BucketRow>, WriteError> {
        let last = self.last()?;
        if let Some(row) = &last {
            self.remove_from(&row.key, (false, true))?;
        }
        Ok(last)
    }

    /// Removes the row of the smallest key, and gives it, if it lies no further than a key: how what is due is taken. `None` if there is
    /// none, or the first lies beyond.
    ///
    /// ```
    /// # use execstore::Store;
    /// # use execstore::buckets::key;
    /// # let store = Store::in_memory()?;
    /// # store.write(|w| {
    /// let mut timers = w.open_bucket("timers")?;
    /// timers.put(key(&(500_u64, "b")), "later")?;
    /// timers.put(key(&(100_u64, "a")), "sooner")?;
    /// let now = 200_u64;
    /// let through = key(&(now + 1)); // what is due at `now` lies before
    /// assert_eq!(timers.pop_first_through(&through)?.unwrap().value, b"sooner");
    /// assert!(timers.pop_first_through(&through)?.is_none());
    /// # Ok(())
    /// # })?;
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn pop_first_through(&mut self, key: impl AsRef<[u8]>) -> Result<Option<BucketRow>, WriteError> {
        let first = self.first()?.filter(|row| row.key.as_slice() <= key.as_ref());
        if let Some(row) = &first {
            self.remove_from(&row.key, (true, false))?;
        }
        Ok(first)
    }

    /// Draws the next number of the bucket: 1, 2, 3 and so on, each once. One that was drawn in a transaction that is rolled back is drawn
    /// again.
    pub fn next_sequence(&mut self) -> Result<u64, WriteError> {
        let next = self.record.sequence.checked_add(1).ok_or_else(|| InputError::Invalid {
            what: "bucket sequence",
            reason: "its last number was drawn".into(),
        })?;
        self.set_sequence(next)?;
        Ok(next)
    }

    /// Says which number was drawn last: the next is one more.
    pub fn set_sequence(&mut self, last: u64) -> Result<(), WriteError> {
        self.writer.needs_room()?;
        let after = BucketRecord { sequence: last, ..self.record.clone() };
        self.store(after, None, |_, _| Ok(()))
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), WriteError> {
        let ends = self.writer.tables.is_at_end(&self.record, key)?;
        self.remove_from(key, ends)
    }

    /// Removes a row, which is the first or the last. What is known of the ends moves along, so that the next is found at once.
    fn remove_from(&mut self, key: &[u8], (first, last): (bool, bool)) -> Result<(), WriteError> {
        let rows = self.record.rows.saturating_sub(1);
        let mut after = BucketRecord { rows, ..self.record.clone() };
        if first {
            after.begins_with(key);
        }
        if last {
            after.ends_with(key);
        }
        let row = RowEntry { key, value: None, was_there: true };
        self.store(after, Some(row), |w, id| w.tables.remove_bucket_row(id, key))
    }

    /// Writes a row, what the directory knows if that has changed, and the entry of the log if there is to be one.
    pub(super) fn store(
        &mut self,
        mut after: BucketRecord,
        row: Option<RowEntry<'_>>,
        rows: impl FnOnce(&mut Writer<'t>, BucketId) -> Result<(), StorageError>,
    ) -> Result<(), WriteError> {
        let Self { writer, parent, name, record, key } = self;
        after.logged_within |= writer.logged_within.contains(&record.id);
        writer.storing(|w| {
            rows(w, record.id)?;
            if after != *record {
                w.tables.put_bucket(parent.id, name, &after)?;
            }
            if let Some(row) = row.filter(|_| record.logged) {
                w.log_in_bucket(parent, name, Some(row))?;
            }
            w.put_totals()
        })?;
        writer.touched.bucket(*key);
        self.record = after;
        Ok(())
    }

    /// The bucket to be read, with what was written.
    pub fn as_bucket(&self) -> Bucket<'_, Writer<'t>> {
        Bucket::of(self.writer, &self.record)
    }

    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, ReadError> {
        self.as_bucket().get(key)
    }

    /// `true` if there is a row of this key.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        self.as_bucket().contains_key(key)
    }

    /// The row of the smallest key.
    pub fn first(&self) -> Result<Option<BucketRow>, ReadError> {
        self.as_bucket().first()
    }

    /// The row of the largest key.
    pub fn last(&self) -> Result<Option<BucketRow>, ReadError> {
        self.as_bucket().last()
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> Result<List<'_, BucketRow>, ReadError> {
        self.as_bucket().iter()
    }

    /// The rows between two keys: see [`Bucket::range`].
    pub fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Result<List<'_, BucketRow>, ReadError> {
        self.as_bucket().range(keys)
    }

    /// The rows whose keys begin with a prefix.
    pub fn with_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<List<'_, BucketRow>, ReadError> {
        self.as_bucket().with_prefix(prefix)
    }

    /// The names of the buckets in this one, in the order of their bytes.
    pub fn buckets(&self) -> Result<List<'_, Text>, ReadError> {
        self.as_bucket().buckets()
    }

    /// How many rows it has.
    pub fn len(&self) -> u64 {
        self.record.rows
    }

    /// `true` if it has no rows.
    pub fn is_empty(&self) -> bool {
        self.record.rows == 0
    }

    /// The last number that was drawn; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.record.sequence
    }
}

impl std::fmt::Debug for BucketMut<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BucketMut").field("name", &self.name).field("len", &self.record.rows).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    /// Or whoever looks for the next would step over all that went before it.
    #[test]
    fn what_removes_the_first_or_the_last_row_moves_what_is_known_of_the_ends() {
        type Way = (&'static str, fn(&mut BucketMut<'_, '_>) -> Vec<u8>, bool);
        let ways: [Way; 4] = [
            ("pop_first", |b| b.pop_first().unwrap().unwrap().key, true),
            ("pop_last", |b| b.pop_last().unwrap().unwrap().key, false),
            (
                "first and delete",
                |b| {
                    let first = b.first().unwrap().unwrap().key;
                    assert!(b.delete(&first).unwrap());
                    first
                },
                true,
            ),
            (
                "last and take",
                |b| {
                    let last = b.last().unwrap().unwrap().key;
                    assert!(b.take(&last).unwrap().is_some());
                    last
                },
                false,
            ),
        ];
        let store = Store::in_memory().unwrap();
        // Keys that are alike for long.
        let key = |n: u64| [vec![7; 900], n.to_be_bytes().to_vec()].concat();
        for (way, remove, first) in ways {
            let fill = |w: &mut Writer<'_>| {
                let mut b = w.open_bucket(way)?;
                (0..20).try_for_each(|n| b.put(key(n), "").map(drop))
            };
            store.write(|w| Ok(fill(w)?)).unwrap();
            let txn = store.begin_write().unwrap();
            let mut w = txn.writer().unwrap();
            let mut b = w.open_bucket(way).unwrap();
            for n in 0..19 {
                let removed = remove(&mut b);
                assert_eq!(removed, key(if first { n } else { 19 - n }), "{way}");
                assert_eq!(if first { &b.record.low } else { &b.record.high }, &removed, "{way}");
            }
            // One from between others moves nothing, and what comes beyond the ends is found.
            (0..20).for_each(|n| {
                b.put(key(n), "").unwrap();
            });
            let before = b.record.clone();
            assert!(b.delete(key(9)).unwrap());
            assert_eq!((&b.record.low, &b.record.high), (&before.low, &before.high), "{way}");
            assert_eq!(b.iter().unwrap().count(), 19, "{way}");
            drop(w);
            txn.commit().unwrap();
        }
        assert!(store.verify().unwrap().is_clean());
    }
}
