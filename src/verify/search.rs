//! Where the sums of index tables differ: which rows are missing, and which should not be there. Looked up one by one, as far as
//! their executions are in a part whose sums differ.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::indexes::{Index, group_of, rows_of};
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{IdKey, Record, change_count, decode, label};
use crate::model::error::StorageError;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    pub(super) fn search_indexes(&mut self) -> Result<(), StorageError> {
        let groups = [
            Group::Ids,
            Group::Ties,
            Group::Jobs,
            Group::States,
            Group::Labels,
            Group::Links,
            Group::Completed,
            Group::Settled,
        ];
        if !groups.into_iter().all(|group| self.sums.agree(group)) {
            self.records_again(|verifier, record| verifier.rows_of_record(record))?;
        }
        if !self.sums.agree(Group::Ids) {
            self.search_ids()?;
        }
        self.check_index::<table::Jobs>()?;
        self.check_index::<table::States>()?;
        self.check_index::<table::Labels>()?;
        self.check_index::<table::Links>()?;
        self.check_index::<table::Completions>()?;
        self.check_index::<table::LastChanges>()?;
        if !self.sums.agree(Group::LabelCounts) {
            self.search_label_counts()?;
        }
        Ok(())
    }

    fn check_index<T: Index>(&mut self) -> Result<(), StorageError> {
        let tag = T::TAG;
        let agree = self.sums.agree(group_of(tag));
        if !agree || tag == Tag::Links && !self.sums.agree(Group::Ties) {
            self.search_index::<T>()?;
        }
        let (expected, rows) = self.indexed.rows(tag);
        if rows != expected {
            self.problem(tag, format!("{rows} rows, not {expected}"));
        }
        Ok(())
    }

    /// The rows of a record are there.
    fn rows_of_record(&mut self, record: &Record<'_>) -> Result<(), StorageError> {
        let header = &record.header;
        let (id, number) = (&header.id, record.number());
        if self.sums.differ(Group::Ids, number) {
            let found = self.tables.number(id.as_str());
            if self.row(Tag::Ids, found)?.flatten() != Some(number) {
                self.problem(Tag::Ids, format!("{id}: it has no row, or that of another execution"));
            }
        }
        let mut missing = Ok(());
        rows_of(header, record.last_change, (self.lifecycle, self.waiting.swept), &mut |tag, key| {
            if missing.is_ok() && self.sums.differ(group_of(tag), number) {
                match self.tables.has_any(tag, key) {
                    Ok(true) => {}
                    Ok(false) => self.problem(tag, format!("{id}: it has no row")),
                    Err(error) => missing = Err(error),
                }
            }
        });
        missing?;
        let links = [Group::Links, Group::Ties];
        if links.into_iter().any(|group| self.sums.differ(group, number)) || !self.sums.agree(Group::Ids) {
            self.links_of(header, number)?;
        }
        Ok(())
    }

    fn search_ids(&mut self) -> Result<(), StorageError> {
        self.again::<table::Ids>(|verifier, key, value| {
            let Ok(number) = decode::<table::Ids>(key, value) else { return Ok(()) };
            if !verifier.sums.differ(Group::Ids, number) {
                return Ok(());
            }
            let found = verifier.tables.execution(number, verifier.lifecycle);
            let found = verifier.row(Tag::Executions, found)?.flatten();
            if found.is_none_or(|found| *IdKey::of(found.header.id.as_str()) != *key) {
                let key = hex(key);
                let what = format!("key {key}: there is no such execution number {number}");
                verifier.problem(Tag::Ids, what);
            }
            Ok(())
        })
    }

    /// No index has rows that no record accounts for.
    fn search_index<T: Index>(&mut self) -> Result<(), StorageError> {
        let tag = T::TAG;
        self.again::<T>(|verifier, key, value| {
            let Ok(number) = T::number(key, value) else { return Ok(()) };
            let key = key.as_ref();
            let ties = tag == Tag::Links && verifier.sums.differ(Group::Ties, number);
            if !ties && !verifier.sums.differ(group_of(tag), number) {
                return Ok(());
            }
            let found = verifier.tables.execution(number, verifier.lifecycle);
            let Some(found) = verifier.row(tag, found)?.flatten() else {
                verifier.problem(tag, format!("key {}: no execution has this row", hex(key)));
                return Ok(());
            };
            let tie = verifier.tie_of(&found.header, number).filter(|_| tag == Tag::Links);
            let mut is_one = tie.is_some_and(|tie| tie == key);
            let by = (verifier.lifecycle, verifier.waiting.swept);
            rows_of(&found.header, found.last_change, by, &mut |of, row| {
                is_one |= (of, row) == (tag, key);
            });
            if !is_one {
                verifier.problem(tag, format!("key {}: no execution has this row", hex(key)));
            }
            Ok(())
        })
    }

    fn search_label_counts(&mut self) -> Result<(), StorageError> {
        let mut counted: HashMap<Vec<u8>, Vec<u64>> = HashMap::new();
        self.records_again(|verifier, record| {
            let code = record.header.state.code();
            for (key, value) in &record.header.labels {
                let label = label(key, value);
                if verifier.is_counter_in_question(Group::LabelCounts, &label) {
                    change_count(counted.entry(label).or_default(), code, |count| count + 1);
                }
            }
            Ok(())
        })?;
        self.search_counters::<table::LabelCounts>(Group::LabelCounts, counted)
    }
}
