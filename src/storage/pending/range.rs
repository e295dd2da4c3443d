//! Pending rows of a range, from either end, the newest of each key.

use super::rows::Sorted;
use crate::storage::ends::Ends;

/// Rows of the layers, the newest first.
pub(in crate::storage) struct PendingRange<'p> {
    layers: Vec<Ends<Sorted<'p>>>,
}

impl<'p> PendingRange<'p> {
    /// None where there is nothing.
    pub(super) fn of(rows: impl Iterator<Item = Sorted<'p>>) -> Option<Self> {
        let some = rows.map(Ends::new).filter_map(|mut rows| rows.near(true).is_some().then_some(rows));
        let layers: Vec<_> = some.collect();
        (!layers.is_empty()).then_some(Self { layers })
    }

    /// The next key from an end.
    pub(in crate::storage) fn near(&mut self, from_front: bool) -> Option<&'p [u8]> {
        let keys = self.layers.iter_mut().filter_map(|rows| rows.near(from_front).map(|(key, _)| key));
        if from_front { keys.min() } else { keys.max() }
    }

    /// Takes the row of this key, which comes next: its value, or `None` if it is removed.
    pub(in crate::storage) fn take(&mut self, key: &[u8], from_front: bool) -> Option<&'p [u8]> {
        let mut newest = None;
        for rows in &mut self.layers {
            if let Some((_, row)) = rows.near(from_front).take_if(|(found, _)| *found == key) {
                newest.get_or_insert(row);
            }
        }
        newest.and_then(|row| row.value.as_deref())
    }
}
