//! The checks of what says which changes are the last ones of their executions.

use std::collections::HashSet;

use super::checks::{Verifier, hex};
use crate::format::schema::{Tag, table};
use crate::format::{BLOCK, LastChangeBits, block_of, decode, number_of};
use crate::model::error::ReadError;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    /// Every last change in a full block is noted; and nothing else is but what was one when the last block was full.
    pub(super) fn last_change_bits(&mut self) -> Result<(), ReadError> {
        let tag = Tag::LastChangeBits;
        let (current, swept) = (block_of(self.totals.head), self.waiting.swept);
        let mut recent = HashSet::new();
        for row in self.tables.follows_rows(current.saturating_mul(BLOCK)..=u64::MAX)? {
            // Damage is told of where the log is read.
            recent.extend(row.ok().and_then(|(_, follows)| Some(follows?.follows)));
        }
        let mut expected = std::mem::take(&mut self.indexed.last_change_bits.0);
        expected.retain(|block, _| *block < current);
        self.walk::<table::LastChangeBits>(|verifier, key, value| {
            let block = number_of(key);
            #[expect(clippy::disallowed_methods, reason = "a block without last changes has no bits")]
            let expected = expected.remove(&block).unwrap_or_default();
            let noted = match decode::<table::LastChangeBits>(key, value) {
                Ok(noted) => noted,
                Err(reason) => {
                    verifier.problem(tag, format!("key {}: {reason}", hex(key)));
                    return Ok(());
                }
            };
            if block >= current || noted.is_empty() || block_of(swept.saturating_add(1)) > block {
                verifier.problem(tag, format!("block {block}: it should have no row"));
            }
            for change in LastChangeBits::all().of_block(block).filter(|change| *change > swept) {
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
