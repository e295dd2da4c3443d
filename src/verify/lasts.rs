//! The checks of what says which changes are the last ones of their executions.

use std::collections::{HashMap, HashSet};

use super::checks::{Verifier, hex};
use crate::codec::{BLOCK, Lasts, block_of, decode_lasts};
use crate::error::ReadError;
use crate::schema::Tag;
use crate::tables::Source;

/// A set of numbers, a bit for each.
#[derive(Default)]
pub(super) struct Bits(HashMap<u64, Lasts>);

impl Bits {
    /// `false` if it is in already.
    pub(super) fn set(&mut self, number: u64) -> bool {
        let bits = self.0.entry(block_of(number)).or_default();
        let is_new = !bits.contains(number);
        bits.set(number, true);
        is_new
    }

    /// What is in both.
    pub(super) fn both(&self, other: &Self) -> Vec<u64> {
        let both = self.0.iter().filter_map(|(block, bits)| Some((block, bits, other.0.get(block)?)));
        both.flat_map(|(block, one, two)| one.of_block(*block).filter(|n| two.contains(*n))).collect()
    }
}

impl<S: Source> Verifier<'_, S> {
    /// Every last change in a full block is noted; and nothing else is but what was one when the last block was full.
    pub(super) fn lasts(&mut self) -> Result<(), ReadError> {
        let tag = Tag::Lasts;
        let (current, swept) = (block_of(self.totals.head), self.waiting.swept);
        let mut recent = HashSet::new();
        for row in self.tables.follows_rows(current.saturating_mul(BLOCK)..=u64::MAX)? {
            // Damage is told of where the log is read.
            recent.extend(row.ok().map(|(_, follows)| follows.follows));
        }
        let mut expected = std::mem::take(&mut self.indexed.lasts.0);
        expected.retain(|block, _| *block < current);
        self.walk(tag, |verifier, key, value| {
            let block = key.try_into().map_or(0, u64::from_be_bytes);
            let expected = expected.remove(&block).unwrap_or_default();
            let noted = match decode_lasts(tag as u8, key, value) {
                Ok(noted) => noted,
                Err(reason) => {
                    verifier.problem(tag, format!("key {}: {reason}", hex(key)));
                    return Ok(());
                }
            };
            if block >= current || noted.is_empty() {
                verifier.problem(tag, format!("block {block}: it should have no row"));
            }
            for change in Lasts::all().of_block(block).filter(|change| *change > swept) {
                match (noted.contains(change), expected.contains(change)) {
                    (false, true) => verifier
                        .problem(tag, format!("{change} is the last change of an execution, and not noted")),
                    (true, false) if !recent.contains(&change) => verifier
                        .problem(tag, format!("{change} is noted, and not the last change of an execution")),
                    _ => {}
                }
            }
            Ok(())
        })?;
        for block in expected.into_keys() {
            self.problem(tag, format!("block {block}: it has no row"));
        }
        Ok(())
    }
}
