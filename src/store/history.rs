//! Operations on whatever a query finds.

use super::Store;
use crate::bulk::Bulk;
use crate::model::error::{Error, ReadError};
use crate::model::query::Query;
use crate::read::View;

/// # The history
impl Store {
    /// Updates or deletes whatever a query finds, in bounded transactions. See [`Bulk`].
    pub fn bulk<'p>(&self, query: Query) -> Bulk<'p> {
        Bulk::new(self.engine.clone(), query)
    }

    /// The names of the bulk operations that were begun and are not through.
    pub fn bulks(&self) -> Result<Vec<String>, ReadError> {
        self.begin_read()?.tables().bulk_names()
    }

    /// Gives up a bulk operation that is not through, and frees its name; `false` if there is none. What it has changed stays so.
    pub fn forget_bulk(&self, name: impl AsRef<str>) -> Result<bool, Error> {
        self.write(|writer| Ok(writer.end_bulk(name.as_ref())?))
    }
}
