//! The table `namespaces`: how many executions each namespace has, but for the default one.

use std::ops::Bound;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{Reason, decode_counts};
use crate::model::error::{ReadError, StorageError};
use crate::model::text::Text;

/// Namespaces, each with how many executions it has, by the code of their state.
pub(crate) type NamespaceCounts<'r> =
    Box<dyn DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + 'r>;

fn decode(key: &[u8], value: &[u8]) -> Result<(Text, Vec<u64>), Reason> {
    let namespace = std::str::from_utf8(key).map_err(|e| format!("a namespace is not UTF-8: {e}"))?;
    Ok((Text::from(namespace), decode_counts::<table::Namespaces>(key, value)?))
}

impl<S: Source> Tables<S> {
    /// How many executions a namespace has, by the code of their state; not of the default one.
    pub(crate) fn namespace_count(&self, namespace: &str) -> Result<Vec<u64>, ReadError> {
        self.counts::<table::Namespaces>(namespace.as_bytes())
    }

    /// The namespaces behind one, and before another.
    pub(crate) fn namespace_counts(
        &self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + use<'_, S>, StorageError>
    {
        let low = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
        let high = before.map_or(Bound::Unbounded, |before| Bound::Excluded(before.as_bytes()));
        self.between::<table::Namespaces, _, _>(low, high, decode)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_namespace_count(
        &mut self,
        namespace: &str,
        counts: &[u64],
    ) -> Result<(), StorageError> {
        self.put_counts::<table::Namespaces>(namespace.as_bytes(), counts)
    }
}
