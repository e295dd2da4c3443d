//! Which times occur in a block of numbers: what a range of times can skip.

use super::schema::table;
use super::{Reader, Reason, Row, Writer, kind_row};
use crate::model::time::Timestamp;

/// How many numbers, of executions or of changes, a block has.
pub(crate) const BLOCK: u64 = 1024;

/// The block of a number.
pub(crate) fn block_of(number: u64) -> u64 {
    number / BLOCK
}

/// What the numbers of a block count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeKind {
    /// Executions, with their times of creation.
    Executions = 1,
    /// Changes, with the times of modification that they set.
    Changes = 2,
}

/// The row of a block in the table `time_blocks`.
pub(crate) fn time_block_rows(kind: TimeKind, block: u64) -> [u8; 9] {
    kind_row(kind as u8, block)
}

/// The least and the greatest of some times; at first of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) least: Timestamp,
    pub(crate) greatest: Timestamp,
}

impl Default for Span {
    fn default() -> Self {
        Self { least: Timestamp::from_nanos(i64::MAX), greatest: Timestamp::from_nanos(i64::MIN) }
    }
}

impl Span {
    pub(crate) fn extend(&mut self, time: Timestamp) {
        self.least = self.least.min(time);
        self.greatest = self.greatest.max(time);
    }

    pub(crate) fn covers(&self, time: Timestamp) -> bool {
        self.least <= time && time <= self.greatest
    }

    pub(super) fn encode(&self, w: &mut Writer<'_>) {
        w.time(self.least);
        w.time(self.greatest);
    }

    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, Reason> {
        Ok(Self { least: r.time()?, greatest: r.time()? })
    }
}

impl Row for table::TimeBlocks {
    type New<'a> = &'a Span;
    type Value<'v> = Span;

    fn write(span: &Span, w: &mut Writer<'_>) {
        span.encode(w);
    }

    fn read(_: &[u8; 9], r: &mut Reader<'_>) -> Result<Span, Reason> {
        Span::decode(r)
    }
}
