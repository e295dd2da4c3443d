//! Reading the caller's own rows.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds};

use crate::format::BucketRecord;
use crate::model::buckets::{BucketRow, behind};
use crate::model::error::ReadError;
use crate::model::row_id::BucketId;
use crate::model::text::Text;
use crate::read::{List, View};

/// A bucket to be read, in a [`ReadTxn`](crate::ReadTxn) or with the own writes of a [`Writer`](crate::Writer); made by
/// [`Readable::bucket`](crate::Readable::bucket). One that does not exist reads as an empty one.
///
/// Rows come in the order of their keys' bytes, from either end with `rev()`; a cursor is a [`range`](Self::range) from where it
/// stands.
pub struct Bucket<'r, V: View + ?Sized> {
    view: &'r V,
    record: Option<Cow<'r, BucketRecord>>,
}

impl<'r, V: View + ?Sized> Bucket<'r, V> {
    pub(crate) fn find(view: &'r V, parent: BucketId, name: &str) -> Result<Self, ReadError> {
        Ok(Self { view, record: view.tables().bucket(parent, name)?.map(Cow::Owned) })
    }

    /// One that is known.
    pub(crate) fn of(view: &'r V, record: &'r BucketRecord) -> Self {
        Self { view, record: Some(Cow::Borrowed(record)) }
    }

    /// `true` if there is such a bucket, however empty it is.
    pub fn exists(&self) -> bool {
        self.record.is_some()
    }

    /// How many rows it has, without those of buckets in it. Constant time.
    pub fn len(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.rows)
    }

    /// `true` if it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last number that [`next_sequence`](crate::buckets::BucketMut::next_sequence) gave; 0 before the first.
    pub fn sequence(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.sequence)
    }

    /// `true` if changes of its rows are [in the change log](crate::buckets::BucketMut::set_logged).
    pub fn is_logged(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.logged)
    }

    /// The value of a key. Costs a look-up.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, ReadError> {
        match &self.record {
            Some(record) => self.view.tables().bucket_value(record.id, key.as_ref()),
            None => Ok(None),
        }
    }

    /// `true` if there is a row of this key.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, ReadError> {
        match &self.record {
            Some(record) => Ok(self.view.tables().has_bucket_row(record.id, key.as_ref())?),
            None => Ok(false),
        }
    }

    /// The row of the smallest key.
    pub fn first(&self) -> Result<Option<BucketRow>, ReadError> {
        self.iter()?.next().transpose()
    }

    /// The row of the largest key.
    pub fn last(&self) -> Result<Option<BucketRow>, ReadError> {
        self.iter()?.next_back().transpose()
    }

    /// All rows.
    pub fn iter(&self) -> Result<List<'r, BucketRow>, ReadError> {
        self.between(Bound::Unbounded, Bound::Unbounded)
    }

    /// The rows between two keys.
    ///
    /// ```
    /// # use execstore::{Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.write(|w| {
    /// #     let mut b = w.open_bucket("b")?;
    /// #     for key in ["a", "b", "c"] { b.put(key, "")?; }
    /// #     Ok(())
    /// # })?;
    /// let r = store.begin_read()?;
    /// let behind_a = r.bucket("b")?.range("a"..)?.nth(1);
    /// assert_eq!(behind_a.unwrap()?.key, b"b");
    /// let before_c = r.bucket("b")?.range(.."c")?.rev().next();
    /// assert_eq!(before_c.unwrap()?.key, b"b");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Result<List<'r, BucketRow>, ReadError> {
        self.between(keys.start_bound().map(AsRef::as_ref), keys.end_bound().map(AsRef::as_ref))
    }

    /// The rows whose keys begin with a prefix.
    pub fn with_prefix(&self, prefix: impl AsRef<[u8]>) -> Result<List<'r, BucketRow>, ReadError> {
        let (prefix, end) = (prefix.as_ref(), behind(prefix.as_ref()));
        self.between(Bound::Included(prefix), end.as_deref().map_or(Bound::Unbounded, Bound::Excluded))
    }

    fn between(&self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<List<'r, BucketRow>, ReadError> {
        let Some(record) = &self.record else { return Ok(List::empty()) };
        // What went from the ends has left nothing to step over.
        let (first_known, last_known) = record.ends();
        let low = match low {
            Bound::Included(first) | Bound::Excluded(first) if first >= record.low.as_slice() => low,
            _ => first_known,
        };
        let high = match (high, last_known) {
            (_, Bound::Unbounded) => high,
            (Bound::Included(last) | Bound::Excluded(last), _) if last <= record.high.as_slice() => high,
            _ => last_known,
        };
        Ok(List::new(self.view.tables().bucket_rows(record.id, (low, high))?))
    }

    /// A bucket in this one.
    pub fn bucket(&self, name: impl AsRef<str>) -> Result<Bucket<'r, V>, ReadError> {
        match &self.record {
            Some(record) => Self::find(self.view, record.id, name.as_ref()),
            None => Ok(Self { view: self.view, record: None }),
        }
    }

    /// The names of the buckets in this one, in the order of their bytes.
    pub fn buckets(&self) -> Result<List<'r, Text>, ReadError> {
        match &self.record {
            Some(record) => names(self.view, record.id),
            None => Ok(List::empty()),
        }
    }
}

/// The names of the buckets in one.
pub(crate) fn names<V: View + ?Sized>(view: &V, parent: BucketId) -> Result<List<'_, Text>, ReadError> {
    Ok(List::new(view.tables().buckets_in(parent)?.map(|row| row.map(|(name, _)| name))))
}

impl<V: View + ?Sized> std::fmt::Debug for Bucket<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket").field("exists", &self.exists()).field("len", &self.len()).finish()
    }
}
