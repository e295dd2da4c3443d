//! A set of many numbers in little memory.

use std::collections::HashMap;

use crate::format::{LastChangeBits, block_of};

/// A set of numbers, a bit for each.
#[derive(Default)]
pub(super) struct Bits(pub(super) HashMap<u64, LastChangeBits>);

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
