//! Rows of counters, by the code of the state: those of a job, of a namespace and of a label.

use super::{Live, Source, Stored, Tables};
use crate::format::{all_zero, decode_counts, encode_counts};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// What a row counts; nothing if it is not there.
    pub(super) fn counts<T: Stored>(&self, key: &T::Key) -> Result<Vec<u64>, ReadError> {
        let counts = self.look_up::<T, _>(key, |value| decode_counts::<T>(key, value))?;
        #[expect(clippy::disallowed_methods, reason = "a row of zeros is no row")]
        Ok(counts.unwrap_or_default())
    }
}

impl Tables<Live<'_>> {
    /// A row of zeros is no row.
    pub(super) fn put_counts<T: Stored>(&mut self, key: &T::Key, counts: &[u64]) -> Result<(), StorageError> {
        if all_zero(counts) {
            return self.remove::<T>(key).map(drop);
        }
        self.put_with::<T>(key, |out| encode_counts::<T>(key, counts, out))
    }
}
