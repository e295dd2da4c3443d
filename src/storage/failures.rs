//! redb's errors as those of the store.

use crate::model::error::{Cause, StorageError, is_full};

macro_rules! storage_from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for StorageError {
            fn from(error: $error) -> Self {
                match redb::Error::from(error) {
                    redb::Error::PreviousIo => StorageError::Poisoned { reason: None },
                    redb::Error::Io(error) if is_full(&error) => {
                        StorageError::OutOfSpace { free: None, reserve: 0 }
                    }
                    error => StorageError::Database(Cause::new(error)),
                }
            }
        }
    )+};
}
storage_from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError
);
