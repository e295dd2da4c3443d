//! The peer: SQLite in WAL mode with synchronous=FULL, a row and a counter in each transaction.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{Found, Job, Mode, Outcome};
use crate::acks::Acks;
use crate::dice::Dice;

const EACH: u64 = 6;
const STORES: u64 = 40;
const MOST: u64 = 1_000;

fn open(path: &Path) -> Outcome<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    Ok(db)
}

fn create(path: &Path) -> Outcome<Connection> {
    let db = open(path)?;
    db.execute_batch(
        "BEGIN; CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (1);
         CREATE TABLE rows (n INTEGER PRIMARY KEY, data BLOB); COMMIT",
    )?;
    Ok(db)
}

fn data(seed: u64, number: u64) -> Vec<u8> {
    vec![number as u8; Dice::at(seed, number).spread(4_000) as usize]
}

fn operation(db: &Connection, seed: u64, number: u64) -> Outcome<()> {
    let txn = db.unchecked_transaction()?;
    txn.execute("INSERT INTO rows VALUES (?, ?)", params![number, data(seed, number)])?;
    txn.execute("UPDATE counter SET n = ?", params![number + 1])?;
    Ok(txn.commit()?)
}

fn place(job: &Job, nth: u64) -> (PathBuf, PathBuf) {
    let elsewhere = job.folder.join("elsewhere");
    (job.folder.join(format!("{nth}.db")), elsewhere.join(format!("{nth}.db")))
}

pub fn work(job: &Job, acks: &Acks) -> Outcome<()> {
    if job.mode == Mode::Sqlite {
        acks.begin(0, 1)?;
        let db = create(&job.folder.join("0.db"))?;
        acks.acknowledge(0, 1)?;
        for number in 1..MOST {
            acks.begin(0, number + 1)?;
            operation(&db, job.seed, number)?;
            acks.acknowledge(0, number + 1)?;
        }
        return Ok(());
    }
    fs::create_dir_all(job.folder.join("elsewhere"))?;
    for nth in 0..STORES {
        acks.begin(0, nth * EACH + 1)?;
        let (path, elsewhere) = place(job, nth);
        // Every other one takes the place of another.
        if nth % 2 == 1 {
            close(create(&path)?)?;
        }
        let db = create(&elsewhere)?;
        operation(&db, job.seed, 1)?;
        close(db)?;
        fs::rename(&elsewhere, &path)?;
        let db = open(&path)?;
        for more in 1..EACH {
            acks.begin(0, nth * EACH + more + 1)?;
            operation(&db, job.seed, more + 1)?;
            acks.acknowledge(0, nth * EACH + more + 1)?;
        }
        close(db)?;
    }
    Ok(())
}

fn close(db: Connection) -> Outcome<()> {
    Ok(db.close().map_err(|(_, error)| error)?)
}

pub fn check(job: &Job, acknowledged: u64, begun: u64) -> Outcome<Found> {
    let mut found = Found::default();
    if job.mode == Mode::Sqlite {
        found.checked = one(job, &job.folder.join("0.db"), acknowledged, acknowledged, begun)?;
        return Ok(found);
    }
    let last = begun.saturating_sub(1) / EACH;
    for nth in (acknowledged / EACH).saturating_sub(3)..=last {
        let of = |count: u64| count.saturating_sub(nth * EACH).min(EACH);
        let acknowledged = of(acknowledged);
        // It has two operations when it is put there.
        let least = if acknowledged > 0 { acknowledged + 1 } else { 0 };
        found.checked += one(job, &place(job, nth).0, acknowledged, least, of(begun) + 1)
            .map_err(|error| format!("database {nth}: {error}"))?;
    }
    Ok(found)
}

fn one(job: &Job, path: &Path, acknowledged: u64, least: u64, most: u64) -> Outcome<u64> {
    if !path.exists() {
        return if least > 0 { Err("the file is not there".into()) } else { Ok(0) };
    }
    let db = Connection::open(path)?;
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(sound.into());
    }
    let tables: u64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let counter = if tables == 0 { 0 } else { db.query_row("SELECT n FROM counter", [], |row| row.get(0))? };
    if counter < least || counter > most.max(1) {
        return Err(format!("{counter} operations instead of {least} to {most}").into());
    }
    for number in 1..counter {
        let row: Vec<u8> = db.query_row("SELECT data FROM rows WHERE n = ?", [number], |row| row.get(0))?;
        if row != data(job.seed, number) {
            return Err(format!("row {number} is another").into());
        }
    }
    if counter > 0 {
        let rows: u64 = db.query_row("SELECT count(*) FROM rows", [], |row| row.get(0))?;
        if rows + 1 != counter {
            return Err(format!("{rows} rows after {counter} operations").into());
        }
    }
    Ok(acknowledged)
}
