//! SQLite with a hand-made batching writer.

use std::path::Path;
use std::sync::Arc;

use crate::batching::Batching;
use crate::queue::batching_sqlite;
use crate::record::{Entry, Event, Record, State};
use crate::sqlite::{Sqlite, apply, run};
use crate::subject::{Queue, Subject};
use crate::workload::Op;

pub struct Batched {
    sqlite: Arc<Sqlite>,
    writer: Batching<Op, ()>,
}

impl Subject for Batched {
    const NAME: &'static str = "sqlite_batched";
    const SHARES_ALONE: bool = true;
    type Row = Record;
    type Event = Event;
    type Entry = Entry;
    type Cursor = i64;

    fn open(folder: &Path) -> Self {
        let sqlite = Arc::new(Sqlite::open(folder));
        let connected = sqlite.clone();
        let writer = Batching::start(move |ops: Vec<Op>| {
            let (db, many) = (connected.connection(), ops.len());
            run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
            ops.into_iter().try_for_each(|op| apply(&db, op)).unwrap();
            run(&db, "COMMIT", &[]).unwrap();
            vec![(); many]
        });
        Self { sqlite, writer }
    }

    fn queue(folder: &Path) -> Option<Box<dyn Queue>> {
        Some(Box::new(batching_sqlite(folder)))
    }

    fn write(&self, ops: Vec<Op>) {
        self.sqlite.write(ops);
    }

    fn share(&self, op: Op) {
        self.writer.act(op);
    }

    fn get(&self, id: &str) -> Option<Record> {
        self.sqlite.get(id)
    }

    fn by_job(&self, job: &str, each: impl FnMut(Record)) {
        self.sqlite.by_job(job, each);
    }

    fn live(&self, each: impl FnMut(Record)) {
        self.sqlite.live(each);
    }

    fn count(&self, state: State) -> u64 {
        self.sqlite.count(state)
    }

    fn page(&self, after: Option<&i64>, limit: usize) -> (Vec<Record>, Option<i64>) {
        self.sqlite.page(after, limit)
    }

    fn events(&self, id: &str, each: impl FnMut(Event)) {
        self.sqlite.events(id, each);
    }

    fn log(&self, each: impl FnMut(Entry)) {
        self.sqlite.log(each);
    }
}
