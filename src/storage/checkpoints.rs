//! The table `checkpoints`: name to change sequence number.

use std::ops::Bound;

use super::{Live, Source, Tables};
use crate::format::decode;
use crate::format::schema::table;
use crate::model::error::{ReadError, StorageError};
use crate::model::id::ChangeSeq;

impl<S: Source> Tables<S> {
    pub(crate) fn checkpoint(&self, name: &str) -> Result<Option<ChangeSeq>, ReadError> {
        self.get::<table::Checkpoints, _>(name.as_bytes())
    }

    /// All checkpoints, by name.
    pub(crate) fn checkpoint_rows(
        &self,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(String, ChangeSeq), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let row = |key: &[u8], value: &[u8]| {
            let name = std::str::from_utf8(key).map_err(|error| error.to_string())?;
            Ok((name.to_owned(), decode::<table::Checkpoints>(key, value)?))
        };
        self.between::<table::Checkpoints, _, _>(Bound::Unbounded, Bound::Unbounded, row)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_checkpoint(&mut self, name: &str, seq: ChangeSeq) -> Result<(), StorageError> {
        self.put::<table::Checkpoints>(name.as_bytes(), seq)
    }

    pub(crate) fn remove_checkpoint(&mut self, name: &str) -> Result<bool, StorageError> {
        self.remove::<table::Checkpoints>(name.as_bytes())
    }
}
