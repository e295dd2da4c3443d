//! SQLite in its best form: WAL, one durable transaction an operation, cached statements, real columns.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::history::KEY;
use crate::queue::SqliteQueue;
use crate::record::{Entry, Event, Header, Record, State, now};
use crate::sql::*;
use crate::subject::{Queue, Subject};
use crate::workload::{Op, Replacement};

/// One connection; threads take turns.
pub struct Sqlite(Mutex<Connection>);

impl Sqlite {
    pub fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap()
    }

    fn query<T>(
        &self,
        sql: &str,
        with: &[&dyn ToSql],
        of: fn(&Row<'_>) -> rusqlite::Result<T>,
        mut each: impl FnMut(T),
    ) {
        let db = self.connection();
        let mut statement = db.prepare_cached(sql).unwrap();
        let mut rows = statement.query(with).unwrap();
        while let Some(row) = rows.next().unwrap() {
            each(of(row).unwrap());
        }
    }
}

pub fn run(db: &Connection, sql: &str, with: &[&dyn ToSql]) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute(with).map(drop)
}

pub fn apply(db: &Connection, op: Op) -> rusqlite::Result<()> {
    let now = now();
    let (number, before, header, first, events) = match op {
        Op::Create(mut record, events) => {
            (record.header.created_at, record.header.modified_at) = (now, now);
            insert(db, CREATE, &[], &record.header, &[&record.payload])?;
            let number = db.last_insert_rowid();
            for (key, value) in &record.header.labels {
                run(db, LABEL, &[&key.as_str(), &value.as_str(), &record.header.state.code(), &number])?;
            }
            (number, None, record.header, 1, events)
        }
        Op::Update(step) => {
            let mut get = db.prepare_cached(GET)?;
            let (number, found) =
                get.query_row([&step.id], |row| Ok((row.get::<_, i64>(17)?, record(row)?)))?;
            let Record { mut header, payload: _ } = found;
            let (before, first) = (header.state, header.event_count + 1);
            step.apply(&mut header, now);
            let state = header.state.code();
            let mut update = db.prepare_cached(UPDATE)?;
            update.execute(params![
                state,
                header.message.as_deref(),
                header.revision,
                header.event_count,
                header.modified_at,
                header.completed_at,
                number
            ])?;
            for (key, value) in &header.labels {
                run(db, RELABEL, &[&state, &key.as_str(), &value.as_str(), &before.code(), &number])?;
            }
            run(db, LEAVE, &[&before.code()])?;
            (number, Some(before.code()), header, first, step.events)
        }
        Op::Replace(replacement) => {
            let mut get = db.prepare_cached(GET)?;
            let (number, found) =
                get.query_row([&replacement.id], |row| Ok((row.get::<_, i64>(17)?, record(row)?)))?;
            let mut header = found.header;
            replacement.apply(&mut header, now);
            let mut replace = db.prepare_cached(REPLACE)?;
            let Replacement { payload, .. } = replacement;
            replace.execute(params![payload, header.revision, header.modified_at, number])?;
            let state = header.state.code();
            run(db, LEAVE, &[&state])?;
            (number, Some(state), header, 1, Vec::new())
        }
    };
    run(db, ENTER, &[&header.state.code()])?;
    let mut insert_event = db.prepare_cached(EVENT)?;
    for (event, seq) in events.iter().zip(first..) {
        let Event { topic, message, time, details, .. } = event;
        insert_event.execute(params![number, seq, topic.as_str(), message.as_str(), time, details])?;
    }
    let (first, last) = if events.is_empty() { (0, 0) } else { (first, header.event_count) };
    insert(db, LOG, &[&now, &before, &first, &last], &header, &[])
}

/// Inserts a row that has a header in its columns.
fn insert(
    db: &Connection,
    sql: &str,
    front: &[&dyn ToSql],
    header: &Header,
    back: &[&dyn ToSql],
) -> rusqlite::Result<()> {
    let Header { labels, .. } = header;
    let (id, job_id, namespace) = (header.id.as_str(), header.job_id.as_str(), header.namespace.as_str());
    let (name, node_id, message) =
        (header.name.as_deref(), header.node_id.as_deref(), header.message.as_deref());
    let (parent, previous) = (header.parent.as_deref(), header.previous.as_deref());
    let labels = (!labels.is_empty()).then(|| serde_json::to_string(labels).unwrap());
    let (desired, state) = (header.desired as usize, header.state.code());
    let columns: [&dyn ToSql; 16] = [
        &id,
        &job_id,
        &namespace,
        &name,
        &node_id,
        &desired,
        &state,
        &message,
        &header.revision,
        &header.event_count,
        &header.created_at,
        &header.modified_at,
        &header.completed_at,
        &parent,
        &previous,
        &labels,
    ];
    let mut statement = db.prepare_cached(sql)?;
    let all = front.iter().chain(&columns).chain(back);
    statement.execute(rusqlite::params_from_iter(all)).map(drop)
}

fn number(db: &Connection, id: &str) -> i64 {
    db.prepare_cached(NUMBER).unwrap().query_row([id], |row| row.get(0)).unwrap()
}

impl Subject for Sqlite {
    const NAME: &'static str = "sqlite";
    const READS_BESIDE: bool = false;
    type Row = Record;
    type Event = Event;
    type Entry = Entry;
    type Cursor = i64;

    fn open(folder: &Path) -> Self {
        let db = connect(&folder.join("store.sqlite"));
        // Else a statement is planned again whenever a bound value changes: five times the cost of R2.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        db.set_prepared_statement_cache_capacity(64);
        let tables = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'";
        if db.query_row(tables, [], |row| row.get::<_, u64>(0)).unwrap() == 0 {
            db.execute_batch(SCHEMA).unwrap();
        }
        db.execute_batch("CREATE TABLE temp.doomed (number INTEGER PRIMARY KEY)").unwrap();
        Self(Mutex::new(db))
    }

    fn queue(folder: &Path) -> Option<Box<dyn Queue>> {
        Some(Box::new(SqliteQueue::open(folder)))
    }

    fn write(&self, ops: Vec<Op>) {
        let db = self.connection();
        run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
        ops.into_iter().try_for_each(|op| apply(&db, op)).unwrap();
        run(&db, "COMMIT", &[]).unwrap();
    }

    fn get(&self, id: &str) -> Option<Record> {
        let db = self.connection();
        let mut statement = db.prepare_cached(GET).unwrap();
        statement.query_row([id], record).optional().unwrap()
    }

    fn by_job(&self, job: &str, each: impl FnMut(Record)) {
        self.query(BY_JOB, &[&job], record, each);
    }

    fn live(&self, each: impl FnMut(Record)) {
        self.query(LIVE, &[], record, each);
    }

    fn count(&self, state: State) -> u64 {
        let db = self.connection();
        let mut statement = db.prepare_cached("SELECT COUNT(*) FROM executions WHERE state = ?").unwrap();
        statement.query_row([state.code()], |row| row.get(0)).unwrap()
    }

    fn counter(&self, state: State) -> Option<u64> {
        let db = self.connection();
        let mut statement = db.prepare_cached("SELECT n FROM counts WHERE state = ?").unwrap();
        statement.query_row([state.code()], |row| row.get(0)).optional().unwrap()
    }

    fn page(&self, after: Option<&i64>, limit: usize) -> (Vec<Record>, Option<i64>) {
        let (mut page, mut last) = (Vec::with_capacity(limit), None);
        let row = |row: &Row<'_>| Ok((record(row)?, row.get(17)?));
        self.query(PAGE, &[after.unwrap_or(&i64::MAX), &limit], row, |(record, number)| {
            page.push(record);
            last = Some(number);
        });
        (page, last)
    }

    fn page_at(&self, offset: usize, limit: usize) -> Option<Vec<Record>> {
        let mut page = Vec::with_capacity(limit);
        self.query(PAGE_AT, &[&limit, &offset], record, |record| page.push(record));
        Some(page)
    }

    fn events(&self, id: &str, each: impl FnMut(Event)) {
        self.query(EVENTS, &[&id], event, each);
    }

    fn log(&self, each: impl FnMut(Entry)) {
        self.query(CHANGES, &[], entry, each);
    }

    const QUERIES: bool = true;

    fn labelled_page(&self, value: &str, state: State, limit: usize) -> Vec<Record> {
        let mut page = Vec::with_capacity(limit);
        self.query(LABELLED, &[&KEY, &value, &state.code(), &limit], record, |row| page.push(row));
        page
    }

    fn latest(&self, value: &str) -> Option<Record> {
        let db = self.connection();
        let mut statement = db.prepare_cached(LATEST).unwrap();
        statement.query_row([KEY, value], record).optional().unwrap()
    }

    fn count_labelled(&self, value: &str, state: State) -> u64 {
        let db = self.connection();
        let mut statement = db.prepare_cached(COUNT_LABELLED).unwrap();
        statement.query_row(params![KEY, value, state.code()], |row| row.get(0)).unwrap()
    }

    fn trace(&self, id: &str) -> u64 {
        let mut steps = 0;
        self.query(TRACE, &[&id], header, |row| {
            drop(std::hint::black_box(row));
            steps += 1;
        });
        steps
    }

    fn delete_labelled(&self, value: &str) {
        let db = self.connection();
        loop {
            run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
            let doomed = db.prepare_cached(DOOMED).unwrap().execute([KEY, value]).unwrap();
            for (at, sql) in DELETE.iter().enumerate() {
                let with: &[&dyn ToSql] = if at == 3 { &[&KEY, &value] } else { &[] };
                run(&db, sql, with).unwrap();
            }
            run(&db, "COMMIT", &[]).unwrap();
            if doomed < 500 {
                return;
            }
        }
    }

    const DELETES: bool = true;

    fn delete(&self, ids: Vec<String>) {
        let db = self.connection();
        run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
        for id in ids {
            run(&db, DOOM, &[&id]).unwrap();
        }
        for (at, sql) in DELETE.iter().enumerate() {
            let with: &[&dyn ToSql] = if at == 3 { &[&KEY, &""] } else { &[] };
            run(&db, sql, with).unwrap();
        }
        run(&db, "COMMIT", &[]).unwrap();
    }

    fn forget_log(&self) {
        run(&self.connection(), "DELETE FROM changes", &[]).unwrap();
    }

    const SIDE_DATA: bool = true;

    fn put_value(&self, id: &str, key: &str, value: &[u8]) {
        let db = self.connection();
        let number = number(&db, id);
        let mut put = db.prepare_cached(PUT).unwrap();
        put.execute(params![number, key, "application/octet-stream", value.len(), now(), value]).unwrap();
    }

    fn value(&self, id: &str, key: &str) -> Vec<u8> {
        let db = self.connection();
        let number = number(&db, id);
        let mut value = db.prepare_cached(VALUE).unwrap();
        value.query_row(params![number, key], |row| row.get(0)).unwrap()
    }

    fn append(&self, id: &str, name: &str, bytes: &[u8]) {
        let db = self.connection();
        run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
        let number = number(&db, id);
        let mut length = db.prepare_cached(LENGTH).unwrap();
        let length: Option<i64> =
            length.query_row(params![number, name], |row| row.get(0)).optional().unwrap();
        let length = length.unwrap_or(0);
        run(&db, CHUNK, &[&number, &name, &length, &bytes]).unwrap();
        run(&db, GROW, &[&number, &name, &(length + bytes.len() as i64), &now()]).unwrap();
        run(&db, "COMMIT", &[]).unwrap();
    }

    fn output(&self, id: &str, name: &str) -> Vec<u8> {
        let number = number(&self.connection(), id);
        let mut bytes = Vec::new();
        self.query(OUTPUT, &[&number, &name], |row| row.get(0), |chunk: Vec<u8>| bytes.extend(chunk));
        bytes
    }

    fn start_nodes(&self, id: &str, names: &[String]) {
        let db = self.connection();
        run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
        let number = number(&db, id);
        for (place, name) in (1..).zip(names) {
            run(&db, START_NODE, &[&number, &place, name, &now()]).unwrap();
        }
        run(&db, START_PROGRESS, &[&number, &names.len()]).unwrap();
        run(&db, "COMMIT", &[]).unwrap();
    }

    fn end_node(&self, id: &str, name: &str, attempt: u64, value: &str) {
        let db = self.connection();
        run(&db, "BEGIN IMMEDIATE", &[]).unwrap();
        let number = number(&db, id);
        let mut node = db.prepare_cached(NODE).unwrap();
        let before: i64 = node.query_row(params![number, name], |row| row.get(0)).unwrap();
        let mut end = db.prepare_cached(END_NODE).unwrap();
        assert_eq!(end.execute(params![attempt, now(), value, number, name]).unwrap(), 1);
        run(&db, PROGRESS, &[&number, &i64::from(before == 0)]).unwrap();
        run(&db, "COMMIT", &[]).unwrap();
    }

    fn ended_nodes(&self, id: &str) -> u64 {
        let db = self.connection();
        let number = number(&db, id);
        db.prepare_cached(FINISHED).unwrap().query_row([number], |row| row.get(0)).unwrap()
    }

    fn node_attempts(&self, id: &str) -> u64 {
        let db = self.connection();
        let number = number(&db, id);
        db.prepare_cached(ATTEMPTS).unwrap().query_row([number], |row| row.get(0)).unwrap()
    }

    fn compact(folder: &Path) -> bool {
        let db = Self::open(folder).0.into_inner().unwrap();
        db.execute_batch("VACUUM").unwrap();
        db.close().is_ok()
    }
}
