//! Counters that a transaction has changed and not written yet: they are written when its writer ends, so that however many
//! operations change one, it is one row. Its own reads see the rows with what is changed in their place.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Writer;
use crate::format::{all_zero, change_count, job_prefix, label, label_value, label_values_span};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::{DEFAULT_NAMESPACE, Header};
use crate::model::row_id::RowId;
use crate::model::text::Text;
use crate::storage::ends::{Ends, Next, next_of};
use crate::storage::{LabelValues, NamespaceCounts, Seen, counted_job};

/// What was changed since it was written, by its row.
#[derive(Default)]
pub(super) struct Counters {
    /// The counts of labels, by the code of their state.
    labels: BTreeMap<Vec<u8>, Vec<u64>>,
    /// Those of jobs, by what all rows of a job begin with.
    jobs: BTreeMap<Vec<u8>, (Text, Vec<u64>)>,
    namespaces: BTreeMap<Text, Vec<u64>>,
    /// What was there before each change since the last mark, if there may be one to go back to.
    was: Option<Vec<Was>>,
}

/// A counter before a change; `None`: it was as its row says.
enum Was {
    Label(Vec<u8>, Option<Vec<u64>>),
    Job(Vec<u8>, Option<(Text, Vec<u64>)>),
    Namespace(Text, Option<Vec<u64>>),
}

impl Counters {
    /// From here on `cut` can go back to here.
    pub(super) fn mark(&mut self) {
        self.was.get_or_insert_default().clear();
    }

    /// Takes back what was changed since the mark.
    pub(super) fn cut(&mut self) {
        fn put<K: Ord, V>(counters: &mut BTreeMap<K, V>, key: K, was: Option<V>) {
            match was {
                Some(was) => drop(counters.insert(key, was)),
                None => drop(counters.remove(&key)),
            }
        }
        for was in self.was.take().into_iter().flatten().rev() {
            match was {
                Was::Label(row, was) => put(&mut self.labels, row, was),
                Was::Job(prefix, was) => put(&mut self.jobs, prefix, was),
                Was::Namespace(name, was) => put(&mut self.namespaces, name, was),
            }
        }
    }

    fn note(&mut self, was: impl FnOnce(&Self) -> Was) {
        if self.was.is_some() {
            let was = was(self);
            self.was.get_or_insert_default().push(was);
        }
    }

    /// The counter of a label, to be put back as it is afterwards.
    pub(super) fn take_label(&mut self, row: &[u8]) -> Option<Vec<u64>> {
        self.note(|counters| Was::Label(row.to_vec(), counters.labels.get(row).cloned()));
        self.labels.remove(row)
    }

    pub(super) fn put_label(&mut self, row: Vec<u8>, counts: Vec<u64>) {
        self.labels.insert(row, counts);
    }
}

/// An execution leaves a state, and enters one; `None` before its creation and after its end.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub(super) from: Option<u8>,
    pub(super) to: Option<u8>,
}

impl Move {
    fn count(self, counts: &mut Vec<u64>) {
        self.from.into_iter().for_each(|code| change_count(counts, code, |count| count.saturating_sub(1)));
        count_one(self.to, counts);
    }

    /// The counters after it. Damaged ones do not keep their executions from being written: they are made again from the others.
    pub(super) fn counted(
        self,
        kept: Result<Vec<u64>, ReadError>,
        recount: impl FnOnce() -> Result<Vec<u64>, StorageError>,
    ) -> Result<Vec<u64>, StorageError> {
        match kept {
            Ok(mut counts) => {
                self.count(&mut counts);
                Ok(counts)
            }
            Err(ReadError::Storage(error)) => Err(error),
            Err(_) => {
                let mut counts = recount()?;
                count_one(self.to, &mut counts);
                Ok(counts)
            }
        }
    }
}

/// One more in a state, if there is one.
pub(super) fn count_one(code: Option<u8>, counts: &mut Vec<u64>) {
    code.into_iter().for_each(|code| change_count(counts, code, |count| count + 1));
}

impl Writer<'_> {
    /// An execution of a job and a namespace changes its state, comes or goes.
    pub(super) fn count_move(
        &mut self,
        header: &Header,
        number: RowId,
        change: Move,
    ) -> Result<(), StorageError> {
        self.count_job(header.job_id.as_str(), number, change)?;
        self.count_namespace(&header.namespace, number, change)
    }

    fn count_job(&mut self, job: &str, number: RowId, change: Move) -> Result<(), StorageError> {
        let prefix = job_prefix(job);
        self.counters.note(|counters| Was::Job(prefix.to_vec(), counters.jobs.get(&*prefix).cloned()));
        if let Some((_, counts)) = self.counters.jobs.get_mut(&*prefix) {
            change.count(counts);
            return Ok(());
        }
        let counts = change.counted(self.tables.job_counts(job), || self.recounted_job(job, number))?;
        self.counters.jobs.insert(prefix.to_vec(), (job.into(), counts));
        Ok(())
    }

    /// How many executions beside one a job has, by the code of their state.
    fn recounted_job(&self, job: &str, but: RowId) -> Result<Vec<u64>, StorageError> {
        let mut counts = Vec::new();
        for row in self.tables.job_rows(job, &(RowId::ALL))? {
            match row.and_then(|number| self.tables.execution(number, &self.settings.lifecycle)) {
                Ok(Some(found)) if found.number != but => {
                    count_one(Some(found.header.state.code()), &mut counts);
                }
                Err(ReadError::Storage(error)) => return Err(error),
                // Nobody knows the state of one that cannot be read.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(counts)
    }

    fn count_namespace(&mut self, name: &Text, number: RowId, change: Move) -> Result<(), StorageError> {
        // All others are in the default one.
        if *name == DEFAULT_NAMESPACE {
            return Ok(());
        }
        change.count(&mut self.totals.named);
        self.counters.note(|counters| Was::Namespace(name.clone(), counters.namespaces.get(name).cloned()));
        let kept = match self.counters.namespaces.remove(name) {
            Some(counts) => Ok(counts),
            None => self.tables.namespace_count(name),
        };
        let counts = change.counted(kept, || self.recounted_namespace(name, number))?;
        self.counters.namespaces.insert(name.clone(), counts);
        Ok(())
    }

    /// How many executions beside one have a namespace, by the code of their state. Looks at all that there are.
    fn recounted_namespace(&self, name: &Text, but: RowId) -> Result<Vec<u64>, StorageError> {
        let mut counts = Vec::new();
        let lifecycle = &self.settings.lifecycle;
        let keep = |seen: Seen<'_>| seen.header.namespace == *name && seen.number != but;
        for (_, row) in self.tables.execution_rows_if(RowId::ALL, lifecycle, keep, false)? {
            match row {
                Ok(found) => count_one(found.map(|found| found.header.state.code()), &mut counts),
                Err(ReadError::Storage(error)) => return Err(error),
                // Nobody knows its namespace.
                Err(_) => {}
            }
        }
        Ok(counts)
    }

    pub(super) fn put_changed_counters(&mut self) -> Result<(), StorageError> {
        let Counters { labels, jobs, namespaces, was: _ } = std::mem::take(&mut self.counters);
        for (job, counts) in jobs.into_values() {
            self.tables.put_job_counts(&job, &counts)?;
        }
        for (row, counts) in labels {
            self.tables.put_label_counts(&row, &counts)?;
        }
        for (name, counts) in namespaces {
            self.tables.put_namespace_count(&name, &counts)?;
        }
        Ok(())
    }

    pub(super) fn label_counts_now(&self, key: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        match self.counters.labels.get(&label(key, value)) {
            Some(counts) => Ok(counts.clone()),
            None => self.tables.label_counts(key, value),
        }
    }

    pub(super) fn label_values_now(
        &self,
        key: &str,
        after: Option<&str>,
    ) -> Result<LabelValues<'_>, ReadError> {
        let rows = self.tables.label_values(key, after)?;
        let rows = rows.map(|row| row.map(|(value, counts)| ((value.len(), value), counts)));
        let (start, end) = label_values_span(key, after);
        let changed = self.counters.labels.range(start..=end).filter_map(|(row, counts)| {
            // Each was made of a text.
            let value = Text::from(label_value(row).ok()?);
            Some(((value.len(), value), counts.clone()))
        });
        let is_gone = |counts: &Vec<u64>| all_zero(counts);
        let all = Overlaid::new(rows, changed, is_gone);
        Ok(Box::new(all.map(|row| row.map(|((_, value), counts)| (value, counts)))))
    }

    pub(super) fn job_counts_now(&self, job: &str) -> Result<Vec<u64>, ReadError> {
        match self.counters.jobs.get(&*job_prefix(job)) {
            Some((_, counts)) => Ok(counts.clone()),
            None => self.tables.job_counts(job),
        }
    }

    /// Like the rows themselves, in the order of the keys.
    pub(super) fn jobs_now(&self, after: Option<&str>) -> Result<LabelValues<'_>, ReadError> {
        let low = after.map_or(Bound::Unbounded, |after| Bound::Excluded(job_prefix(after).to_vec()));
        let changed = self.counters.jobs.range((low, Bound::Unbounded));
        let changed = changed.map(|(prefix, counts)| (prefix.clone(), counts.clone()));
        let is_gone = |(_, counts): &(Text, Vec<u64>)| all_zero(counts);
        let all = Overlaid::new(self.tables.jobs_after(after), changed, is_gone);
        Ok(Box::new(all.map(|row| row.and_then(|(_, counts)| counted_job(counts)))))
    }

    pub(super) fn namespace_count_now(&self, name: &str) -> Result<Vec<u64>, ReadError> {
        match self.counters.namespaces.get(name) {
            Some(counts) => Ok(counts.clone()),
            None => self.tables.namespace_count(name),
        }
    }

    pub(super) fn namespace_counts_now(
        &self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<NamespaceCounts<'_>, ReadError> {
        let rows = self.tables.namespace_counts(after, before)?;
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        let high = before.map_or(Bound::Unbounded, Bound::Excluded);
        let changed = self.counters.namespaces.range::<str, _>((low, high));
        let changed = changed.map(|(name, counts)| (name.clone(), counts.clone()));
        let is_gone = |counts: &Vec<u64>| all_zero(counts);
        Ok(Box::new(Overlaid::new(rows, changed, is_gone)))
    }
}

/// Rows in order, those that were changed in the place of what they were, and without those that are gone. From either end; costs as
/// much as is taken.
struct Overlaid<V, R: Iterator, C: Iterator> {
    rows: Ends<R>,
    changed: Ends<C>,
    is_gone: fn(&V) -> bool,
}

impl<K: Ord, V, R, C> Overlaid<V, R, C>
where
    R: DoubleEndedIterator<Item = Result<(K, V), ReadError>>,
    C: DoubleEndedIterator<Item = (K, V)>,
{
    fn new(rows: R, changed: C, is_gone: fn(&V) -> bool) -> Self {
        Self { rows: Ends::new(rows), changed: Ends::new(changed), is_gone }
    }

    fn step(&mut self, from_front: bool) -> Option<Result<(K, V), ReadError>> {
        loop {
            let row = match self.rows.try_near(from_front) {
                Ok(row) => row.map(|(key, _)| key),
                Err(error) => return Some(Err(error)),
            };
            let changed = self.changed.near(from_front).as_ref().map(|(key, _)| key);
            match next_of(row, changed, from_front)? {
                Next::First => return self.rows.take(from_front),
                Next::Both => drop(self.rows.take(from_front)),
                Next::Second => {}
            }
            let changed = self.changed.take(from_front)?;
            if !(self.is_gone)(&changed.1) {
                return Some(Ok(changed));
            }
        }
    }
}

impl<K: Ord, V, R, C> Iterator for Overlaid<V, R, C>
where
    R: DoubleEndedIterator<Item = Result<(K, V), ReadError>>,
    C: DoubleEndedIterator<Item = (K, V)>,
{
    type Item = Result<(K, V), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

impl<K: Ord, V, R, C> DoubleEndedIterator for Overlaid<V, R, C>
where
    R: DoubleEndedIterator<Item = Result<(K, V), ReadError>>,
    C: DoubleEndedIterator<Item = (K, V)>,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_stands_in_the_place_of_its_row() {
        let rows: [(u8, u8); 5] = [(1, 1), (3, 1), (5, 1), (7, 1), (9, 1)];
        for changed in [
            vec![],
            vec![(3, 2)],
            vec![(0, 2), (4, 2), (10, 2)],
            vec![(1, 0), (9, 0)],
            vec![(1, 0), (2, 0), (3, 0), (5, 0), (7, 2), (8, 2), (9, 0)],
        ] {
            let mut expected: BTreeMap<u8, u8> = rows.into();
            expected.extend(changed.iter().copied());
            expected.retain(|_, value| *value != 0);
            let expected: Vec<_> = expected.into_iter().collect();
            // From either end, in every way to take turns.
            for turns in 0..1u32 << 8 {
                let list = rows.into_iter().map(Ok);
                let mut all = Overlaid::new(list, changed.iter().copied(), |value| *value == 0);
                let (mut front, mut back) = (Vec::new(), Vec::new());
                for turn in 0.. {
                    let from_front = turns >> (turn % 8) & 1 == 0;
                    match if from_front { all.next() } else { all.next_back() } {
                        Some(row) if from_front => front.push(row.unwrap()),
                        Some(row) => back.push(row.unwrap()),
                        None => break,
                    }
                }
                front.extend(back.into_iter().rev());
                assert_eq!(front, expected, "{changed:?}, turns {turns:b}");
            }
        }
    }
}
