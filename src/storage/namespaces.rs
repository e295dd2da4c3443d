//! The table `namespaces`: how many executions each namespace has, but for the default one.

use std::ops::Bound;

use redb::ReadableTable;

use super::counts::counts_in;
use super::{Live, Rows, Source, Tables, catch_panics, damaged};
use crate::format::schema::{Bytes, Tag};
use crate::format::{Reason, decode_counts};
use crate::model::error::{ReadError, StorageError};
use crate::model::text::Text;

/// Namespaces, each with how many executions it has, by the code of their state.
pub(crate) type NamespaceCounts<'r> =
    Box<dyn DoubleEndedIterator<Item = Result<(Text, Vec<u64>), ReadError>> + 'r>;

fn decode(key: &[u8], value: &[u8]) -> Result<(Text, Vec<u64>), Reason> {
    let namespace = std::str::from_utf8(key).map_err(|e| format!("a namespace is not UTF-8: {e}"))?;
    Ok((Text::from(namespace), decode_counts(Tag::Namespaces as u8, key, value)?))
}

impl<S: Source> Tables<S> {
    /// How many executions a namespace has, by the code of their state; not of the default one.
    pub(crate) fn namespace_count(&self, namespace: &str) -> Result<Vec<u64>, ReadError> {
        counts_in(&self.slots.namespaces, &self.source, Tag::Namespaces, namespace.as_bytes())
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
        let table = self.slots.namespaces.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8]>((low, high)))?;
        let (low, high) = (after.unwrap_or_default().as_bytes(), before.map(str::as_bytes));
        Ok(Rows::<Bytes, _>::new(range, Tag::Namespaces, low, high, |key, value| {
            decode(key, value).map_err(|reason| damaged(Tag::Namespaces, key, reason).into())
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_namespace_count(
        &mut self,
        namespace: &str,
        counts: &[u64],
    ) -> Result<(), StorageError> {
        self.put_counts(Tag::Namespaces, namespace.as_bytes(), counts)
    }
}
