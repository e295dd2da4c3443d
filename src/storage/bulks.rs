//! The table `bulk_progress`: how far each named bulk operation is.

use std::ops::Bound;

use super::{Live, Source, Tables};
use crate::format::BulkProgress;
use crate::format::schema::table;
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    pub(crate) fn bulk(&self, name: &str) -> Result<Option<BulkProgress>, ReadError> {
        self.get::<table::BulkProgress, _>(name.as_bytes())
    }

    /// The names of all of them, also where how far they are cannot be read. One that is no text is damaged, and would name
    /// another if it were made one.
    pub(crate) fn bulk_names(&self) -> Result<Vec<String>, ReadError> {
        let name = |key: &[u8], _: &[u8]| {
            let name = std::str::from_utf8(key).map_err(|error| format!("the name is not UTF-8: {error}"))?;
            Ok(name.to_owned())
        };
        self.between::<table::BulkProgress, _, _>(Bound::Unbounded, Bound::Unbounded, name)?.collect()
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_bulk(&mut self, name: &str, place: &BulkProgress) -> Result<(), StorageError> {
        self.put::<table::BulkProgress>(name.as_bytes(), place)
    }

    pub(crate) fn remove_bulk(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove::<table::BulkProgress>(name.as_bytes())
    }
}
