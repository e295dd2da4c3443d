//! Who the store in a database is, and the numbers that tell one from another.

use redb::ReadableDatabase;
use uuid::Uuid;

use super::errors::damaged;
use crate::engine::journaling::open_error;
use crate::format::Meta;
use crate::format::schema::FORMAT;
use crate::model::error::OpenError;
use crate::model::id::StoreIncarnation;
use crate::storage::{Snapshot, Tables, catch_panics, has_store};

pub(super) fn read_meta(db: &impl ReadableDatabase) -> Result<Meta, OpenError> {
    let txn = catch_panics(|| db.begin_read())?;
    if !has_store(|| txn.list_tables())
        .map_err(|error| damaged("the list of tables cannot be read", error))?
    {
        return Err(OpenError::NotAStore);
    }
    match Tables::new(Snapshot::here(txn)).meta().map_err(open_error)? {
        Some(Ok(meta)) => Ok(meta),
        Some(Err(found)) => Err(OpenError::Format { found, supported: FORMAT }),
        None => Err(OpenError::Damaged { reason: "the meta record is missing".into(), source: None }),
    }
}

/// A random number that is not 0.
pub(super) fn draw() -> u64 {
    Uuid::new_v4().as_u64_pair().0.max(1)
}

/// Never 0, which is that of no store.
pub(super) fn draw_incarnation() -> StoreIncarnation {
    StoreIncarnation(draw())
}
