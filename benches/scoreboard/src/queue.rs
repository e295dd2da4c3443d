//! A queue of rows of 200 bytes: 16 threads, each of which puts one and takes the first, both durable before it goes on.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use execstore::Store;
use redb::{Database, TableDefinition};
use rusqlite::{Connection, OptionalExtension, params};

use crate::subject::{CACHE, Queue};

const THREADS: u64 = 16;
const LIMIT: Duration = Duration::from_secs(5);
const LEN: usize = 200;
/// The most acts of one commit, as many as execstore takes.
const MOST: usize = 1_024;

/// Pairs of a put and a take in a second. Every row is given once.
pub fn rate(queue: &dyn Queue, count: u64) -> f64 {
    let (done, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (done, sum) = (&done, &sum);
            scope.spawn(move || {
                let mut row = [7; LEN];
                for n in (thread..count).step_by(THREADS as usize) {
                    if start.elapsed() > LIMIT {
                        break;
                    }
                    row[..8].copy_from_slice(&n.to_le_bytes());
                    queue.put(&row);
                    let taken = queue.take().expect("somebody took a row too many");
                    assert_eq!(taken.len(), LEN);
                    let taken = u64::from_le_bytes(taken[..8].try_into().unwrap());
                    sum.fetch_add(n.wrapping_sub(taken), Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let time = start.elapsed();
    assert_eq!((sum.into_inner(), queue.take()), (0, None), "what was put was taken");
    done.into_inner() as f64 / time.as_secs_f64()
}

/// A bucket, through the group commit.
impl Queue for Store {
    fn put(&self, row: &[u8]) {
        let row = row.to_vec();
        self.batch(move |w| {
            let mut queue = w.open_bucket("queue")?;
            let place = queue.next_sequence()?;
            Ok(queue.put(place.to_be_bytes(), &row)?)
        })
        .unwrap();
    }

    fn take(&self) -> Option<Vec<u8>> {
        let first = self.batch(|w| Ok(w.open_bucket("queue")?.pop_first()?)).unwrap();
        first.map(|row| row.value)
    }
}

/// A table of SQLite, each act a transaction of its own.
pub struct SqliteQueue(std::sync::Mutex<Connection>);

fn sqlite(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("queue.sqlite")).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.pragma_update(None, "cache_size", -i64::try_from(CACHE / 1024).unwrap()).unwrap();
    db.execute_batch("CREATE TABLE queue (place INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL)")
        .unwrap();
    db
}

fn sqlite_put(db: &Connection, row: &[u8]) {
    db.prepare_cached("INSERT INTO queue (row) VALUES (?)").unwrap().execute(params![row]).unwrap();
}

fn sqlite_take(db: &Connection) -> Option<Vec<u8>> {
    let first = "DELETE FROM queue WHERE place = (SELECT MIN(place) FROM queue) RETURNING row";
    db.prepare_cached(first).unwrap().query_row([], |row| row.get(0)).optional().unwrap()
}

impl SqliteQueue {
    pub fn open(folder: &Path) -> Self {
        Self(std::sync::Mutex::new(sqlite(folder)))
    }
}

impl Queue for SqliteQueue {
    fn put(&self, row: &[u8]) {
        sqlite_put(&self.0.lock().unwrap(), row);
    }

    fn take(&self) -> Option<Vec<u8>> {
        sqlite_take(&self.0.lock().unwrap())
    }
}

/// An act, a put or a take, and who waits for it.
type Act = (Option<Vec<u8>>, SyncSender<Option<Vec<u8>>>);

/// A hand-made batching writer: a thread that commits what has queued up in one transaction.
pub struct Batching {
    acts: std::sync::Mutex<Option<Sender<Act>>>,
    thread: Option<JoinHandle<()>>,
}

impl Batching {
    fn start(mut commit: impl FnMut(&[Act]) -> Vec<Option<Vec<u8>>> + Send + 'static) -> Self {
        let (acts, queued) = mpsc::channel::<Act>();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = queued.recv() {
                let acts: Vec<_> = std::iter::once(first).chain(queued.try_iter().take(MOST - 1)).collect();
                let answers = commit(&acts);
                for ((_, caller), answer) in acts.iter().zip(answers) {
                    caller.send(answer).unwrap();
                }
            }
        });
        Self { acts: std::sync::Mutex::new(Some(acts)), thread: Some(thread) }
    }

    pub fn sqlite(folder: &Path) -> Self {
        let db = sqlite(folder);
        Self::start(move |acts| {
            db.execute_batch("BEGIN IMMEDIATE").unwrap();
            let done = acts.iter().map(|(row, _)| match row {
                Some(row) => {
                    sqlite_put(&db, row);
                    None
                }
                None => sqlite_take(&db),
            });
            let done = done.collect();
            db.execute_batch("COMMIT").unwrap();
            done
        })
    }

    pub fn redb(folder: &Path) -> Self {
        const QUEUE: TableDefinition<u64, &[u8]> = TableDefinition::new("queue");
        let db = Database::builder().set_cache_size(CACHE).create(folder.join("queue.redb")).unwrap();
        let mut place = 0;
        Self::start(move |acts| {
            let txn = db.begin_write().unwrap();
            let mut queue = txn.open_table(QUEUE).unwrap();
            let mut done = Vec::new();
            for (row, _) in acts {
                done.push(match row {
                    Some(row) => {
                        place += 1;
                        queue.insert(place, row.as_slice()).unwrap();
                        None
                    }
                    None => queue.pop_first().unwrap().map(|(_, row)| row.value().to_vec()),
                });
            }
            drop(queue);
            txn.commit().unwrap();
            done
        })
    }

    fn act(&self, row: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let (caller, answer) = mpsc::sync_channel(1);
        self.acts.lock().unwrap().as_ref().unwrap().send((row, caller)).unwrap();
        answer.recv().unwrap()
    }
}

impl Queue for Batching {
    fn put(&self, row: &[u8]) {
        self.act(Some(row.to_vec()));
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.act(None)
    }
}

impl Drop for Batching {
    fn drop(&mut self) {
        drop(self.acts.lock().unwrap().take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
