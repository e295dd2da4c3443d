//! redb without a store: the same tables by hand, text keys, records as JSON header and payload.

use std::path::Path;

use execstore::Text;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};

use crate::keys::{self, HEAD, Outcome, Totals};
use crate::queue::batching_redb;
use crate::record::{Entry, Event, Record, State, now};
use crate::subject::{CACHE, Queue, Subject};
use crate::workload::Op;

const EXECUTIONS: TableDefinition<&str, &[u8]> = TableDefinition::new("executions");
const JOBS: TableDefinition<&str, ()> = TableDefinition::new("jobs");
const STATES: TableDefinition<&str, ()> = TableDefinition::new("states");
const EVENTS: TableDefinition<&str, &[u8]> = TableDefinition::new("events");
const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");
const CHECKPOINTS: TableDefinition<&str, u64> = TableDefinition::new("checkpoints");
const TOTALS: TableDefinition<(), Totals> = TableDefinition::new("totals");

pub struct Redb(Database);

/// The tables of a write transaction, and the totals as they are before it.
struct Tables<'t> {
    executions: Table<'t, &'static str, &'static [u8]>,
    jobs: Table<'t, &'static str, ()>,
    states: Table<'t, &'static str, ()>,
    events: Table<'t, &'static str, &'static [u8]>,
    changes: Table<'t, u64, &'static [u8]>,
    all_totals: Table<'t, (), Totals>,
    totals: Totals,
}

impl<'t> Tables<'t> {
    fn open(txn: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let all_totals = txn.open_table(TOTALS)?;
        let totals = all_totals.get(())?.map_or(Totals::default(), |row| row.value());
        Ok(Self {
            executions: txn.open_table(EXECUTIONS)?,
            jobs: txn.open_table(JOBS)?,
            states: txn.open_table(STATES)?,
            events: txn.open_table(EVENTS)?,
            changes: txn.open_table(CHANGES)?,
            all_totals,
            totals,
        })
    }
}

fn apply(txn: &WriteTransaction, ops: Vec<Op>) -> Result<(), redb::Error> {
    let Tables { mut executions, mut jobs, mut states, mut events, mut changes, mut all_totals, mut totals } =
        Tables::open(txn)?;
    for op in ops {
        let outcome = Outcome::of(op, &mut totals, |id| {
            let row = executions.get(id).unwrap();
            row.map(|row| Record::decode(row.value()))
        });
        let header = &outcome.record.header;
        let id = header.id.as_str();
        executions.insert(id, outcome.record.encode().as_slice())?;
        match outcome.before {
            None => jobs.insert(keys::job(header).as_str(), ())?.map(drop),
            Some(before) => states.remove(keys::state(before, id).as_str())?.map(drop),
        };
        states.insert(keys::state(header.state, id).as_str(), ())?;
        for event in &outcome.events {
            events.insert(keys::event(id, event.seq).as_str(), event.encode().as_slice())?;
        }
        let entry = serde_json::to_vec(&outcome.entry).unwrap();
        changes.insert(totals[HEAD], entry.as_slice())?;
    }
    all_totals.insert((), totals)?;
    Ok(())
}

fn delete(txn: &WriteTransaction, ids: &[String]) -> Result<(), redb::Error> {
    let Tables { mut executions, mut jobs, mut states, mut events, mut changes, mut all_totals, mut totals } =
        Tables::open(txn)?;
    for id in ids {
        let Record { header, .. } = Record::decode(executions.remove(id.as_str())?.unwrap().value());
        jobs.remove(keys::job(&header).as_str())?;
        states.remove(keys::state(header.state, id).as_str())?;
        let (start, end) = keys::below(id);
        events.retain_in(start.as_str()..end.as_str(), |_, _| false)?;
        totals[header.state.code()] -= 1;
        totals[HEAD] += 1;
        let (seq, time, before) = (totals[HEAD], now(), Some(header.state));
        let entry = Entry { seq, time, before, first_event: 0, last_event: 0, header };
        changes.insert(seq, serde_json::to_vec(&entry).unwrap().as_slice())?;
    }
    all_totals.insert((), totals)?;
    Ok(())
}

fn record(executions: &ReadOnlyTable<&str, &[u8]>, id: &str) -> Option<Record> {
    executions.get(id).unwrap().map(|row| Record::decode(row.value()))
}

impl Redb {
    fn begin(&self) -> ReadTransaction {
        self.0.begin_read().unwrap()
    }

    /// The records that the rows of an index name.
    fn indexed(
        txn: &ReadTransaction,
        index: TableDefinition<&str, ()>,
        range: &(String, String),
        mut each: impl FnMut(Record),
    ) {
        let index = txn.open_table(index).unwrap();
        let executions = txn.open_table(EXECUTIONS).unwrap();
        for row in index.range(range.0.as_str()..range.1.as_str()).unwrap() {
            let key = row.unwrap().0;
            each(record(&executions, keys::id_in(key.value())).unwrap());
        }
    }
}

impl Subject for Redb {
    const NAME: &'static str = "redb";
    type Row = Record;
    type Event = Event;
    type Entry = Entry;
    type Cursor = Text;

    fn open(folder: &Path) -> Self {
        let db = Database::builder().set_cache_size(CACHE).create(folder.join("store.redb")).unwrap();
        if db.begin_read().unwrap().open_table(TOTALS).is_err() {
            let txn = db.begin_write().unwrap();
            txn.open_table(CHECKPOINTS).unwrap();
            apply(&txn, Vec::new()).unwrap();
            txn.commit().unwrap();
        }
        Self(db)
    }

    fn queue(folder: &Path) -> Option<Box<dyn Queue>> {
        Some(Box::new(batching_redb(folder)))
    }

    fn write(&self, ops: Vec<Op>) {
        let txn = self.0.begin_write().unwrap();
        apply(&txn, ops).unwrap();
        txn.commit().unwrap();
    }

    fn get(&self, id: &str) -> Option<Record> {
        record(&self.begin().open_table(EXECUTIONS).unwrap(), id)
    }

    fn by_job(&self, job: &str, each: impl FnMut(Record)) {
        Self::indexed(&self.begin(), JOBS, &keys::below(job), each);
    }

    // By state, and in each by id: sorting across the states is left to the caller.
    fn live(&self, mut each: impl FnMut(Record)) {
        let txn = self.begin();
        for state in State::LIVE {
            Self::indexed(&txn, STATES, &keys::below_state(state), &mut each);
        }
    }

    fn count(&self, state: State) -> u64 {
        let totals = self.begin().open_table(TOTALS).unwrap();
        totals.get(()).unwrap().unwrap().value()[state.code()]
    }

    // In the order of ids, which is that of creation where ids are time-ordered.
    fn page(&self, after: Option<&Text>, limit: usize) -> (Vec<Record>, Option<Text>) {
        let executions = self.begin().open_table(EXECUTIONS).unwrap();
        let rows = match after {
            Some(id) => executions.range(..id.as_str()),
            None => executions.range::<&str>(..),
        };
        let rows = rows.unwrap().rev().take(limit);
        let page: Vec<_> = rows.map(|row| Record::decode(row.unwrap().1.value())).collect();
        let last = page.last().map(|record| record.header.id.clone());
        (page, last)
    }

    fn events(&self, id: &str, mut each: impl FnMut(Event)) {
        let events = self.begin().open_table(EVENTS).unwrap();
        let (start, end) = keys::below(id);
        for row in events.range(start.as_str()..end.as_str()).unwrap() {
            each(Event::decode(row.unwrap().1.value()));
        }
    }

    fn log(&self, mut each: impl FnMut(Entry)) {
        let changes = self.begin().open_table(CHANGES).unwrap();
        for row in changes.iter().unwrap() {
            each(serde_json::from_slice(row.unwrap().1.value()).unwrap());
        }
    }

    const DELETES: bool = true;

    fn delete(&self, ids: Vec<String>) {
        let txn = self.0.begin_write().unwrap();
        delete(&txn, &ids).unwrap();
        txn.commit().unwrap();
    }

    fn forget_log(&self) {
        let txn = self.0.begin_write().unwrap();
        txn.open_table(CHANGES).unwrap().retain(|_, _| false).unwrap();
        txn.commit().unwrap();
    }

    fn compact(folder: &Path) -> bool {
        let mut db = Self::open(folder).0;
        while db.compact().unwrap() {}
        true
    }

    fn begin_write(&self) -> Option<impl Sized> {
        Some(self.0.begin_write().unwrap())
    }
}
