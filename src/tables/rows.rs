//! Calls into redb, with what it can throw at us caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use redb::{AccessGuard, Key, Range, WriteTransaction};

use crate::error::{CommitError, Damage, StorageError};
use crate::schema::Value;

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

/// The rows of a range, from either end. Ends after the first storage error, since redb may leave rows out
/// after one.
pub(crate) struct Rows<'a, K: Key + 'static> {
    range: Option<Range<'a, K, Value>>,
}

/// A row as redb lends it.
pub(crate) type Row<'a, K> = (AccessGuard<'a, K>, AccessGuard<'a, Value>);

impl<'a, K: Key + 'static> Rows<'a, K> {
    pub(crate) fn new(range: Range<'a, K, Value>) -> Self {
        Self { range: Some(range) }
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut Range<'a, K, Value>) -> Option<Result<Row<'a, K>, redb::StorageError>>,
    ) -> Option<Result<Row<'a, K>, StorageError>> {
        let range = self.range.as_mut()?;
        match shield(|| step(range).transpose()) {
            Ok(row) => row.map(Ok),
            Err(error) => {
                self.range = None;
                Some(Err(error))
            }
        }
    }
}

impl<'a, K: Key + 'static> Iterator for Rows<'a, K> {
    type Item = Result<Row<'a, K>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|range| range.next())
    }
}

impl<K: Key + 'static> DoubleEndedIterator for Rows<'_, K> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(|range| range.next_back())
    }
}
