//! The counters of the namespaces are those of the records.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::decode_number;
use crate::format::schema::Tag;
use crate::model::error::StorageError;
use crate::model::execution::DEFAULT_NAMESPACE;
use crate::storage::Source;

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
        let mut counted: HashMap<Vec<u8>, u64> = HashMap::new();
        self.records_again(|verifier, record| {
            let name = record.header.namespace.as_bytes();
            if name != DEFAULT_NAMESPACE.as_bytes()
                && verifier.is_counter_in_question(Group::Namespaces, name)
            {
                *counted.entry(name.into()).or_default() += 1;
            }
            Ok(())
        })?;
        self.search_counters(Group::Namespaces, counted, decode_number, u64::eq)
    }
}
