//! Operations on whatever a query finds.

use super::Store;
use crate::bulk::Bulk;
use crate::query::Query;

/// # The history
impl Store {
    /// Updates or deletes whatever a query finds, in bounded transactions. See [`Bulk`].
    pub fn bulk<'p>(&self, query: Query) -> Bulk<'p> {
        Bulk::new(self.shared.clone(), query)
    }
}
