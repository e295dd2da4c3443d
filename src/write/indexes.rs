//! The index rows of one execution, and the counters that go with them.

use std::collections::BTreeMap;

use super::Writer;
use super::counted::{Move, count_one};
use super::links::Targets;
use crate::format::schema::table;
use crate::format::{BLOCK, LastChangeBits, Span, TimeKind, block_of, label, state_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::row_id::RowId;
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::storage::StoredExecution;

impl Writer<'_> {
    /// The rows of a new execution.
    pub(super) fn enter_indexes(
        &mut self,
        header: &Header,
        number: RowId,
        targets: Targets,
    ) -> Result<(), StorageError> {
        self.tables.put_job(header.job_id.as_str(), number)?;
        self.enter_state(header, number)?;
        self.count_move(header, number, Move { from: None, to: Some(header.state.code()) })?;
        self.move_labels(None, Some(header), number)?;
        self.meet_links(&header.id, number)?;
        self.move_links(None, header, number, targets)
    }

    /// The rows that an update moves; what stays the same is not touched.
    pub(super) fn move_indexes(
        &mut self,
        before: &Header,
        after: &Header,
        number: RowId,
        targets: Targets,
    ) -> Result<(), StorageError> {
        if before.state != after.state {
            self.leave_state(before, number)?;
            self.enter_state(after, number)?;
            let change = Move { from: Some(before.state.code()), to: Some(after.state.code()) };
            self.count_move(after, number, change)?;
        }
        self.move_labels(Some(before), Some(after), number)?;
        self.move_links(Some(before), after, number, targets)?;
        match after.completed_at {
            Some(at) if before.completed_at.is_none() => self.tables.put_completion(at, number),
            _ => Ok(()),
        }
    }

    /// The rows of an execution that goes.
    pub(super) fn leave_indexes(&mut self, last: &Header, number: RowId) -> Result<(), StorageError> {
        self.tables.remove_job(last.job_id.as_str(), number)?;
        self.leave_state(last, number)?;
        self.count_move(last, number, Move { from: Some(last.state.code()), to: None })?;
        self.move_labels(Some(last), None, number)?;
        self.leave_links(last, number)?;
        match last.completed_at {
            Some(at) => self.tables.remove_completion(at, number).map(drop),
            None => Ok(()),
        }
    }

    fn enter_state(&mut self, header: &Header, number: RowId) -> Result<(), StorageError> {
        let code = header.state.code();
        self.totals.set_count(code, self.totals.count(code) + 1);
        self.tables.put_state(code, number)
    }

    fn leave_state(&mut self, header: &Header, number: RowId) -> Result<(), StorageError> {
        let code = header.state.code();
        self.totals.set_count(code, self.totals.count(code).saturating_sub(1));
        self.tables.remove_state(code, number)
    }

    /// The rows of the labels and their counters, from one record of an execution to the next; `None` where there is none.
    fn move_labels(
        &mut self,
        before: Option<&Header>,
        after: Option<&Header>,
        number: RowId,
    ) -> Result<(), StorageError> {
        let from = before.map(|header| header.state.code());
        let to = after.map(|header| header.state.code());
        if let (Some(before), Some(from)) = (before, from) {
            for (key, value) in &before.labels {
                let to = to.filter(|_| after.is_some_and(|after| has(after, key, value)));
                self.move_label((key, value), number, Some(from), to)?;
            }
        }
        if let (Some(after), Some(to)) = (after, to) {
            let new = |key, value| !before.is_some_and(|before| has(before, key, value));
            for (key, value) in after.labels.iter().filter(|(key, value)| new(key, value)) {
                self.move_label((key, value), number, None, Some(to))?;
            }
        }
        Ok(())
    }

    /// A label that an execution had in one state, and has in another.
    fn move_label(
        &mut self,
        (key, value): (&Text, &Text),
        number: RowId,
        from: Option<u8>,
        to: Option<u8>,
    ) -> Result<(), StorageError> {
        if from == to {
            return Ok(());
        }
        let lifecycle = &self.settings.lifecycle;
        let groups = (from.map(|code| lifecycle.group(code)), to.map(|code| lifecycle.group(code)));
        if groups.0 != groups.1 {
            if let Some(group) = groups.0 {
                self.tables.remove_label(key, value, group, number)?;
            }
            if let Some(group) = groups.1 {
                self.tables.put_label(key, value, group, number)?;
            }
        }
        let row = label(key, value);
        let kept = match self.counters.take_label(&row) {
            Some(counts) => Ok(counts),
            None => self.tables.label_counts(key, value),
        };
        // A counter says which of its executions a query looks at.
        let counts = Move { from, to }.counted(kept, || self.recounted(key, value, number))?;
        self.counters.put_label(row, counts);
        Ok(())
    }

    /// How many executions beside one have a label, by the code of their state. Those whose rows cannot be read count too.
    fn recounted(&self, key: &str, value: &str, but: RowId) -> Result<Vec<u64>, StorageError> {
        let lifecycle = &self.settings.lifecycle;
        let mut counts = Vec::new();
        let mut groups: Vec<u8> =
            (0u8..).zip(lifecycle.states()).map(|(code, _)| lifecycle.group(code)).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let codes = lifecycle.codes_in_group(group);
            let rows = self.tables.label_rows(key, value, group, &(RowId::ALL))?;
            for row in rows {
                // Its state by the index of states: the record may be what is damaged.
                let mut found = None;
                match row {
                    Ok(number) if number == but => continue,
                    Ok(number) => {
                        for code in &codes {
                            if self.tables.has::<table::States>(&state_row(*code, number))? {
                                found = Some(*code);
                            }
                        }
                    }
                    Err(ReadError::Storage(error)) => return Err(error),
                    Err(_) => {}
                }
                let code = found.or(codes.first().copied());
                count_one(code, &mut counts);
            }
        }
        Ok(counts)
    }

    /// An execution that changes is not settled any more.
    pub(super) fn drop_last_change(&mut self, before: &StoredExecution) -> Result<(), StorageError> {
        if before.last_change <= self.totals.trimmed {
            self.tables.remove_last_change(before.last_change)?;
        }
        Ok(())
    }

    /// `true` if the execution was not changed again.
    pub(super) fn is_last_change(&self, change: u64, number: RowId) -> Result<bool, StorageError> {
        match self.tables.execution(number, &self.settings.lifecycle) {
            Ok(found) => Ok(found.is_some_and(|found| found.last_change == change)),
            Err(ReadError::Storage(error)) => Err(error),
            // Each of its changes may be the last of a record that cannot be read, and lists must come upon it.
            Err(_) => Ok(true),
        }
    }

    /// A number for a new execution.
    pub(super) fn begin_number(&mut self, number: RowId, created: Timestamp) -> Result<(), StorageError> {
        let last = block_of(self.totals.last_number);
        if block_of(number.0) != last {
            let span = std::mem::take(&mut self.totals.created);
            self.put_time_block(TimeKind::Executions, last, &span)?;
        }
        self.totals.last_number = number.0;
        self.totals.created.extend(created);
        Ok(())
    }

    /// The next number of the change log.
    pub(super) fn begin_change(&mut self, modified: Option<Timestamp>) -> Result<(), StorageError> {
        let last = block_of(self.totals.head);
        self.totals.head += 1;
        if block_of(self.totals.head) != last {
            let span = std::mem::take(&mut self.totals.modified);
            self.put_time_block(TimeKind::Changes, last, &span)?;
            self.end_block(last)?;
        }
        modified.into_iter().for_each(|modified| self.totals.modified.extend(modified));
        Ok(())
    }

    /// Notes which changes of a full block are the last ones of their executions, and which of the blocks before it are not
    /// any more. So a list in the order of modification need not look at the others.
    fn end_block(&mut self, block: u64) -> Result<(), StorageError> {
        let swept = self.tables.swept(self.totals.trimmed)?;
        let first = block.saturating_mul(BLOCK);
        let mut last_change_bits = LastChangeBits::default();
        (first.max(swept + 1)..first + BLOCK).for_each(|change| last_change_bits.set(change, true));
        let mut before: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for row in self.tables.follows_rows(first..=first + BLOCK - 1)? {
            let (change, follows) = match row {
                Ok(row) => row,
                Err(ReadError::Storage(error)) => return Err(error),
                // What it follows stays noted: who reads compares with the record.
                Err(_) => continue,
            };
            let Some(follows) = follows else {
                last_change_bits.set(change, false);
                continue;
            };
            if follows.is_deleted {
                last_change_bits.set(change, false);
            }
            if block_of(follows.follows) == block {
                last_change_bits.set(follows.follows, false);
            } else if follows.follows > swept {
                before.entry(block_of(follows.follows)).or_default().push(follows.follows);
            }
        }
        for (block, changes) in before {
            let mut last_change_bits = match self.tables.last_change_bits(block) {
                Ok(Some(last_change_bits)) => last_change_bits,
                Err(ReadError::Storage(error)) => return Err(error),
                // Damage: `verify` tells of it.
                Ok(None) | Err(_) => continue,
            };
            changes.into_iter().for_each(|change| last_change_bits.set(change, false));
            self.tables.put_last_change_bits(block, &last_change_bits)?;
        }
        self.tables.put_last_change_bits(block, &last_change_bits)
    }

    fn put_time_block(&mut self, kind: TimeKind, block: u64, span: &Span) -> Result<(), StorageError> {
        self.tables.put_time_block(kind, block, span)
    }
}

fn has(header: &Header, key: &Text, value: &Text) -> bool {
    header.labels.get(key.as_str()) == Some(value)
}

#[cfg(test)]
mod tests {
    use crate::storage::counted;
    use crate::{NewExecution, Query, Readable, Store, Update, Writer};

    /// Executions with so many labels, of three values each.
    fn store(many: u64, labels: u64) -> Store {
        let store = Store::in_memory().unwrap();
        let create = |w: &mut Writer<'_>, n: u64| {
            let new = NewExecution::new("j").id(n.to_string()).state("BidAccepted");
            let label = |l: u64| (format!("k{l}"), ((n + l) % 3).to_string());
            w.create(new.labels((0..labels).map(label))).map(drop)
        };
        store.write(|w| Ok((0..many).try_for_each(|n| create(w, n))?)).unwrap();
        store
    }

    /// The rows that a transaction puts and removes, its counters among them.
    fn written(store: &Store, from: u64, to: u64, update: &Update) -> u64 {
        let txn = store.begin_write().unwrap();
        let mut writer = txn.writer().unwrap();
        for n in from..to {
            writer.update(n.to_string(), update.clone()).unwrap();
        }
        writer.put_counters().unwrap();
        let rows = writer.rows_written();
        drop(writer);
        txn.commit().unwrap();
        rows
    }

    #[test]
    fn a_change_of_state_writes_as_few_rows_of_labels_as_it_needs() {
        for labels in [1, 8, 64] {
            let (plain, store) = (store(60, 0), store(60, labels));
            // What changes, in one execution and in fifty, and the rows of each label: of its index for each execution, and of its
            // counters once for each value.
            for (update, index) in [
                (Update::new().message("m"), None),
                (Update::to("Running"), Some(0)),
                (Update::to("Publishing"), Some(0)),
                (Update::to("Failed"), Some(2)),
            ] {
                for (from, to, values) in [(0, 1, 1), (1, 51, 3)] {
                    let (bare, rows) =
                        (written(&plain, from, to, &update), written(&store, from, to, &update));
                    let expected = index.map_or(0, |index| labels * (values + (to - from) * index));
                    assert_eq!(rows - bare, expected, "{labels} labels, {update:?} of {}", to - from);
                }
            }
            assert!(store.verify().unwrap().is_clean());
        }
    }

    #[test]
    fn live_ones_with_a_label_are_found_at_the_cost_of_the_page_among_many_that_ended() {
        let store = store(3_000, 1);
        let fail = |w: &mut Writer<'_>, n: u64| w.update(n.to_string(), Update::to("Failed")).map(drop);
        store.write(|w| Ok((0..2_970).try_for_each(|n| fail(w, n))?)).unwrap();
        let run = |w: &mut Writer<'_>, n: u64| w.update(n.to_string(), Update::to("Running")).map(drop);
        store.write(|w| Ok((2_985..3_000).try_for_each(|n| run(w, n))?)).unwrap();
        let r = store.begin_read().unwrap();
        let label = Query::new().label("k0", "0");
        // A look-up of the record for each row, of the live ones at most.
        for (query, found, most) in [
            (label.clone().live(), 10, 30),
            (label.clone().state("Running"), 5, 30),
            (label.clone().state("BidAccepted"), 5, 30),
            (label.clone().state("Publishing"), 0, 4),
            (label.clone().state("Failed").limit(10), 10, 40),
            (label.clone().state("Completed"), 0, 4),
            (label.clone().limit(10), 10, 40),
        ] {
            let (rows, ids) = counted::rows(|| {
                r.query(&query).summaries().unwrap().inspect(|row| assert!(row.is_ok())).count()
            });
            assert_eq!(ids, found, "{query:?}");
            assert!(rows <= most, "{rows} rows: {query:?}");
            let (rows, count) = counted::rows(|| r.query(&query).count().unwrap());
            assert_eq!(count, found as u64);
            assert!(rows <= most, "{rows} rows to count {query:?}");
        }
    }

    #[test]
    fn lists_of_values_and_namespaces_cost_what_is_taken_from_either_end_in_a_writer_too() {
        let store = Store::in_memory().unwrap();
        let create = |w: &mut Writer<'_>, n: u64| {
            let new = NewExecution::new("j").id(n.to_string()).label("k", format!("{n:04}"));
            w.create(new.namespace(format!("n{n:04}"))).map(drop)
        };
        store.write(|w| Ok((0..2_000).try_for_each(|n| create(w, n))?)).unwrap();
        fn ends(r: &impl Readable) -> [Vec<String>; 6] {
            let values = |all: crate::List<'_, crate::query::Group>, back: bool| -> Vec<String> {
                let value =
                    |row: Result<crate::query::Group, _>| row.map(|row| row.value.to_string()).unwrap();
                if back { all.rev().take(3).map(value).collect() } else { all.take(3).map(value).collect() }
            };
            let names = |all: crate::List<'_, crate::query::Group>, back: bool| -> Vec<String> {
                let name =
                    |row: Result<crate::query::Group, _>| row.map(|row| row.value.to_string()).unwrap();
                if back { all.rev().take(3).map(name).collect() } else { all.take(3).map(name).collect() }
            };
            [
                values(r.label_values("k").list().unwrap(), false),
                values(r.label_values("k").after("0999").unwrap(), false),
                values(r.label_values("k").after("0999").unwrap(), true),
                names(r.namespaces().list().unwrap(), false),
                names(r.namespaces().after("n0999").unwrap(), false),
                names(r.namespaces().list().unwrap(), true),
            ]
        }
        let expected = |first: u64, last: u64| {
            let three = |from: u64| (from..from + 3).map(|n| format!("{n:04}")).collect::<Vec<_>>();
            let (first, middle) = (three(first), three(1_000));
            let last: Vec<_> = three(last - 2).into_iter().rev().collect();
            let named = |list: &[String]| list.iter().map(|n| format!("n{n}")).collect();
            let names = [named(&first), named(&middle), named(&last)];
            let [a, b, c] = names;
            [first, middle, last, a, b, c]
        };
        let r = store.begin_read().unwrap();
        let (rows, found) = counted::rows(|| ends(&r));
        assert_eq!(found, expected(0, 1_999));
        assert!(rows < 40, "{rows} rows");
        drop(r);
        store
            .write(|w| {
                for n in ["0", "1", "2", "1999"] {
                    w.delete(n)?;
                }
                create(w, 2_000)?;
                let (rows, found) = counted::rows(|| ends(w));
                let mut wanted = expected(3, 2_000);
                for (place, prefix) in [(2, ""), (5, "n")] {
                    wanted[place] = ["2000", "1998", "1997"].map(|n| format!("{prefix}{n}")).into();
                }
                assert_eq!(found, wanted);
                assert!(rows < 60, "{rows} rows");
                Ok(())
            })
            .unwrap();
        assert!(store.verify().unwrap().is_clean());
    }

    #[test]
    fn a_query_tells_of_a_row_of_an_index_that_is_not_so() {
        let store = store(3, 1);
        store
            .write(|w| {
                // Rows alone are no operation.
                w.update("0", Update::new().message("m"))?;
                let number = w.tables.number("1")?.unwrap();
                w.tables.put_job("other", number)?;
                w.tables.put_state(w.settings.lifecycle.code("Running").unwrap(), number)?;
                w.tables.put_label("k0", "9", w.settings.lifecycle.group(0), number)?;
                let row = crate::format::label("k0", "9");
                w.tables.put_label_counts(&row, &[1]).map_err(crate::Error::from)
            })
            .unwrap();
        let reader = store.begin_read().unwrap();
        for query in [
            Query::new().job("other"),
            Query::new().job("other").order_by(crate::OrderBy::Modified),
            Query::new().state("Running").using(crate::query::Access::States),
            Query::new().label("k0", "9"),
        ] {
            let page = reader.query(&query).page().unwrap();
            assert_eq!((page.executions.len(), page.damaged.len()), (0, 1), "{query:?}");
        }
    }
}
