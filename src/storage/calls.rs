//! Calls into redb, with what it can throw at us caught.

use redb::{Durability, TableHandle, UntypedTableHandle, WriteTransaction};

use crate::format::schema::Tag;
use crate::model::error::{CommitError, DamagedPage, StorageError};
use crate::model::panics::{Unwound, caught_with};

/// Calls redb. On a damaged file it may panic, or the storage below it may refuse a page by unwinding; that becomes an error.
pub(crate) fn catch_panics<T, E: Into<StorageError>>(
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, StorageError> {
    match caught_with::<_, DamagedPage>(call) {
        Ok(result) => result.map_err(Into::into),
        Err(Unwound::With(page)) => Err(StorageError::DamagedPage(page)),
        Err(Unwound::Panicked(message)) => Err(StorageError::Panicked { message }),
    }
}

/// A commit by redb. Its errors tell rolled back from unknown.
pub(crate) fn finish(txn: WriteTransaction) -> Result<(), CommitError> {
    match catch_panics(|| Ok::<_, StorageError>(txn.commit())) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ redb::CommitError::TransactionPoisoned)) => Err(CommitError::RolledBack(error.into())),
        Ok(Err(error)) => Err(CommitError::Unknown(error.into())),
        Err(panicked) => Err(CommitError::Unknown(panicked)),
    }
}

/// A durable commit after which the file can be opened without a walk through it, even after a crash.
pub(crate) fn commit_whole(mut txn: WriteTransaction) -> Result<(), StorageError> {
    catch_panics(|| {
        txn.set_quick_repair(true);
        txn.commit()
    })
}

/// A commit that waits for nothing.
pub(crate) fn commit_unsynced(mut txn: WriteTransaction) -> Result<(), StorageError> {
    catch_panics(|| txn.set_durability(Durability::None))?;
    catch_panics(|| txn.commit())
}

/// Rolling back can only fail where the storage failed before, and then the next open does it.
pub(crate) fn roll_back(txn: WriteTransaction) {
    let _ = catch_panics(|| txn.abort());
}

/// Whether there is a store in a database, by the list of its tables: to open one in a write transaction would make it.
pub(crate) fn has_store<L: Iterator<Item = UntypedTableHandle>>(
    list: impl FnOnce() -> Result<L, redb::StorageError>,
) -> Result<bool, StorageError> {
    catch_panics(|| list().map(|mut tables| tables.any(|table| table.name() == Tag::Meta.name())))
}
