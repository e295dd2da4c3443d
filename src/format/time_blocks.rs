//! Which times occur in a block of numbers: what a range of times can skip.

use super::{Reader, Reason, Writer, check_frame, finish_frame, state_row};
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
    state_row(kind as u8, block)
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

/// Encodes a row of the table `time_blocks`.
pub(crate) fn encode_time_block(table: u8, key: &[u8], span: &Span, out: &mut Vec<u8>) {
    span.encode(&mut Writer::frame(out));
    finish_frame(table, key, out);
}

/// Decodes a row of the table `time_blocks`.
pub(crate) fn decode_time_block(table: u8, key: &[u8], value: &[u8]) -> Result<Span, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let span = Span::decode(&mut r)?;
    r.end()?;
    Ok(span)
}
