//! Calls into redb, with what it can throw at us caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{AccessGuard, Key, Range, WriteTransaction};

use crate::error::{CommitError, Damage, ReadError, StorageError};
use crate::schema::{Tag, Value};

/// Calls redb. On a damaged file it may panic; that becomes an error, and the store stops writing.
pub(crate) fn shield<T, E: Into<StorageError>>(
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, StorageError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => {
            let message = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "for no stated reason".to_owned());
            Err(StorageError::Panicked { message })
        }
    }
}

/// A commit by redb. Its errors tell rolled back from unknown.
pub(crate) fn finish(txn: WriteTransaction) -> Result<(), CommitError> {
    match shield(|| Ok::<_, StorageError>(txn.commit())) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ redb::CommitError::TransactionPoisoned)) => Err(CommitError::RolledBack(error.into())),
        Ok(Err(error)) => Err(CommitError::Unknown(error.into())),
        Err(panicked) => Err(CommitError::Unknown(panicked)),
    }
}

/// Rolling back can only fail where the storage failed before, and then the next open does it.
pub(crate) fn roll_back(txn: WriteTransaction) {
    let _ = shield(|| txn.abort());
}

/// A damaged row.
pub(crate) fn damage(table: &'static str, key: &[u8], reason: String) -> Damage {
    let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Damage { table, key, reason }
}

/// The rows of a range, from either end, each of them checked to lie where it was looked for: on a damaged
/// page redb finds rows that are out of order. Ends after the first storage error, since redb may leave rows
/// out after one.
pub(crate) struct Rows<'a, K: Key + 'static> {
    range: Option<Range<'a, K, Value>>,
    tag: Tag,
    /// The rows to come lie between these.
    low: Edge,
    high: Option<Edge>,
}

struct Edge {
    key: Vec<u8>,
    included: bool,
}

impl Edge {
    fn included(key: &[u8]) -> Self {
        Self { key: key.to_vec(), included: true }
    }

    fn pass(&mut self, key: &[u8]) {
        self.included = false;
        self.key.clear();
        self.key.extend_from_slice(key);
    }
}

/// A row as redb lends it.
pub(crate) type Row<'a, K> = (AccessGuard<'a, K>, AccessGuard<'a, Value>);

type Step<'a, K> = Option<Result<Row<'a, K>, redb::StorageError>>;

impl<'a, K: Key + 'static> Rows<'a, K> {
    /// `low` and `high` are the ends of the range, both included.
    pub(crate) fn new(range: Range<'a, K, Value>, tag: Tag, low: &[u8], high: Option<&[u8]>) -> Self {
        let (low, high) = (Edge::included(low), high.map(Edge::included));
        Self { range: Some(range), tag, low, high }
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut Range<'a, K, Value>) -> Step<'a, K>,
        from_front: bool,
    ) -> Option<Result<Row<'a, K>, ReadError>> {
        let range = self.range.as_mut()?;
        let row = match shield(|| step(range).transpose()) {
            Ok(row) => row?,
            Err(error) => {
                self.range = None;
                return Some(Err(error.into()));
            }
        };
        let placed = self.place(K::as_bytes(&row.0.value()).as_ref(), from_front);
        match placed {
            Ok(()) => Some(Ok(row)),
            Err(damage) => Some(Err(damage.into())),
        }
    }

    /// Checks that a row lies between those before it and those to come.
    fn place(&mut self, key: &[u8], from_front: bool) -> Result<(), Damage> {
        let above = key > self.low.key.as_slice() || (self.low.included && key == self.low.key);
        let below = match &self.high {
            Some(high) => key < high.key.as_slice() || (high.included && key == high.key),
            None => true,
        };
        if !(above && below) {
            return Err(damage(self.tag.name(), key, "the row is out of its place".into()));
        }
        if from_front {
            self.low.pass(key);
        } else {
            self.high.get_or_insert_with(|| Edge::included(key)).pass(key);
        }
        Ok(())
    }
}

impl<'a, K: Key + 'static> Iterator for Rows<'a, K> {
    type Item = Result<Row<'a, K>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|range| range.next(), true)
    }
}

impl<K: Key + 'static> DoubleEndedIterator for Rows<'_, K> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(|range| range.next_back(), false)
    }
}
