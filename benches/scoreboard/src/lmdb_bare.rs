//! LMDB without a store, through heed: a database for each table, one durable transaction an operation.

use std::ops::Bound;
use std::path::Path;

use execstore::Text;
use heed::byteorder::BigEndian;
use heed::types::{Bytes, SerdeJson, Str, U64, Unit};
use heed::{Database, Env, EnvOpenOptions, RoTxn};

use crate::keys::{self, HEAD, Outcome, Totals};
use crate::record::{Entry, Event, Record, State};
use crate::subject::Subject;
use crate::workload::Op;

/// What the file may grow to. LMDB reads through the system's page cache alone, which no other subject is kept from using either.
const MAP: usize = 16 << 30;

pub struct Lmdb {
    env: Env,
    executions: Database<Str, Bytes>,
    jobs: Database<Str, Unit>,
    states: Database<Str, Unit>,
    events: Database<Str, Bytes>,
    changes: Database<U64<BigEndian>, Bytes>,
    totals: Database<Str, SerdeJson<Totals>>,
}

fn between((start, end): &(String, String)) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(start), Bound::Excluded(end))
}

impl Lmdb {
    fn record(&self, txn: &RoTxn<'_>, id: &str) -> Option<Record> {
        self.executions.get(txn, id).unwrap().map(Record::decode)
    }

    /// The records that the rows of an index name.
    fn indexed(&self, index: Database<Str, Unit>, range: (String, String), mut each: impl FnMut(Record)) {
        let txn = self.env.read_txn().unwrap();
        for row in index.range(&txn, &between(&range)).unwrap() {
            each(self.record(&txn, keys::id_in(row.unwrap().0)).unwrap());
        }
    }
}

impl Subject for Lmdb {
    const NAME: &'static str = "LMDB";
    type Row = Record;
    type Event = Event;
    type Entry = Entry;
    type Cursor = Text;

    #[allow(unsafe_code)]
    fn open(folder: &Path) -> Self {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP).max_dbs(6);
        // SAFETY: nobody else has the files, and nothing writes to them but this.
        let env = unsafe { options.open(folder) }.unwrap();
        let mut txn = env.write_txn().unwrap();
        let lmdb = Self {
            executions: env.create_database(&mut txn, Some("executions")).unwrap(),
            jobs: env.create_database(&mut txn, Some("jobs")).unwrap(),
            states: env.create_database(&mut txn, Some("states")).unwrap(),
            events: env.create_database(&mut txn, Some("events")).unwrap(),
            changes: env.create_database(&mut txn, Some("changes")).unwrap(),
            totals: env.create_database(&mut txn, Some("totals")).unwrap(),
            env: env.clone(),
        };
        txn.commit().unwrap();
        lmdb
    }

    fn write(&self, ops: Vec<Op>) {
        let mut txn = self.env.write_txn().unwrap();
        let mut totals = self.totals.get(&txn, "totals").unwrap().unwrap_or_default();
        for op in ops {
            let outcome = Outcome::of(op, &mut totals, |id| self.record(&txn, id));
            let header = &outcome.record.header;
            let id = header.id.as_str();
            self.executions.put(&mut txn, id, &outcome.record.encode()).unwrap();
            match outcome.before {
                None => self.jobs.put(&mut txn, &keys::job(header), &()).unwrap(),
                Some(before) => assert!(self.states.delete(&mut txn, &keys::state(before, id)).unwrap()),
            }
            self.states.put(&mut txn, &keys::state(header.state, id), &()).unwrap();
            for event in &outcome.events {
                self.events.put(&mut txn, &keys::event(id, event.seq), &event.encode()).unwrap();
            }
            let entry = serde_json::to_vec(&outcome.entry).unwrap();
            self.changes.put(&mut txn, &totals[HEAD], &entry).unwrap();
        }
        self.totals.put(&mut txn, "totals", &totals).unwrap();
        txn.commit().unwrap();
    }

    fn get(&self, id: &str) -> Option<Record> {
        self.record(&self.env.read_txn().unwrap(), id)
    }

    fn by_job(&self, job: &str, each: impl FnMut(Record)) {
        self.indexed(self.jobs, keys::below(job), each);
    }

    // By state, and in each by id: sorting across the states is left to the caller.
    fn live(&self, mut each: impl FnMut(Record)) {
        for state in State::LIVE {
            self.indexed(self.states, keys::below_state(state), &mut each);
        }
    }

    fn count(&self, state: State) -> u64 {
        let txn = self.env.read_txn().unwrap();
        self.totals.get(&txn, "totals").unwrap().unwrap()[state.code()]
    }

    // In the order of ids, which is that of creation where ids are time-ordered.
    fn page(&self, after: Option<&Text>, limit: usize) -> (Vec<Record>, Option<Text>) {
        let txn = self.env.read_txn().unwrap();
        let decode = |row: heed::Result<(&str, &[u8])>| Record::decode(row.unwrap().1);
        let page: Vec<_> = match after {
            Some(id) => {
                let before = (Bound::Unbounded, Bound::Excluded(id.as_str()));
                let rows = self.executions.rev_range(&txn, &before).unwrap();
                rows.take(limit).map(decode).collect()
            }
            None => self.executions.rev_iter(&txn).unwrap().take(limit).map(decode).collect(),
        };
        let last = page.last().map(|record| record.header.id.clone());
        (page, last)
    }

    fn events(&self, id: &str, mut each: impl FnMut(Event)) {
        let txn = self.env.read_txn().unwrap();
        for row in self.events.range(&txn, &between(&keys::below(id))).unwrap() {
            each(Event::decode(row.unwrap().1));
        }
    }

    fn log(&self, mut each: impl FnMut(Entry)) {
        let txn = self.env.read_txn().unwrap();
        for row in self.changes.iter(&txn).unwrap() {
            each(serde_json::from_slice(row.unwrap().1).unwrap());
        }
    }

    fn close(self) {
        self.env.prepare_for_closing().wait();
    }

    fn begin_write(&self) -> Option<impl Sized> {
        Some(self.env.write_txn().unwrap())
    }
}
