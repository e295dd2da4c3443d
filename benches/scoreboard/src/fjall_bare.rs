//! fjall without a store: a keyspace for each table, one durable batch an operation.

use execstore::Text;
use std::path::Path;
use std::sync::Mutex;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use crate::keys::{self, HEAD, Outcome, Totals};
use crate::record::{Entry, Event, Record, State};
use crate::subject::{CACHE, Subject};
use crate::workload::Op;

pub struct Fjall {
    db: Database,
    executions: Keyspace,
    jobs: Keyspace,
    states: Keyspace,
    events: Keyspace,
    changes: Keyspace,
    totals: Keyspace,
    _checkpoints: Keyspace,
    /// The totals, and the turn to write: nothing may come between the reads and the batch.
    writing: Mutex<Totals>,
}

fn encode(totals: &Totals) -> Vec<u8> {
    totals.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn decode(bytes: &[u8]) -> Totals {
    let mut totals = Totals::default();
    for (n, bytes) in totals.iter_mut().zip(bytes.chunks_exact(8)) {
        *n = u64::from_le_bytes(bytes.try_into().unwrap());
    }
    totals
}

fn text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap()
}

impl Fjall {
    fn keyspaces(&self) -> [&Keyspace; 6] {
        [&self.executions, &self.jobs, &self.states, &self.events, &self.changes, &self.totals]
    }

    fn record(&self, snapshot: &Snapshot, id: &str) -> Option<Record> {
        let row = snapshot.get(&self.executions, id).unwrap();
        row.map(|row| Record::decode(&row))
    }

    /// The records that the rows of an index name.
    fn indexed(&self, index: &Keyspace, range: (String, String), mut each: impl FnMut(Record)) {
        let snapshot = self.db.snapshot();
        for row in snapshot.range(index, range.0..range.1) {
            let key = row.key().unwrap();
            each(self.record(&snapshot, keys::id_in(text(&key))).unwrap());
        }
    }
}

impl Subject for Fjall {
    const NAME: &'static str = "fjall";
    type Row = Record;
    type Event = Event;
    type Entry = Entry;
    type Cursor = Text;

    fn open(folder: &Path) -> Self {
        let db = Database::builder(folder).cache_size(CACHE as u64).open().unwrap();
        let keyspace = |name| db.keyspace(name, KeyspaceCreateOptions::default).unwrap();
        let totals = keyspace("totals");
        let stored = totals.get("totals").unwrap();
        let writing = stored.map_or(Totals::default(), |row| decode(&row));
        Self {
            executions: keyspace("executions"),
            jobs: keyspace("jobs"),
            states: keyspace("states"),
            events: keyspace("events"),
            changes: keyspace("changes"),
            _checkpoints: keyspace("checkpoints"),
            totals,
            writing: Mutex::new(writing),
            db,
        }
    }

    fn write(&self, ops: Vec<Op>) {
        let mut totals = self.writing.lock().unwrap();
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for op in ops {
            let outcome = Outcome::of(op, &mut totals, |id| {
                let row = self.executions.get(id).unwrap();
                row.map(|row| Record::decode(&row))
            });
            let header = &outcome.record.header;
            let id = header.id.as_str();
            batch.insert(&self.executions, id, outcome.record.encode());
            match outcome.before {
                None => batch.insert(&self.jobs, keys::job(header), ""),
                Some(before) => batch.remove(&self.states, keys::state(before, id)),
            }
            batch.insert(&self.states, keys::state(header.state, id), "");
            for event in &outcome.events {
                batch.insert(&self.events, keys::event(id, event.seq), event.encode());
            }
            let entry = serde_json::to_vec(&outcome.entry).unwrap();
            batch.insert(&self.changes, totals[HEAD].to_be_bytes(), entry);
        }
        batch.insert(&self.totals, "totals", encode(&totals));
        batch.commit().unwrap();
    }

    fn get(&self, id: &str) -> Option<Record> {
        let row = self.executions.get(id).unwrap();
        row.map(|row| Record::decode(&row))
    }

    fn by_job(&self, job: &str, each: impl FnMut(Record)) {
        self.indexed(&self.jobs, keys::below(job), each);
    }

    // By state, and in each by id: sorting across the states is left to the caller.
    fn live(&self, mut each: impl FnMut(Record)) {
        for state in State::LIVE {
            self.indexed(&self.states, keys::below_state(state), &mut each);
        }
    }

    fn count(&self, state: State) -> u64 {
        decode(&self.totals.get("totals").unwrap().unwrap())[state.code()]
    }

    // In the order of ids, which is that of creation where ids are time-ordered.
    fn page(&self, after: Option<&Text>, limit: usize) -> (Vec<Record>, Option<Text>) {
        let rows = match after {
            Some(id) => self.executions.range(..id.as_str()),
            None => self.executions.iter(),
        };
        let rows = rows.rev().take(limit);
        let page: Vec<_> = rows.map(|row| Record::decode(&row.value().unwrap())).collect();
        let last = page.last().map(|record| record.header.id.clone());
        (page, last)
    }

    fn events(&self, id: &str, mut each: impl FnMut(Event)) {
        let (start, end) = keys::below(id);
        for row in self.events.range(start..end) {
            each(Event::decode(&row.value().unwrap()));
        }
    }

    fn log(&self, mut each: impl FnMut(Entry)) {
        for row in self.changes.iter() {
            each(serde_json::from_slice(&row.value().unwrap()).unwrap());
        }
    }

    fn compact(folder: &Path) -> bool {
        let fjall = Self::open(folder);
        for keyspace in fjall.keyspaces() {
            keyspace.rotate_memtable_and_wait().unwrap();
            keyspace.major_compact().unwrap();
        }
        true
    }
}
