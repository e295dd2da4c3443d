//! What redb and the system say, in words of the path that was given.

use std::io;
use std::path::Path;

use redb::{Database, DatabaseError, StorageBackend};

use crate::engine::file::{Guarded, holder};
use crate::model::error::{DamagedPage, OpenError, StorageError};
use crate::storage::catch_panics;

/// Opens redb on a storage, with a page cache of so many bytes, and with what it may throw at us caught.
pub(super) fn open_redb(
    place: &Path,
    cache_size: usize,
    storage: Guarded<impl StorageBackend>,
) -> Result<Database, OpenError> {
    let mut redb = redb::Builder::new();
    redb.set_cache_size(cache_size);
    match catch_panics(|| Ok::<_, StorageError>(redb.create_with_backend(storage))) {
        Ok(db) => db.map_err(|error| database_error(error, place)),
        Err(StorageError::DamagedPage(page)) => Err(StorageError::DamagedPage(page).into()),
        Err(error) => Err(damaged("redb could not open it", error)),
    }
}

fn database_error(error: DatabaseError, path: &Path) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => in_use(path),
        DatabaseError::UpgradeRequired(version) => {
            let reason = format!("its redb format is {version}, which this release of redb does not read");
            OpenError::Damaged { reason, source: Some(Box::new(error)) }
        }
        DatabaseError::Storage(redb::StorageError::Io(error)) if is_refusal(&error) => {
            OpenError::Damaged { reason: error.to_string(), source: Some(Box::new(error)) }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != io::ErrorKind::UnexpectedEof && error.kind() != io::ErrorKind::InvalidData =>
        {
            io_error(path)(error)
        }
        other => OpenError::Damaged { reason: other.to_string(), source: Some(Box::new(other)) },
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<DamagedPage>())
}

pub(super) fn in_use(path: &Path) -> OpenError {
    OpenError::AlreadyOpen { path: path.to_owned(), holder: holder(path) }
}

pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> OpenError + use<'_> {
    move |source| OpenError::Io { path: path.to_owned(), source }
}

pub(super) fn damaged(reason: &str, error: StorageError) -> OpenError {
    OpenError::Damaged { reason: reason.to_owned(), source: Some(Box::new(error)) }
}
