//! A queue of rows of 200 bytes: 16 threads, each of which puts one and takes the first, both durable before it goes on.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use execstore::Store;
use redb::{Database, TableDefinition};
use rusqlite::{Connection, OptionalExtension, params};

use crate::batching::Batching;
use crate::sql::connect;
use crate::subject::{CACHE, Queue};

const THREADS: u64 = 16;
const LIMIT: Duration = Duration::from_secs(5);
const LEN: usize = 200;

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
    let db = connect(&folder.join("queue.sqlite"));
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

/// A put of a row, or a take.
type Batched = Batching<Option<Vec<u8>>, Option<Vec<u8>>>;

/// A table of SQLite under a batching writer.
pub fn batching_sqlite(folder: &Path) -> Batched {
    let db = sqlite(folder);
    Batching::start(move |acts: Vec<Option<Vec<u8>>>| {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        let act = |row: Option<Vec<u8>>| match row {
            Some(row) => {
                sqlite_put(&db, &row);
                None
            }
            None => sqlite_take(&db),
        };
        let done = acts.into_iter().map(act).collect();
        db.execute_batch("COMMIT").unwrap();
        done
    })
}

/// The same of redb.
pub fn batching_redb(folder: &Path) -> Batched {
    const QUEUE: TableDefinition<u64, &[u8]> = TableDefinition::new("queue");
    let db = Database::builder().set_cache_size(CACHE).create(folder.join("queue.redb")).unwrap();
    let mut place = 0;
    Batching::start(move |acts: Vec<Option<Vec<u8>>>| {
        let txn = db.begin_write().unwrap();
        let mut queue = txn.open_table(QUEUE).unwrap();
        let act = |row: Option<Vec<u8>>| match row {
            Some(row) => {
                place += 1;
                queue.insert(place, row.as_slice()).unwrap();
                None
            }
            None => queue.pop_first().unwrap().map(|(_, row)| row.value().to_vec()),
        };
        let done = acts.into_iter().map(act).collect();
        drop(queue);
        txn.commit().unwrap();
        done
    })
}

impl Queue for Batched {
    fn put(&self, row: &[u8]) {
        self.act(Some(row.to_vec()));
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.act(None)
    }
}
