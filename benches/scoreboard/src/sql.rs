//! The tables and statements of SQLite, and its rows as records.

use std::path::Path;

use execstore::Text;
use rusqlite::{Connection, Row};

use crate::record::{Desired, Entry, Event, Header, Record, State};
use crate::subject::CACHE;

/// Each commit waits for the disk.
pub fn connect(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.pragma_update(None, "cache_size", -i64::try_from(CACHE / 1024).unwrap()).unwrap();
    db
}

/// The log keeps the header in columns, as the executions do. Measured against the header as JSON text that
/// serde parses: read as fast or a little faster, and S is a quarter smaller.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS executions (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job_id TEXT NOT NULL, namespace TEXT NOT NULL,
        name TEXT, node_id TEXT, desired INTEGER NOT NULL, state INTEGER NOT NULL, message TEXT,
        revision INTEGER NOT NULL, event_count INTEGER NOT NULL, created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL, completed_at INTEGER, parent TEXT, previous TEXT, labels TEXT,
        payload TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS jobs ON executions (job_id);
    CREATE INDEX IF NOT EXISTS states ON executions (state);
    CREATE TABLE IF NOT EXISTS events (
        execution INTEGER NOT NULL, seq INTEGER NOT NULL, topic TEXT NOT NULL, message TEXT NOT NULL,
        time INTEGER NOT NULL, details TEXT NOT NULL, PRIMARY KEY (execution, seq)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS counts (state INTEGER PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS changes (
        seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, before INTEGER, first_event INTEGER NOT NULL,
        last_event INTEGER NOT NULL, id TEXT NOT NULL, job_id TEXT NOT NULL, namespace TEXT NOT NULL,
        name TEXT, node_id TEXT, desired INTEGER NOT NULL, state INTEGER NOT NULL, message TEXT,
        revision INTEGER NOT NULL, event_count INTEGER NOT NULL, created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL, completed_at INTEGER, parent TEXT, previous TEXT, labels TEXT);
    CREATE TABLE IF NOT EXISTS labels (
        key TEXT NOT NULL, value TEXT NOT NULL, in_state INTEGER NOT NULL, execution INTEGER NOT NULL,
        PRIMARY KEY (key, value, in_state, execution)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS newest ON labels (key, value, execution);
    CREATE INDEX IF NOT EXISTS parents ON executions (parent) WHERE parent IS NOT NULL;
    CREATE TABLE IF NOT EXISTS attachments (
        rowid INTEGER PRIMARY KEY, execution INTEGER NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL,
        size INTEGER NOT NULL, time INTEGER NOT NULL, value BLOB NOT NULL, UNIQUE (execution, key));
    CREATE TABLE IF NOT EXISTS outputs (
        execution INTEGER NOT NULL, name TEXT NOT NULL, length INTEGER NOT NULL, time INTEGER NOT NULL,
        PRIMARY KEY (execution, name)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS chunks (
        rowid INTEGER PRIMARY KEY, execution INTEGER NOT NULL, name TEXT NOT NULL, start INTEGER NOT NULL,
        bytes BLOB NOT NULL, UNIQUE (execution, name, start));
    CREATE TABLE IF NOT EXISTS nodes (
        execution INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, state INTEGER NOT NULL,
        attempts INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER, value TEXT, error TEXT,
        PRIMARY KEY (execution, place)) WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS task_names ON nodes (execution, name);
    CREATE TABLE IF NOT EXISTS progress (
        execution INTEGER PRIMARY KEY, running INTEGER NOT NULL, finished INTEGER NOT NULL,
        failed INTEGER NOT NULL, skipped INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, seq INTEGER NOT NULL);
    INSERT OR IGNORE INTO counts VALUES
        (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0);";

macro_rules! header {
    () => {
        "id, job_id, namespace, name, node_id, desired, state, message, revision, event_count, created_at,
         modified_at, completed_at, parent, previous, labels"
    };
}
macro_rules! executions {
    ($($rest:literal),*) => {
        concat!("SELECT ", header!(), ", payload, number FROM executions ", $($rest),*)
    };
}

pub const CREATE: &str = concat!(
    "INSERT INTO executions (",
    header!(),
    ", payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
pub const UPDATE: &str = "UPDATE executions SET state = ?, message = ?, revision = ?, event_count = ?,
    modified_at = ?, completed_at = ? WHERE number = ?";
pub const REPLACE: &str = "UPDATE executions SET payload = ?, revision = ?, modified_at = ? WHERE number = ?";
pub const EVENT: &str = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)";
pub const ENTER: &str = "UPDATE counts SET n = n + 1 WHERE state = ?";
pub const LEAVE: &str = "UPDATE counts SET n = n - 1 WHERE state = ?";
pub const LOG: &str = concat!(
    "INSERT INTO changes (time, before, first_event, last_event, ",
    header!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);
pub const GET: &str = executions!("WHERE id = ?");
pub const BY_JOB: &str = executions!("WHERE job_id = ? ORDER BY number");
// The subquery sorts the numbers instead of whole rows.
pub const LIVE: &str =
    executions!("WHERE number IN (SELECT number FROM executions WHERE state IN (4, 5, 6)) ORDER BY number");
pub const PAGE: &str = executions!("WHERE number < ? ORDER BY number DESC LIMIT ?");
pub const PAGE_AT: &str = executions!("ORDER BY number DESC LIMIT ? OFFSET ?");
pub const LABEL: &str = "INSERT INTO labels VALUES (?, ?, ?, ?)";
pub const RELABEL: &str =
    "UPDATE labels SET in_state = ? WHERE key = ? AND value = ? AND in_state = ? AND execution = ?";
pub const LABELLED: &str = concat!(
    "SELECT ",
    header!(),
    ", payload, number FROM labels JOIN executions ON number = execution
     WHERE key = ? AND value = ? AND in_state = ? ORDER BY execution DESC LIMIT ?"
);
pub const LATEST: &str = executions!(
    "WHERE number = (SELECT execution FROM labels WHERE key = ? AND value = ? ORDER BY execution DESC LIMIT 1)"
);
pub const COUNT_LABELLED: &str = "SELECT COUNT(*) FROM labels WHERE key = ? AND value = ? AND in_state = ?";
pub const TRACE: &str = concat!(
    "WITH RECURSIVE up AS (SELECT ",
    header!(),
    " FROM executions WHERE id = ? UNION ALL SELECT e.id, e.job_id, e.namespace, e.name, e.node_id,
        e.desired, e.state, e.message, e.revision, e.event_count, e.created_at, e.modified_at, e.completed_at,
        e.parent, e.previous, e.labels FROM up JOIN executions e ON e.id = up.parent)
     SELECT * FROM up"
);
/// The executions that go in one transaction, then what is done to them.
pub const DOOMED: &str = "INSERT INTO temp.doomed
    SELECT execution FROM labels WHERE key = ? AND value = ? ORDER BY execution LIMIT 500";
pub const DOOM: &str = "INSERT INTO temp.doomed SELECT number FROM executions WHERE id = ?";
pub const DELETE: [&str; 6] = [
    concat!(
        "INSERT INTO changes (time, before, first_event, last_event, ",
        header!(),
        ") SELECT ",
        "unixepoch('subsec') * 1000000000, state, 0, 0, ",
        header!(),
        " FROM temp.doomed JOIN executions USING (number)"
    ),
    "UPDATE counts SET n = n - (SELECT COUNT(*) FROM temp.doomed JOIN executions USING (number)
        WHERE executions.state = counts.state)",
    "DELETE FROM events WHERE execution IN temp.doomed",
    "DELETE FROM labels WHERE (key, value, in_state, execution) IN
        (SELECT l.key, l.value, e.state, e.number FROM temp.doomed JOIN executions e USING (number), labels l
         WHERE l.key = ?1 AND l.value = ?2 AND l.in_state = e.state AND l.execution = e.number)",
    "DELETE FROM executions WHERE number IN temp.doomed",
    "DELETE FROM temp.doomed",
];
pub const EVENTS: &str = "SELECT seq, topic, message, time, details FROM events
    WHERE execution = (SELECT number FROM executions WHERE id = ?) ORDER BY seq";
pub const CHANGES: &str =
    concat!("SELECT ", header!(), ", seq, time, before, first_event, last_event FROM changes ORDER BY seq");

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Text> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Text>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Text::from))
}

fn state(code: usize) -> State {
    State::ALL[code]
}

pub fn header(row: &Row<'_>) -> rusqlite::Result<Header> {
    let labels: Option<String> = row.get(15)?;
    Ok(Header {
        id: text(row, 0)?,
        job_id: text(row, 1)?,
        namespace: text(row, 2)?,
        name: optional(row, 3)?,
        node_id: optional(row, 4)?,
        desired: [Desired::Pending, Desired::Running, Desired::Stopped][row.get::<_, usize>(5)?],
        state: state(row.get(6)?),
        message: optional(row, 7)?,
        revision: row.get(8)?,
        event_count: row.get(9)?,
        created_at: row.get(10)?,
        modified_at: row.get(11)?,
        completed_at: row.get(12)?,
        parent: optional(row, 13)?,
        previous: optional(row, 14)?,
        labels: labels.map_or_else(Default::default, |json| serde_json::from_str(&json).unwrap()),
    })
}

pub fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record { header: header(row)?, payload: row.get(16)? })
}

pub fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: row.get(0)?,
        topic: text(row, 1)?,
        message: text(row, 2)?,
        time: row.get(3)?,
        details: row.get(4)?,
    })
}

pub fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        header: header(row)?,
        seq: row.get(16)?,
        time: row.get(17)?,
        before: row.get::<_, Option<usize>>(18)?.map(state),
        first_event: row.get(19)?,
        last_event: row.get(20)?,
    })
}

pub const NUMBER: &str = "SELECT number FROM executions WHERE id = ?";
pub const PUT: &str =
    "INSERT INTO attachments (execution, key, type, size, time, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT DO UPDATE SET type = ?3, size = ?4, time = ?5, value = ?6";
pub const VALUE: &str = "SELECT value FROM attachments WHERE execution = ? AND key = ?";
pub const LENGTH: &str = "SELECT length FROM outputs WHERE execution = ? AND name = ?";
pub const GROW: &str = "INSERT INTO outputs VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET length = ?3, time = ?4";
pub const CHUNK: &str = "INSERT INTO chunks (execution, name, start, bytes) VALUES (?, ?, ?, ?)";
pub const OUTPUT: &str = "SELECT bytes FROM chunks WHERE execution = ? AND name = ? ORDER BY start";
pub const START_NODE: &str = "INSERT INTO nodes VALUES (?, ?, ?, 0, 1, ?, NULL, NULL, NULL)";
pub const START_PROGRESS: &str = "INSERT INTO progress VALUES (?, ?, 0, 0, 0)";
pub const NODE: &str = "SELECT state FROM nodes WHERE execution = ? AND name = ?";
pub const END_NODE: &str =
    "UPDATE nodes SET state = 1, attempts = ?, ended = ?, value = ? WHERE execution = ? AND name = ?";
pub const ATTEMPTS: &str = "SELECT sum(attempts) FROM nodes WHERE execution = ?";
pub const PROGRESS: &str =
    "UPDATE progress SET running = running - ?2, finished = finished + ?2 WHERE execution = ?1";
pub const FINISHED: &str = "SELECT finished FROM progress WHERE execution = ?";
