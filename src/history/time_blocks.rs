//! Which numbers a range of times can be among.

use std::ops::RangeInclusive;

use crate::format::{BLOCK, Span, TimeKind, block_of};
use crate::model::error::ReadError;
use crate::model::query::Times;
use crate::read::View;

/// The parts of a range of numbers whose blocks can hold one of the times, in order.
///
/// Costs a row for each 1,024 numbers ever given. A row that is damaged leaves nothing out.
pub(super) fn blocks<V: View + ?Sized>(
    view: &V,
    kind: TimeKind,
    times: Times,
    range: RangeInclusive<u64>,
) -> Result<Vec<RangeInclusive<u64>>, ReadError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let Some((least, greatest)) = times else { return Ok(vec![range]) };
    let overlaps = |span: &Span| span.least <= greatest && least <= span.greatest;
    let totals = view.totals()?;
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    let mut add = |block: u64| {
        let first = block.saturating_mul(BLOCK).max(*range.start());
        let last = block.saturating_mul(BLOCK).saturating_add(BLOCK - 1).min(*range.end());
        if first > last {
            return;
        }
        match ranges.last_mut() {
            Some(before) if before.end().checked_add(1) == Some(first) => *before = *before.start()..=last,
            _ => ranges.push(first..=last),
        }
    };
    for row in view.tables().time_block_rows(kind)? {
        match row {
            Ok((block, span)) if overlaps(&span) => add(block),
            Ok(_) => {}
            Err(ReadError::Storage(error)) => return Err(error.into()),
            Err(_) => return Ok(vec![range]),
        }
    }
    let (number, span) = match kind {
        TimeKind::Executions => (totals.last_number, totals.created),
        TimeKind::Changes => (totals.head, totals.modified),
    };
    if overlaps(&span) {
        add(block_of(number));
    }
    Ok(ranges)
}
