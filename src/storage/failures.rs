//! redb's errors as those of the store.

use crate::model::error::{Cause, DamagedPage, StorageError, is_full};

macro_rules! storage_from_redb {
    ($($error:ty),+) => {$(
        impl From<$error> for StorageError {
            fn from(error: $error) -> Self {
                match redb::Error::from(error) {
                    redb::Error::PreviousIo => StorageError::Poisoned { reason: None },
                    redb::Error::Io(error) if is_full(&error) => {
                        StorageError::OutOfSpace { free: None, reserve: 0 }
                    }
                    error => match refused_page(&error) {
                        Some(page) => StorageError::DamagedPage(page),
                        None => StorageError::Database(Cause::new(error)),
                    },
                }
            }
        }
    )+};
}
/// The damaged page for which the storage below redb refused a read.
fn refused_page(error: &redb::Error) -> Option<DamagedPage> {
    let redb::Error::Io(error) = error else { return None };
    error.get_ref()?.downcast_ref::<DamagedPage>().cloned()
}
storage_from_redb!(
    redb::Error,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::SetDurabilityError
);
