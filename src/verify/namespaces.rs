//! The counters of the jobs and of the namespaces are those of the records.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::{Bytes, table};
use crate::format::{Table, change_count, decode_counts, job_counts_row};
use crate::model::error::StorageError;
use crate::model::execution::{DEFAULT_NAMESPACE, Header};
use crate::storage::{Source, Stored};

impl<S: Source> Verifier<'_, S> {
    /// An execution is in a namespace, in a state. The default one has no counter.
    pub(super) fn namespace(&mut self, name: &str, code: u8) {
        if name != DEFAULT_NAMESPACE {
            change_count(&mut self.counts.named, code, |count| count + 1);
            let of = self.sums.of_text(name.as_bytes());
            self.sums.expect(Group::Namespaces, of, &[name.as_bytes(), &[code]]);
        }
    }

    pub(super) fn namespaces(&mut self) -> Result<(), StorageError> {
        self.walk::<table::Namespaces>(|verifier, key, value| {
            verifier.counters_of::<table::Namespaces>(Group::Namespaces, key, value);
            Ok(())
        })?;
        if !self.sums.agree(Group::Namespaces) {
            self.search_counts_by_state::<table::Namespaces>(Group::Namespaces, |header| {
                match &*header.namespace {
                    DEFAULT_NAMESPACE => None,
                    name => Some(name.as_bytes().to_vec()),
                }
            })?;
        }
        if !self.sums.agree(Group::JobCounts) {
            self.search_counts_by_state::<table::Jobs>(Group::JobCounts, |header| {
                Some(job_counts_row(header.job_id.as_str()).to_vec())
            })?;
        }
        Ok(())
    }

    /// A row of counters by state.
    pub(super) fn counters_of<T: Stored + Table<Key = Bytes>>(
        &mut self,
        group: Group,
        key: &[u8],
        value: &[u8],
    ) {
        let tag = T::TAG;
        match decode_counts::<T>(key, value) {
            Ok(kept) if kept.iter().all(|count| *count == 0) => {
                self.problem(tag, format!("key {}: it counts none", hex(key)));
            }
            Ok(kept) => {
                for (code, count) in (0u8..).zip(kept) {
                    self.counter(group, key, &[key, &[code]], count);
                }
            }
            Err(reason) => self.problem(tag, format!("key {}: {reason}", hex(key))),
        }
    }

    /// Which counters are not what the records say; `key`: the row in which an execution is counted.
    fn search_counts_by_state<T: Stored + Table<Key = Bytes>>(
        &mut self,
        group: Group,
        key: fn(&Header) -> Option<Vec<u8>>,
    ) -> Result<(), StorageError> {
        let mut counted: HashMap<Vec<u8>, Vec<u64>> = HashMap::new();
        self.records_again(|verifier, record| {
            let code = record.header.state.code();
            if let Some(key) = key(&record.header).filter(|key| verifier.is_counter_in_question(group, key)) {
                change_count(counted.entry(key).or_default(), code, |count| count + 1);
            }
            Ok(())
        })?;
        self.search_counters::<T>(group, counted)
    }
}
