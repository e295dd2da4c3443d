//! SQLite with a hand-made batching writer: a thread that commits what queued up in one transaction.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;

use crate::queue::Batching;
use crate::record::{Entry, Event, Record, State};
use crate::sqlite::{Sqlite, apply, run};
use crate::subject::{Queue, Subject};
use crate::workload::Op;

/// The most operations of one commit, as many as execstore takes.
const MOST: usize = 1_024;

type Queued = (Op, SyncSender<()>);

pub struct Batched {
    sqlite: Arc<Sqlite>,
    queue: Option<Sender<Queued>>,
    thread: Option<JoinHandle<()>>,
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
        let (queue, queued) = mpsc::channel::<Queued>();
        let writer = sqlite.clone();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = queued.recv() {
                let (ops, callers): (Vec<_>, Vec<_>) =
                    std::iter::once(first).chain(queued.try_iter().take(MOST - 1)).unzip();
                let db = writer.connection();
                run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
                ops.into_iter().try_for_each(|op| apply(&db, op)).unwrap();
                run(&db, "COMMIT", &[]).unwrap();
                drop(db);
                callers.into_iter().for_each(|caller| caller.send(()).unwrap());
            }
        });
        Self { sqlite, queue: Some(queue), thread: Some(thread) }
    }

    fn queue(folder: &Path) -> Option<Box<dyn Queue>> {
        Some(Box::new(Batching::sqlite(folder)))
    }

    fn write(&self, ops: Vec<Op>) {
        self.sqlite.write(ops);
    }

    fn share(&self, op: Op) {
        let (answer, answered) = mpsc::sync_channel(1);
        self.queue.as_ref().unwrap().send((op, answer)).unwrap();
        answered.recv().unwrap();
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

impl Drop for Batched {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
