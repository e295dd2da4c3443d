//! What the records say of the index tables, gathered on the way.

use std::collections::HashMap;

use super::bits::Bits;
use crate::format::schema::Tag;
use crate::format::{Span, TimeKind, Totals, block_of};
use crate::model::time::Timestamp;

/// What the records say that the index tables must hold.
pub(super) struct Indexed {
    /// How many rows each must have, and has.
    pub(super) rows: HashMap<Tag, (u64, u64)>,
    /// The times in each block, as far as there are executions.
    pub(super) spans: HashMap<(u8, u64), Span>,
    pub(super) current: [Span; 2],
    pub(super) blocks: [u64; 2],
    /// Links to an id that nobody has had since.
    pub(super) unmet: u64,
    /// The last changes of the executions.
    pub(super) last_change_bits: Bits,
}

impl Indexed {
    pub(super) fn new(totals: &Totals) -> Self {
        Self {
            rows: HashMap::new(),
            spans: HashMap::new(),
            current: [totals.created, totals.modified],
            blocks: [block_of(totals.last_number), block_of(totals.head)],
            unmet: 0,
            last_change_bits: Bits::default(),
        }
    }

    pub(super) fn expect_row(&mut self, tag: Tag) {
        self.rows.entry(tag).or_default().0 += 1;
    }

    pub(super) fn find_row(&mut self, tag: Tag) {
        self.rows.entry(tag).or_default().1 += 1;
    }

    /// How many rows a table must have, and has.
    pub(super) fn rows(&self, tag: Tag) -> (u64, u64) {
        self.rows.get(&tag).copied().unwrap_or((0, 0))
    }

    pub(super) fn time(&mut self, kind: TimeKind, number: u64, time: Timestamp) {
        self.spans.entry((kind as u8, block_of(number))).or_default().extend(time);
    }
}
