//! The counters of the namespaces are those of the records.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::codec::decode_number;
use crate::error::StorageError;
use crate::execution::DEFAULT_NAMESPACE;
use crate::schema::Tag;
use crate::tables::Source;

impl<S: Source> Verifier<'_, S> {
    /// An execution is in a namespace. The default one has no counter.
    pub(super) fn namespace(&mut self, name: &str) {
        if name != DEFAULT_NAMESPACE {
            self.counts.named += 1;
            self.sums.expect(Group::Namespaces, self.sums.of_text(name.as_bytes()), &[name.as_bytes()]);
        }
    }

    pub(super) fn namespaces(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Namespaces;
        self.walk(tag, |verifier, key, value| {
            match decode_number(tag as u8, key, value) {
                Ok(0) => verifier.problem(tag, format!("key {}: it counts none", hex(key))),
                Ok(count) => verifier.counter(Group::Namespaces, key, &[key], count),
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
            }
            Ok(())
        })?;
        if self.sums.agree(Group::Namespaces) { Ok(()) } else { self.search_namespaces() }
    }

    fn search_namespaces(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Namespaces;
        let differs = |verifier: &Self, name: &[u8]| {
            verifier.sums.differ(Group::Namespaces, verifier.sums.of_text(name))
        };
        let mut expected: HashMap<Vec<u8>, u64> = HashMap::new();
        self.records_again(|verifier, record| {
            let name = &*record.header.namespace;
            if name != DEFAULT_NAMESPACE && differs(verifier, name.as_bytes()) {
                *expected.entry(name.as_bytes().into()).or_default() += 1;
            }
            Ok(())
        })?;
        self.again(tag, |verifier, key, value| {
            if !differs(verifier, key) {
                return Ok(());
            }
            let counted = expected.remove(key).unwrap_or(0);
            if let Ok(kept) = decode_number(tag as u8, key, value)
                && kept != counted
            {
                verifier.problem(tag, format!("key {}: {kept}, not {counted}", hex(key)));
            }
            Ok(())
        })?;
        for key in expected.into_keys() {
            self.problem(tag, format!("key {}: the row is missing", hex(&key)));
        }
        Ok(())
    }
}
