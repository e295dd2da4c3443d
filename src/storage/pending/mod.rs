//! Rows that were written and that redb has not been given yet: see "Pending rows" in `docs/architecture.md`.
//!
//! A row that changes often is given to redb once, rows that lie beside each other together, and one that comes and goes in
//! between never. To take a transaction back, or one member of a group, is to forget its rows.

mod key;
mod range;
mod rows;

use std::ops::Bound;
use std::sync::Arc;

use crate::format::schema::Tag;
pub(super) use range::PendingRange;
pub(super) use rows::{Becomes, PendingRow, PendingRows, sorted};

/// Pending rows of all tables.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    tables: [PendingRows; Tag::ALL.len()],
    /// Which of them have rows: a bit for each tag.
    used: u32,
    /// About as many bytes as they take.
    bytes: usize,
}

/// What a row takes beside its key and its value.
const ROW: usize = 64;

impl Layer {
    fn put(&mut self, tag: Tag, key: &[u8], value: Option<&[u8]>, is_new: bool) {
        self.bytes += ROW + value.map_or(0, <[u8]>::len);
        self.used |= 1 << tag.byte();
        let row = PendingRow { value: value.map(Into::into), is_new };
        self.rows_mut(tag).put(key, row);
    }

    /// Takes rows in that were written after these.
    pub(crate) fn take_in(&mut self, later: &mut Layer) {
        if later.is_empty() {
            return;
        }
        self.bytes += std::mem::take(&mut later.bytes);
        self.used |= later.used;
        let mut used = std::mem::take(&mut later.used);
        for (rows, later) in self.tables.iter_mut().zip(&mut later.tables) {
            if used & 1 != 0 {
                rows.take_in(later);
            }
            used >>= 1;
        }
    }

    fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    #[expect(clippy::indexing_slicing, reason = "there are as many as tags, which are numbered from 0")]
    pub(super) fn rows(&self, tag: Tag) -> &PendingRows {
        &self.tables[usize::from(tag.byte())]
    }

    #[expect(clippy::indexing_slicing, reason = "as above")]
    fn rows_mut(&mut self, tag: Tag) -> &mut PendingRows {
        &mut self.tables[usize::from(tag.byte())]
    }

    fn has_some(&self, tag: Tag) -> bool {
        self.used & 1 << tag.byte() != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// About as many bytes as they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The pending rows of a transaction, over those of the transactions before it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Of the transactions before, oldest first, which others may see too.
    before: Vec<Arc<Layer>>,
    /// Of this one, up to the last mark.
    kept: Layer,
    /// What may be taken back alone.
    part: Layer,
}

impl Pending {
    /// Those of a transaction that follows others.
    pub(crate) fn after(before: Vec<Arc<Layer>>) -> Self {
        Self { before, ..Self::default() }
    }

    /// The transactions before are these.
    pub(crate) fn go_on_from(&mut self, before: Vec<Arc<Layer>>) {
        self.before = before;
    }

    /// What a transaction wrote, which has ended.
    pub(crate) fn into_layer(mut self) -> Layer {
        self.mark();
        self.kept
    }

    /// From here on what is written can be taken back.
    pub(super) fn mark(&mut self) {
        self.kept.take_in(&mut self.part);
    }

    /// Takes back what was written since the mark.
    pub(super) fn cut(&mut self) {
        self.part.clear();
    }

    /// About as many bytes as the rows of this transaction take.
    pub(super) fn bytes(&self) -> usize {
        self.kept.bytes + self.part.bytes
    }

    /// Takes what there is: that of before, oldest first, and what may have to be taken back.
    pub(super) fn take(&mut self) -> (Vec<Arc<Layer>>, Layer) {
        let Self { mut before, kept, part } = std::mem::take(self);
        before.push(Arc::new(kept));
        (before, part)
    }

    /// Rows of a table are pending.
    pub(super) fn has_some(&self, tag: Tag) -> bool {
        self.layers().any(|layer| layer.has_some(tag))
    }

    /// Writes a row, or removes it; `is_new` if it is known that there is none of this key.
    pub(super) fn put(&mut self, tag: Tag, key: &[u8], value: Option<&[u8]>, is_new: bool) {
        self.part.put(tag, key, value, is_new);
    }

    /// What becomes of a row; `None` if it is not pending, and redb knows.
    pub(super) fn get(&self, tag: Tag, key: &[u8]) -> Option<Option<&[u8]>> {
        let row = self.layers().find_map(|layer| layer.rows(tag).get(key))?;
        Some(row.value.as_deref())
    }

    /// The newest first.
    fn layers(&self) -> impl Iterator<Item = &Layer> {
        [&self.part, &self.kept].into_iter().chain(self.before.iter().rev().map(Arc::as_ref))
    }

    /// The rows of a table between two bounds, if there are some.
    pub(super) fn range(&self, tag: Tag, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Option<PendingRange<'_>> {
        if is_empty(low, high) {
            return None;
        }
        let some = self.layers().filter(|layer| layer.has_some(tag)).map(|layer| layer.rows(tag));
        PendingRange::of(some.flat_map(|rows| rows.range(low, high)))
    }
}

/// Nothing lies between the bounds.
pub(super) fn is_empty(low: Bound<&[u8]>, high: Bound<&[u8]>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
            low >= high
        }
    }
}
