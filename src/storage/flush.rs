//! Giving redb the rows that are pending: each table's in the order of its keys, so that rows of one page are written together.

use std::ops::Bound;
use std::sync::Arc;

use redb::{CursorError, Key, ReadableTable, Table, WriteTransaction};

use super::former_rows::FormerRows;
use super::pending::{Becomes, Layer, Pending, sorted};
use super::process::Process;
use super::slots::{Stored, choose, on_table};
use super::{Live, Tables};
use crate::format::schema::{Tag, Value, table, tables};
use crate::model::error::StorageError;

/// From so many rows on redb's cursor at the end of a table is faster than an insert for each. Measured: in smaller runs it is
/// slower.
const RUN: usize = 64;

/// As many bytes of rows as one transaction keeps pending at most.
pub(super) const MOST: usize = 4 * 1024 * 1024;

impl Tables<Live<'_>> {
    /// Keeps rows back from redb, behind those that the transactions before keep back.
    pub(crate) fn keep_pending(mut self, pending: Option<Box<Pending>>) -> Self {
        self.pending = pending;
        self
    }

    /// Keeps back what is written from now on.
    pub(crate) fn keep_all_pending(&mut self) {
        self.pending.get_or_insert_default();
    }

    /// The same of more than a transaction does, in bytes.
    pub(crate) fn keep_all_pending_up_to(&mut self, most: usize) {
        self.keep_all_pending();
        self.most_pending = most;
    }

    /// Has redb take every row at once from now on.
    pub(crate) fn keep_nothing_pending(&mut self) -> Result<(), StorageError> {
        self.flush()?;
        self.pending = None;
        Ok(())
    }

    /// Hands over what redb was not given, to whoever writes next in its transaction.
    pub(crate) fn take_pending(&mut self) -> Option<Box<Pending>> {
        self.pending.take()
    }

    /// A transaction that is larger than the journal takes need not be in memory either.
    pub(super) fn flush_much(&mut self) -> Result<(), StorageError> {
        match &self.pending {
            Some(pending) if pending.bytes() > self.most_pending => self.flush(),
            _ => Ok(()),
        }
    }

    /// Gives redb all rows that are pending.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        self.begin()?;
        let Some(pending) = &mut self.pending else { return Ok(()) };
        let (before, part) = pending.take();
        let before: Vec<&Layer> = before.iter().map(Arc::as_ref).collect();
        self.give(&before, None)?;
        // What may be taken back must be known to be put back.
        let mut former = self.former.take();
        let given = self.give(&[&part], former.as_mut());
        self.former = former;
        given
    }

    /// Gives redb the rows of layers, oldest first.
    fn give(&mut self, layers: &[&Layer], mut former: Option<&mut FormerRows>) -> Result<(), StorageError> {
        for tag in Tag::ALL {
            let some: Vec<_> =
                layers.iter().map(|layer| layer.rows(tag)).filter(|rows| !rows.is_empty()).collect();
            macro_rules! give_table {
                ($table:ident) => {
                    self.give_rows::<table::$table>(&sorted(&some), former.as_deref_mut())
                };
            }
            if !some.is_empty() {
                on_table!(tag, give_table)?;
            }
        }
        Ok(())
    }

    fn give_rows<T: Stored>(
        &mut self,
        rows: &[Becomes<'_>],
        former: Option<&mut FormerRows>,
    ) -> Result<(), StorageError> {
        self.wrote_to_redb = true;
        let table = T::slot_mut(&mut self.slots);
        self.freed += table.write(&self.source, |table| give::<T::RedbKey>(table, T::TAG, rows, former))?;
        Ok(())
    }
}

impl Pending {
    /// Gives redb all of them in a transaction, which must be rolled back after an error. Gives how many bytes of values were
    /// replaced or removed.
    pub(crate) fn flush(self, txn: &WriteTransaction, process: &Process) -> Result<usize, StorageError> {
        let mut tables = Tables::new(Live::new(txn, process.clone())).keep_pending(Some(Box::new(self)));
        tables.flush()?;
        Ok(tables.freed())
    }
}

/// Gives how many bytes of values were replaced or removed.
fn give<K: Key>(
    table: &mut Table<'_, K, Value>,
    tag: Tag,
    rows: &[Becomes<'_>],
    mut former: Option<&mut FormerRows>,
) -> Result<usize, redb::StorageError> {
    let (mut freed, many) = (0, rows.len() >= RUN);
    let end = match many {
        true => table.last()?.map(|(key, _)| K::as_bytes(&key.value()).as_ref().to_vec()),
        false => None,
    };
    let is_behind = |key: &[u8]| many && end.as_ref().is_none_or(|end| key > end.as_slice());
    let (among, behind) = rows.split_at(rows.partition_point(|row| !is_behind(row.key)));
    for Becomes { key, value, is_new } in among {
        let was = match value {
            // It came and went.
            None if *is_new => None,
            Some(value) => table.insert(K::from_bytes(key), *value)?,
            None => table.remove(K::from_bytes(key))?,
        };
        freed += was.as_ref().map_or(0, |was| was.value().len());
        if let Some(former) = &mut former {
            former.push(tag, key, was.as_ref().map(|was| was.value()));
        }
    }
    if behind.is_empty() {
        return Ok(freed);
    }
    let mut cursor = table.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
    for Becomes { key, value, .. } in behind {
        let Some(value) = value else { continue };
        cursor.insert_before(K::from_bytes(key), *value).map_err(unordered)?;
        if let Some(former) = &mut former {
            former.push(tag, key, None);
        }
    }
    cursor.close()?;
    Ok(freed)
}

/// Keys that rise, behind the last one, are out of order only where the table is damaged.
fn unordered(error: CursorError) -> redb::StorageError {
    match error {
        CursorError::Storage(error) => error,
        error => redb::StorageError::Corrupted(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use proptest::prelude::*;
    use redb::Database;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::format::state_row;
    use crate::model::row_id::RowId;

    fn database() -> Database {
        Database::builder().create_with_backend(InMemoryBackend::new()).unwrap()
    }

    #[derive(Clone, Debug)]
    enum Act {
        Put(u8, usize),
        Remove(u8),
        /// An execution enters a state or leaves it.
        Move(u8, u64),
        Mark,
        Cut,
        Flush,
        /// It is kept apart from the one before, or not.
        EndTransaction(bool),
        RollBack,
    }

    fn act() -> impl Strategy<Value = Act> {
        let long = prop_oneof![20 => 0_usize..40, 1 => Just(600_000)];
        prop_oneof![
            12 => (any::<u8>(), long).prop_map(|(key, len)| Act::Put(key % 40, len)),
            6 => any::<u8>().prop_map(|key| Act::Remove(key % 40)),
            6 => (0_u8..2, 1_u64..20).prop_map(|(state, number)| Act::Move(state, number)),
            2 => Just(Act::Mark),
            2 => Just(Act::Cut),
            1 => Just(Act::Flush),
            4 => any::<bool>().prop_map(Act::EndTransaction),
            1 => Just(Act::RollBack),
        ]
    }

    /// Keys that are short and long, before and behind each other.
    fn job(key: u8) -> Vec<u8> {
        vec![key; 1 + usize::from(key)]
    }

    fn rows(
        tables: &Tables<Live<'_>>,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        ends: u64,
    ) -> Vec<(Vec<u8>, usize)> {
        let taken = |key: &[u8], value: &[u8]| Ok((key.to_vec(), value.len()));
        let mut range = tables.between::<table::Jobs, _, _>(low, high, taken).unwrap();
        let (mut front, mut back, mut ends) = (Vec::new(), Vec::new(), ends);
        loop {
            let from_front = ends & 1 == 0;
            ends = ends.rotate_right(1);
            match if from_front { range.next() } else { range.next_back() } {
                Some(row) if from_front => front.push(row.unwrap()),
                Some(row) => back.push(row.unwrap()),
                None => break,
            }
        }
        front.extend(back.into_iter().rev());
        front
    }

    fn states(tables: &Tables<Live<'_>>) -> Vec<Vec<u8>> {
        let (low, high) = (state_row(0, RowId(0)), state_row(9, RowId(u64::MAX)));
        let taken = |key: &[u8; 9], _: &[u8]| Ok(key.to_vec());
        tables.range::<table::States, _, _>(&low, &high, taken).unwrap().map(Result::unwrap).collect()
    }

    /// What was done before the last end of a transaction, done again: redb takes back all of one.
    fn again<'t>(txn: &'t WriteTransaction, done: &[Act]) -> Tables<Live<'t>> {
        let mut tables = Tables::new(Live::here(txn));
        done.iter().for_each(|act| write(&mut tables, act));
        tables
    }

    fn write(tables: &mut Tables<Live<'_>>, act: &Act) {
        match act {
            Act::Put(key, len) => tables.insert::<table::Jobs>(&job(*key), &vec![7; *len]).unwrap(),
            Act::Remove(key) => drop(tables.remove::<table::Jobs>(&job(*key)).unwrap()),
            Act::Move(state, number) => {
                let row = state_row(*state, RowId(*number));
                match tables.has::<table::States>(&row).unwrap() {
                    true => tables.remove_known::<table::States>(&row).unwrap(),
                    false => tables.insert_new::<table::States>(&row).unwrap(),
                }
            }
            _ => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Of two databases one is given every row at once, and its parts and transactions are taken back by doing the rest again.
        #[test]
        fn pending_rows_read_and_end_as_if_redb_had_them(acts in prop::collection::vec(act(), 0..120), ends: u64) {
            let (one, other) = (database(), database());
            let (txn, mut done, mut ended, mut marked) = (one.begin_write().unwrap(), Vec::<Act>::new(), 0, None);
            let mut layers = Vec::<Arc<Layer>>::new();
            let mut tables = Tables::new(Live::here(&txn)).keep_pending(Some(Box::default()));
            for act in &acts {
                match act {
                    Act::Mark => {
                        marked = Some((done.len(), tables.mark()));
                    }
                    Act::Cut => {
                        if let Some((to, mark)) = marked.take() {
                            tables.cut(&mark).unwrap();
                            done.truncate(to);
                        }
                    }
                    Act::Flush => tables.flush().unwrap(),
                    Act::EndTransaction(_) | Act::RollBack => {
                        // One that gave redb something is not taken back by forgetting what is pending.
                        let wrote = tables.wrote_to_redb();
                        let pending = *tables.take_pending().unwrap();
                        drop(tables);
                        match act {
                            Act::RollBack if !wrote => done.truncate(ended),
                            _ if wrote => {
                                pending.flush(&txn, &Process::this()).unwrap();
                                layers.clear();
                            }
                            Act::EndTransaction(true) if !layers.is_empty() => {
                                let last = layers.last_mut().unwrap();
                                let mut rows = pending.into_layer();
                                Arc::get_mut(last).unwrap().take_in(&mut rows);
                            }
                            _ => layers.push(Arc::new(pending.into_layer())),
                        }
                        (ended, marked) = (done.len(), None);
                        tables = Tables::new(Live::here(&txn)).keep_pending(Some(Box::new(Pending::after(layers.clone()))));
                    }
                    _ => {
                        write(&mut tables, act);
                        done.push(act.clone());
                    }
                }
            }
            let direct = other.begin_write().unwrap();
            let expected = again(&direct, &done);
            let bounds = [Bound::Unbounded, Bound::Included(10), Bound::Excluded(10), Bound::Included(30), Bound::Excluded(30)];
            for flushed in [false, true] {
                for (low, high) in bounds.iter().flat_map(|low| bounds.iter().map(move |high| (low, high))) {
                    let (low, high) = (low.map(job), high.map(job));
                    let (low, high) = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
                    prop_assert_eq!(rows(&tables, low, high, ends), rows(&expected, low, high, !ends));
                }
                for key in 0..40 {
                    let len = |tables: &Tables<Live<'_>>| tables.find::<table::Jobs, _>(&job(key), <[u8]>::len).unwrap();
                    prop_assert_eq!(len(&tables), len(&expected));
                }
                prop_assert_eq!(states(&tables), states(&expected));
                if !flushed {
                    tables.flush().unwrap();
                }
            }
        }
    }

    #[test]
    fn a_long_run_goes_behind_the_last_row_and_the_rest_to_its_place() {
        let database = database();
        let txn = database.begin_write().unwrap();
        let mut tables = Tables::new(Live::here(&txn));
        for number in [5_u64, 100] {
            tables.insert::<table::Changes>(&number.to_be_bytes(), b"before").unwrap();
        }
        let mut tables = tables.keep_pending(Some(Box::default()));
        for number in (1..300_u64).rev().chain(300..600) {
            tables.insert::<table::Changes>(&number.to_be_bytes(), b"after").unwrap();
        }
        tables.remove::<table::Changes>(&7_u64.to_be_bytes()).unwrap();
        tables.flush().unwrap();
        assert_eq!(tables.freed(), 2 * b"before".len());
        let taken = |key: &[u8; 8], value: &[u8]| Ok((u64::from_be_bytes(*key), value == b"after"));
        let found = tables.range::<table::Changes, _, _>(&[0; 8], &[0xff; 8], taken).unwrap();
        let found: Vec<_> = found.map(Result::unwrap).collect();
        assert_eq!(found, (1..600).filter(|n| *n != 7).map(|n| (n, true)).collect::<Vec<_>>());
        assert!(tables.take_pending().is_some_and(|pending| pending.bytes() == 0));
    }
}
