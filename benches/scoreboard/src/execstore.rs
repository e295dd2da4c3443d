//! execstore, as a caller uses it: defaults, the public API, a transaction for each query.

use std::any::Any;
use std::path::Path;
use std::time::Duration;

use execstore::attachments::NewAttachment;
use execstore::error::WriteError;
use execstore::outputs::OutputFollower;
use execstore::query::Cursor;
use execstore::tasks::TaskUpdate;
use execstore::watch::WatchFrom;
use execstore::{
    Change, ChangeKind, Execution, Expect, Filter, Json, NewEvent, NewExecution, Query, Readable, Revision,
    Store, Timestamp, Update, Writer,
};

use crate::history::KEY;
use crate::latency::{self, Watched};
use crate::record::{self, Desired, Entry, Header, Record, State};
use crate::subject::{Queue, Subject};
use crate::workload::{Op, Replacement, Step};

pub struct Execstore {
    store: Store,
    /// Each operation writes a row of the caller's own too.
    rows: bool,
}

impl Execstore {
    fn of(store: Store) -> Self {
        Self { store, rows: false }
    }
}

/// The same, and with `rows` a row of an index of the caller's own.
fn apply_with(writer: &mut Writer<'_>, op: Op, rows: bool) -> Result<(), WriteError> {
    if rows {
        let id = match &op {
            Op::Create(record, _) => record.header.id.as_str(),
            Op::Update(step) => step.id.as_str(),
            Op::Replace(replacement) => replacement.id.as_str(),
        };
        writer.open_bucket("index")?.put(id, [7; 50])?;
    }
    apply(writer, op)
}

fn apply(writer: &mut Writer<'_>, op: Op) -> Result<(), WriteError> {
    match op {
        Op::Create(record, events) => {
            writer.create(new_execution(record).events(new_events(events))).map(drop)
        }
        Op::Update(step) => {
            let update = update(&step).expect(expect(&step));
            writer.update(step.id, update.events(new_events(step.events))).map(drop)
        }
        Op::Replace(Replacement { id, revision, payload }) => {
            writer.update(id, replace(revision, &payload)).map(drop)
        }
    }
}

fn expect(step: &Step) -> Expect {
    Expect::new().state(step.expect.name()).revision(Revision(step.revision))
}

fn update(step: &Step) -> Update {
    Update::to(step.to.name()).message(step.message)
}

fn replace(revision: u64, payload: &str) -> Update {
    let update = Update::new().payload(Json::from_text(payload).unwrap());
    update.expect(Expect::new().revision(Revision(revision)))
}

fn new_execution(record: Record) -> NewExecution {
    let Record { header, payload } = record;
    let mut new = NewExecution::new(header.job_id)
        .id(header.id)
        .namespace(header.namespace)
        .state(header.state.name())
        .desired(match header.desired {
            Desired::Pending => execstore::DesiredState::Pending,
            Desired::Running => execstore::DesiredState::Running,
            Desired::Stopped => execstore::DesiredState::Stopped,
        })
        .labels(header.labels)
        .payload(Json::from_text(&payload).unwrap());
    if let Some(name) = header.name {
        new = new.name(name);
    }
    if let Some(node_id) = header.node_id {
        new = new.node_id(node_id);
    }
    if let Some(message) = header.message {
        new = new.message(message);
    }
    if let Some(parent) = header.parent {
        new = new.parent(parent);
    }
    if let Some(previous) = header.previous {
        new = new.previous(previous);
    }
    new
}

fn new_events(events: Vec<record::Event>) -> Vec<NewEvent> {
    let new = events.into_iter().map(|event| {
        NewEvent::new(event.topic)
            .message(event.message)
            .at(Timestamp::from_nanos(event.time))
            .details(Json::from_text(&event.details).unwrap())
    });
    new.collect()
}

impl Watched for Execstore {
    fn watch(&self) -> impl FnMut(Duration) -> Vec<String> + Send {
        let created = Filter::new().kind(ChangeKind::Created);
        let mut watcher = self.store.watch(WatchFrom::Latest, created).unwrap();
        move |timeout| {
            let changes = watcher.next_batch(1_000, timeout).unwrap();
            changes.iter().map(|change| change.execution_id().unwrap().to_string()).collect()
        }
    }

    fn follower(&self, id: &str, name: &str) -> OutputFollower {
        self.store.follow_output(id, name, 0).unwrap()
    }
}

impl Subject for Execstore {
    const NAME: &'static str = "execstore";
    type Row = Execution;
    type Event = execstore::Event;
    type Entry = Change;
    type Cursor = Cursor;

    fn delivery(&self, samples: u64, loaded: bool) -> Option<Vec<f64>> {
        Some(latency::delivery(self, samples, loaded))
    }

    fn open(folder: &Path) -> Self {
        let mut builder = Store::builder();
        // To compare sizes of the journal's region, in KiB.
        if let Some(size) =
            std::env::var("SCOREBOARD_JOURNAL_KIB").ok().and_then(|text| text.parse::<u64>().ok())
        {
            builder.set_journal_size(size * 1024);
        }
        Self::of(builder.open_or_create(folder.join("store.redb")).unwrap())
    }

    fn open_with_rows(folder: &Path) -> Option<Self> {
        Some(Self { rows: true, ..Self::open(folder) })
    }

    fn queue(folder: &Path) -> Option<Box<dyn Queue>> {
        Some(Box::new(Self::open(folder).store))
    }

    fn write(&self, ops: Vec<Op>) {
        let rows = self.rows;
        let write = |w: &mut Writer<'_>| Ok(ops.into_iter().try_for_each(|op| apply_with(w, op, rows))?);
        self.store.write(write).unwrap();
    }

    fn share(&self, op: Op) {
        if self.rows {
            return self.store.batch(move |w| Ok(apply_with(w, op, true)?)).unwrap();
        }
        let done = match op {
            Op::Create(record, events) => {
                self.store.create(new_execution(record).events(new_events(events))).map(drop)
            }
            Op::Update(step) => {
                let update = update(&step).expect(expect(&step));
                self.store.update(step.id, update.events(new_events(step.events))).map(drop)
            }
            Op::Replace(Replacement { id, revision, payload }) => {
                self.store.update(id, replace(revision, &payload)).map(drop)
            }
        };
        done.unwrap();
    }

    fn get(&self, id: &str) -> Option<Execution> {
        self.store.begin_read().unwrap().get(id).unwrap()
    }

    fn by_job(&self, job: &str, mut each: impl FnMut(Execution)) {
        let reader = self.store.begin_read().unwrap();
        reader.by_job(job).unwrap().for_each(|row| each(row.unwrap()));
    }

    fn live(&self, mut each: impl FnMut(Execution)) {
        let reader = self.store.begin_read().unwrap();
        reader.live().unwrap().for_each(|row| each(row.unwrap()));
    }

    fn count(&self, state: State) -> u64 {
        self.store.begin_read().unwrap().count(state.name()).unwrap()
    }

    fn page(&self, after: Option<&Cursor>, limit: usize) -> (Vec<Execution>, Option<Cursor>) {
        let mut request = Query::new().limit(limit);
        if let Some(cursor) = after {
            request = request.after(cursor.clone());
        }
        let page = self.store.begin_read().unwrap().query(&request).page().unwrap();
        assert!(page.damaged.is_empty());
        (page.executions, page.next)
    }

    fn events(&self, id: &str, mut each: impl FnMut(execstore::Event)) {
        let reader = self.store.begin_read().unwrap();
        reader.events(id, ..).unwrap().for_each(|event| each(event.unwrap()));
    }

    fn log(&self, mut each: impl FnMut(Change)) {
        let reader = self.store.begin_read().unwrap();
        reader.log().range(..).unwrap().for_each(|change| each(change.unwrap()));
    }

    const QUERIES: bool = true;

    fn labelled_page(&self, value: &str, state: State, limit: usize) -> Vec<Execution> {
        let query = Query::new().label(KEY, value).state(state.name()).limit(limit);
        let page = self.store.begin_read().unwrap().query(&query).page().unwrap();
        assert!(page.damaged.is_empty());
        page.executions
    }

    fn latest(&self, value: &str) -> Option<Execution> {
        self.store.begin_read().unwrap().query(&Query::new().label(KEY, value)).latest().unwrap()
    }

    fn count_labelled(&self, value: &str, state: State) -> u64 {
        let query = Query::new().label(KEY, value).state(state.name());
        self.store.begin_read().unwrap().query(&query).count().unwrap()
    }

    fn trace(&self, id: &str) -> u64 {
        let reader = self.store.begin_read().unwrap();
        let mut steps = 0;
        for header in reader.lineage(id).trace() {
            drop(std::hint::black_box(header.unwrap()));
            steps += 1;
        }
        steps
    }

    fn delete_labelled(&self, value: &str) {
        self.store.bulk(Query::new().label(KEY, value)).delete().unwrap();
    }

    const DELETES: bool = true;

    fn delete(&self, ids: Vec<String>) {
        let delete = |w: &mut Writer<'_>| Ok(ids.iter().try_for_each(|id| w.delete(id).map(drop))?);
        self.store.write(delete).unwrap();
    }

    fn forget_log(&self) {
        let head = self.store.begin_read().unwrap().log().head().unwrap();
        self.store.write(|w| Ok(w.trim_changes(head)?)).unwrap();
        assert_eq!(self.store.maintain().unwrap().waiting, 0);
    }

    const SIDE_DATA: bool = true;

    fn put_value(&self, id: &str, key: &str, value: &[u8]) {
        self.store.write(|w| Ok(w.put_attachment(id, NewAttachment::bytes(key, value))?)).unwrap();
    }

    fn value(&self, id: &str, key: &str) -> Vec<u8> {
        self.store.begin_read().unwrap().attachments(id).bytes(key).unwrap().unwrap()
    }

    fn share_value(&self, id: &str, key: &str, value: &[u8]) {
        self.store.put_attachment(id, NewAttachment::bytes(key, value)).unwrap();
    }

    fn append(&self, id: &str, name: &str, bytes: &[u8]) {
        self.store.append_output(id, name, bytes).unwrap();
    }

    fn output(&self, id: &str, name: &str) -> Vec<u8> {
        let reader = self.store.begin_read().unwrap();
        reader.outputs(id).read(name, 0, usize::MAX).unwrap().unwrap().bytes
    }

    fn start_nodes(&self, id: &str, names: &[String]) {
        let start = |w: &mut Writer<'_>| {
            Ok(names
                .iter()
                .try_for_each(|name| w.put_task(id, TaskUpdate::started(name.as_str())).map(drop))?)
        };
        self.store.write(start).unwrap();
    }

    fn end_node(&self, id: &str, name: &str, attempt: u64, value: &str) {
        let end = TaskUpdate::finished(name).attempt(attempt).value(Json::from_text(value).unwrap());
        let told = self.store.write(|w| Ok(w.put_task(id, end)?)).unwrap();
        assert!(told.is_applied(), "{:?}", told.why_ignored());
    }

    fn ended_nodes(&self, id: &str) -> u64 {
        self.store.begin_read().unwrap().tasks(id).progress().unwrap().finished
    }

    fn node_attempts(&self, id: &str) -> u64 {
        let reader = self.store.begin_read().unwrap();
        reader.tasks(id).list().unwrap().map(|node| node.unwrap().attempts).sum()
    }

    fn open_tamper_evident(folder: &Path) -> Option<Self> {
        let mut builder = Store::builder();
        Some(Self::of(builder.set_tamper_evident(true).open_or_create(folder.join("store.redb")).unwrap()))
    }

    fn open_plain(folder: &Path) -> Option<Self> {
        let mut builder = Store::builder();
        Some(Self::of(builder.set_journal(false).open_or_create(folder.join("store.redb")).unwrap()))
    }

    fn follow(&self, samples: u64) -> Option<Vec<f64>> {
        Some(latency::follow(self, samples))
    }

    fn begin_write(&self) -> Option<impl Sized> {
        Some(self.store.begin_write().unwrap())
    }

    fn follow_log(&self, consumers: u64) -> Option<Box<dyn Any>> {
        let consumer = |n| self.store.consumer(format!("consumer {n}")).run(|_| Ok(())).unwrap();
        Some(Box::new((0..consumers).map(consumer).collect::<Vec<_>>()))
    }

    fn verify(&self) -> bool {
        let report = self.store.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        true
    }

    fn compact(folder: &Path) -> bool {
        Store::builder().compact(folder.join("store.redb")).unwrap();
        true
    }
}

impl From<Execution> for Record {
    fn from(row: Execution) -> Self {
        Self { payload: row.payload_json().as_str().to_owned(), header: header(row.header()) }
    }
}

impl From<execstore::Event> for record::Event {
    fn from(event: execstore::Event) -> Self {
        Self {
            seq: event.seq.get(),
            topic: event.topic,
            message: event.message,
            time: event.time.as_nanos(),
            details: event.details.as_str().to_owned(),
        }
    }
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        let events = change.events();
        Self {
            seq: change.seq().get(),
            time: change.time().as_nanos(),
            before: change.state_before().map(|state| State::of(state.as_str())),
            first_event: events.as_ref().map_or(0, |events| events.start().get()),
            last_event: events.as_ref().map_or(0, |events| events.end().get()),
            header: header(change.after().unwrap()),
        }
    }
}

fn header(header: &execstore::Header) -> Header {
    Header {
        id: (&header.id).into(),
        job_id: (&header.job_id).into(),
        namespace: header.namespace.clone(),
        name: header.name.clone(),
        node_id: header.node_id.clone(),
        desired: match header.desired {
            execstore::DesiredState::Pending => Desired::Pending,
            execstore::DesiredState::Running => Desired::Running,
            execstore::DesiredState::Stopped => Desired::Stopped,
        },
        state: State::of(header.state.as_str()),
        message: header.message.clone(),
        revision: header.revision.get(),
        event_count: header.event_count,
        created_at: header.created_at.as_nanos(),
        modified_at: header.modified_at.as_nanos(),
        completed_at: header.completed_at.map(Timestamp::as_nanos),
        parent: header.parent.as_ref().map(Into::into),
        previous: header.previous.as_ref().map(Into::into),
        labels: header.labels.clone(),
    }
}
