//! The pending rows of one table.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

use super::key::RowKey;

/// What becomes of a row.
#[derive(Debug)]
pub(in crate::storage) struct PendingRow {
    /// `None`: it is removed.
    pub(in crate::storage) value: Option<Box<[u8]>>,
    /// redb has no row of this key.
    pub(in crate::storage) is_new: bool,
}

/// By key. Most tables are written to at their end, where a list is cheaper than a tree.
#[derive(Debug, Default)]
pub(in crate::storage) struct PendingRows {
    /// Those that came in the order of their keys.
    run: Vec<(RowKey, PendingRow)>,
    /// Those that came later than one with a larger key; none of them is in `run`.
    late: BTreeMap<RowKey, PendingRow>,
}

impl PendingRows {
    /// Writes a row, or removes it. What is known of it from before stays known.
    pub(super) fn put(&mut self, key: &[u8], row: PendingRow) {
        match self.get_mut(key) {
            Some(found) => found.value = row.value,
            None => self.put_absent(RowKey::new(key), row),
        }
    }

    fn put_absent(&mut self, key: RowKey, row: PendingRow) {
        match self.run.last() {
            Some((last, _)) if key < *last => drop(self.late.insert(key, row)),
            _ => self.run.push((key, row)),
        }
    }

    /// Takes rows in that were written after these.
    pub(super) fn take_in(&mut self, later: &mut PendingRows) {
        let PendingRows { mut run, late } = std::mem::take(later);
        if self.run.is_empty() && self.late.is_empty() {
            *self = PendingRows { run, late };
            return;
        }
        let follows = match (self.run.last(), run.first()) {
            (Some((last, _)), Some((first, _))) => last < first,
            _ => false,
        };
        if follows && self.late.is_empty() {
            self.run.append(&mut run);
        }
        for (key, row) in run.into_iter().chain(late) {
            match self.get_mut(&key) {
                Some(found) => found.value = row.value,
                None => self.put_absent(key, row),
            }
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&PendingRow> {
        match self.place(key) {
            Place::Behind => None,
            Place::Found(at) => self.run.get(at).map(|(_, row)| row),
            Place::Between if self.late.is_empty() => None,
            Place::Between => self.late.get(key),
        }
    }

    fn get_mut(&mut self, key: &[u8]) -> Option<&mut PendingRow> {
        match self.place(key) {
            Place::Behind => None,
            Place::Found(at) => self.run.get_mut(at).map(|(_, row)| row),
            Place::Between if self.late.is_empty() => None,
            Place::Between => self.late.get_mut(key),
        }
    }

    fn place(&self, key: &[u8]) -> Place {
        match self.run.last() {
            Some((last, _)) if *key < **last => self
                .run
                .binary_search_by(|(found, _)| (**found).cmp(key))
                .map_or(Place::Between, Place::Found),
            Some((last, _)) if *key == **last => Place::Found(self.run.len() - 1),
            _ => Place::Behind,
        }
    }

    fn len(&self) -> usize {
        self.run.len() + self.late.len()
    }

    pub(in crate::storage) fn is_empty(&self) -> bool {
        self.run.is_empty() && self.late.is_empty()
    }

    /// Those between two bounds, of which the first is not beyond the other.
    pub(super) fn range(&self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> [Sorted<'_>; 2] {
        let from = match low {
            Bound::Included(low) => self.run.partition_point(|(key, _)| **key < *low),
            Bound::Excluded(low) => self.run.partition_point(|(key, _)| **key <= *low),
            Bound::Unbounded => 0,
        };
        let to = match high {
            Bound::Included(high) => self.run.partition_point(|(key, _)| **key <= *high),
            Bound::Excluded(high) => self.run.partition_point(|(key, _)| **key < *high),
            Bound::Unbounded => self.run.len(),
        };
        let run = self.run.get(from..to).unwrap_or(&[]);
        [Sorted::Run(run.iter()), Sorted::Late(self.late.range::<[u8], _>((low, high)))]
    }
}

/// What becomes of each row, in the order of their keys, by the rows of several layers, oldest first.
pub(in crate::storage) fn sorted<'p>(layers: &[&'p PendingRows]) -> Vec<Becomes<'p>> {
    let mut all: Vec<Becomes<'p>> = Vec::with_capacity(layers.iter().map(|rows| rows.len()).sum());
    for rows in layers {
        let run = rows.run.iter().map(|(key, row)| (&**key, row));
        let late = rows.late.iter().map(|(key, row)| (&**key, row));
        all.extend(run.chain(late).map(|(key, row)| Becomes {
            key,
            value: row.value.as_deref(),
            is_new: row.is_new,
        }));
    }
    // A few runs, which the sort merges. Of rows of one key the oldest comes first.
    all.sort_by(|a, b| a.key.cmp(b.key));
    all.dedup_by(|later, earlier| {
        let same = later.key == earlier.key;
        if same {
            earlier.value = later.value;
        }
        same
    });
    all
}

/// What becomes of a row in redb.
pub(in crate::storage) struct Becomes<'p> {
    pub(in crate::storage) key: &'p [u8],
    /// `None`: it is removed.
    pub(in crate::storage) value: Option<&'p [u8]>,
    /// redb has no row of this key.
    pub(in crate::storage) is_new: bool,
}

enum Place {
    /// Every row lies before it.
    Behind,
    Found(usize),
    /// It is not in the run.
    Between,
}

/// Rows in the order of their keys, from either end.
pub(super) enum Sorted<'p> {
    Run(std::slice::Iter<'p, (RowKey, PendingRow)>),
    Late(btree_map::Range<'p, RowKey, PendingRow>),
}

impl<'p> Iterator for Sorted<'p> {
    type Item = (&'p [u8], &'p PendingRow);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Run(rows) => rows.next().map(|(key, row)| (&**key, row)),
            Self::Late(rows) => rows.next().map(|(key, row)| (&**key, row)),
        }
    }
}

impl DoubleEndedIterator for Sorted<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Run(rows) => rows.next_back().map(|(key, row)| (&**key, row)),
            Self::Late(rows) => rows.next_back().map(|(key, row)| (&**key, row)),
        }
    }
}
