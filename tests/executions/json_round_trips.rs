//! Random values of every kind, those that a store gives and those that it is given, come back from their JSON as they were.
//!
//! `EXECSTORE_SEED` repeats a run, which prints its seed.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use execstore::attachments::{AttachmentIs, NewAttachment};
use execstore::consumer::{OnFailure, Retry};
use execstore::identity::Identity;
use execstore::integrity::LogProof;
use execstore::lifecycle::{Lifecycle, Phase};
use execstore::options::{GroupCommitOptions, LargeValues, LogRetention};
use execstore::outputs::OutputCap;
use execstore::query::Access;
use execstore::sampling::Sampling;
use execstore::tasks::{TaskIs, TaskState, TaskUpdate};
use execstore::watch::WatchFrom;
use execstore::{
    ChangeKind, ChangeSeq, DesiredState, Execution, Expect, Filter, Incarnation, Json, NewEvent,
    NewExecution, OrderBy, Page, Query, Readable, Revision, Store, Timestamp, Update,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use support::dice::Dice;

/// The value that comes back from its JSON, whose JSON is the same.
fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).unwrap();
    let back: T = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
    // By way of a reader, which lends no text.
    let read: T = serde_json::from_reader(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    back
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(back(value), *value);
}

fn seed() -> u64 {
    let now = || Timestamp::now().as_nanos().cast_unsigned();
    let seed = std::env::var("EXECSTORE_SEED").map_or_else(|_| now(), |text| text.parse().unwrap());
    println!("EXECSTORE_SEED={seed}");
    seed
}

fn one<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.roll(of.len() as u64) as usize].clone()
}

fn some<T: Clone>(dice: &mut Dice, of: &[T]) -> Vec<T> {
    of.iter().filter(|_| dice.roll(2) == 0).cloned().collect()
}

fn number(dice: &mut Dice) -> u64 {
    one(dice, &[0, 1, 7, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX])
}

fn time(dice: &mut Dice) -> Timestamp {
    let any = dice.next().cast_signed();
    Timestamp::from_nanos(one(dice, &[0, -1, 1_767_323_045_000_000_006, i64::MAX, i64::MIN, any]))
}

fn text(dice: &mut Dice) -> &'static str {
    one(
        dice,
        &["a", "e-1", "é\u{1f600}", "two words", "\"quoted\\\"", "null", "1", "line\nbreak\u{1}", "$x", "0"],
    )
}

/// One that an id can be.
fn id(dice: &mut Dice) -> &'static str {
    one(dice, &["a", "e-1", "é\u{1f600}", "two words", "\"quoted\\\"", "null", "1", "0", "sha256:x"])
}

fn document(dice: &mut Dice) -> Json {
    let texts =
        ["{}", "{\"b\": 1.50,  \"a\":[1,\t2]}", "null", "1e400", "\"\\ud800\"", "[\n1700000000123456789012]"];
    Json::from_text(one(dice, &texts)).unwrap()
}

fn details(dice: &mut Dice) -> Json {
    Json::from_text(one(dice, &["{}", "{ \"n\" : 1.0e2, \"s\":\"\\u0041\" }"])).unwrap()
}

fn state(dice: &mut Dice) -> &'static str {
    one(dice, &["New", "Running", "Completed", "Unheard"])
}

const DESIRED: [DesiredState; 3] = [DesiredState::Pending, DesiredState::Running, DesiredState::Stopped];

fn event(dice: &mut Dice) -> NewEvent {
    let mut event = NewEvent::new(text(dice));
    if dice.roll(2) == 0 {
        event = event.message(text(dice)).at(time(dice));
    }
    if dice.roll(2) == 0 {
        event = event.details(details(dice));
    }
    event
}

fn new_execution(dice: &mut Dice) -> NewExecution {
    let mut new = match dice.roll(4) {
        0 => {
            let identity = Identity::new(id(dice), text(dice)).label("a", text(dice));
            NewExecution::identified(&identity.inputs(Json::from_text("{\"n\": 1}").unwrap())).unwrap()
        }
        1 => NewExecution::new(id(dice)),
        _ => NewExecution::new(id(dice)).id(id(dice)),
    };
    for _ in 0..dice.roll(6) {
        new = match dice.roll(12) {
            0 => new.namespace(text(dice)),
            1 => new.name(text(dice)),
            2 => new.node_id(text(dice)),
            3 => new.state(state(dice)),
            4 => new.message(text(dice)),
            5 => new.desired(one(dice, &DESIRED)),
            6 => new.parent(id(dice)).previous(id(dice)),
            7 => new.label(text(dice), text(dice)),
            8 => new.preview("x".repeat(300)),
            9 => new.attempt(number(dice)),
            10 => new.payload(document(dice)),
            _ => new.event(event(dice)),
        };
    }
    new
}

fn expect(dice: &mut Dice) -> Expect {
    let mut expect = Expect::new();
    let revision = Revision(number(dice));
    for _ in 0..dice.roll(6) {
        expect = match dice.roll(11) {
            0 => expect.states(some(dice, &["New", "Running"])),
            1 => expect.not_state(state(dice)),
            2 => expect.revision(revision),
            3 => expect.incarnation(Incarnation(number(dice))),
            4 => expect.event_count(number(dice)),
            5 => expect.attempt(number(dice)),
            6 => expect.label(text(dice), text(dice)),
            7 => expect.no_label(text(dice)),
            8 => {
                let size = number(dice);
                let all = [
                    AttachmentIs::Absent,
                    AttachmentIs::Present,
                    AttachmentIs::Size(size),
                    AttachmentIs::Version(size),
                    AttachmentIs::Sha256([7; 32]),
                ];
                expect.attachment(text(dice), one(dice, &all))
            }
            9 => expect.output_length(text(dice), number(dice)),
            _ => {
                let attempt = TaskIs::Attempt(number(dice));
                let all = [TaskIs::Absent, TaskIs::Present, TaskIs::In(TaskState::Skipped), attempt];
                expect.task(text(dice), one(dice, &all))
            }
        };
    }
    expect
}

fn update(dice: &mut Dice) -> Update {
    let mut update = Update::new();
    for _ in 0..dice.roll(8) {
        update = match dice.roll(18) {
            0 => update.state(state(dice)),
            1 => update.message(text(dice)),
            2 => update.clear_message(),
            3 => update.desired(one(dice, &DESIRED)),
            4 => update.name(text(dice)).clear_preview(),
            5 => update.clear_name().preview(text(dice)),
            6 => update.node_id(text(dice)),
            7 => update.clear_node_id(),
            8 => update.parent(id(dice)).clear_previous(),
            9 => update.previous(id(dice)).clear_parent(),
            10 => update.label(text(dice), text(dice)),
            11 => update.remove_label(text(dice)),
            12 => update.clear_labels(),
            13 => update.payload(document(dice)),
            14 => update.merge_payload(document(dice)),
            15 => update.attempt(number(dice)),
            16 => update.reported_at(time(dice)).event(event(dice)),
            _ => update,
        };
    }
    if dice.roll(2) == 0 { update.expect(expect(dice)) } else { update }
}

fn query(dice: &mut Dice) -> Query {
    let mut query = Query::new();
    let (job, whole) = (id(dice), dice.roll(2) == 0);
    for _ in 0..dice.roll(9) {
        query = match dice.roll(20) {
            0 => query.state(state(dice)),
            1 => query.states(some(dice, &["New", "Running"])),
            2 => query.phases(some(dice, &[Phase::Pending, Phase::Live, Phase::Terminal])),
            3 => query.job(job),
            4 => query.namespace(job),
            5 => query.label(one(dice, &["a", "b"]), job),
            6 => query.label_in(one(dice, &["c", "d"]), some(dice, &["x"])),
            7 => query.has_label(text(dice)),
            8 => query.node_id(text(dice)),
            9 => query.name(text(dice)),
            10 => query.desired(one(dice, &DESIRED)),
            11 => query.id_contains(text(dice)).label_contains(text(dice), text(dice)),
            12 => query.job_contains(text(dice)),
            13 => query.parent(job).previous(job),
            14 => query.created(time(dice)..).modified(..time(dice)),
            15 => query.completed(time(dice)..=time(dice)),
            16 => {
                if whole {
                    query.id(job)
                } else {
                    query.id_prefix(job)
                }
            }
            17 => query.order_by(one(dice, &[OrderBy::Created, OrderBy::Modified, OrderBy::Completed])),
            18 => query.oldest_first().limit(1 + dice.roll(9) as usize),
            _ => query.using(one(dice, &[Access::Scan, Access::Job, Access::Completed])),
        };
    }
    query
}

fn filter(dice: &mut Dice) -> Filter {
    let mut filter = Filter::new();
    let kinds = [
        ChangeKind::Created,
        ChangeKind::Updated,
        ChangeKind::EventsAppended,
        ChangeKind::Deleted,
        ChangeKind::RowPut,
        ChangeKind::RowDeleted,
        ChangeKind::BucketDeleted,
    ];
    for _ in 0..dice.roll(7) {
        filter = match dice.roll(9) {
            0 => filter.kinds(some(dice, &kinds)),
            1 => filter.jobs(some(dice, &["b", "a", "c"])),
            2 => filter.executions(some(dice, &["b", "a", "c"])),
            3 => filter.namespaces(some(dice, &["b", "a", "c"])),
            4 => filter.entered_any(some(dice, &["Running", "Failed"])),
            5 => filter.label(text(dice), text(dice)),
            6 => filter.matching(query(dice)),
            7 => filter.bucket_at(some(dice, &["b", "a", "c"])),
            _ => filter.including_left(),
        };
    }
    filter
}

fn task(dice: &mut Dice) -> TaskUpdate {
    let name = one(dice, &["load", "sum", "é"]);
    let mut task = match dice.roll(4) {
        0 => TaskUpdate::started(name),
        1 => TaskUpdate::finished(name),
        2 => TaskUpdate::failed(name, text(dice)),
        _ => TaskUpdate::skipped(name),
    };
    if dice.roll(2) == 0 {
        task = task.value(document(dice));
    }
    if dice.roll(3) == 0 {
        task = task.attempt(number(dice)).at(time(dice));
    }
    task
}

fn attachment(dice: &mut Dice) -> NewAttachment {
    let key = one(dice, &["a", "b/c", "é"]);
    match dice.roll(3) {
        0 => {
            let len = dice.roll(5) as usize;
            NewAttachment::bytes(key, vec![0xfb; len]).content_type(text(dice))
        }
        1 => NewAttachment::json(key, document(dice)),
        _ => NewAttachment::uri(key, "s3://x/\"y\"").size(number(dice)),
    }
}

fn duration(dice: &mut Dice) -> Duration {
    one(dice, &[Duration::ZERO, Duration::from_nanos((1 << 53) + 1), Duration::from_secs(1), Duration::MAX])
}

#[test]
fn what_a_store_is_given() {
    let seed = seed();
    for case in 0..1_000 {
        let dice = &mut Dice::new(seed ^ case);
        comes_back(&new_execution(dice));
        comes_back(&update(dice));
        comes_back(&expect(dice));
        comes_back(&query(dice));
        comes_back(&filter(dice));
        comes_back(&event(dice));
        comes_back(&task(dice));
        comes_back(&attachment(dice));
    }
}

#[test]
fn settings() {
    let dice = &mut Dice::new(seed());
    for _ in 0..200 {
        let (one_end, other) = (number(dice).max(1), number(dice).max(1));
        for cap in [
            OutputCap::All,
            OutputCap::Head(one_end),
            OutputCap::Tail(one_end),
            OutputCap::Both { head: one_end, tail: other },
        ] {
            comes_back(&cap);
        }
        comes_back(&LogRetention::new());
        comes_back(
            &LogRetention::new().max_age(duration(dice)).max_count(number(dice)).max_lag(number(dice)),
        );
        let group = GroupCommitOptions::new().max_queue(number(dice) as usize).max_delay(duration(dice));
        comes_back(&group.max_bytes(number(dice) as usize));
        comes_back(&Retry::new().initial(duration(dice)).ceiling(duration(dice)).attempts(9));
        comes_back(&Sampling::share(0.1).source("x", dice.roll(1_000) as f64 / 1_000.0));
        comes_back(&LargeValues::Truncate(number(dice) as usize));
        comes_back(&OnFailure::Stop);
        comes_back(&WatchFrom::At(ChangeSeq(number(dice))));
        comes_back(&WatchFrom::Checkpoint(text(dice).into()));
    }
    let lifecycle = Lifecycle::compute_node();
    let again = back(&lifecycle);
    // Phases and transitions, and the codes of the states, which decide what is allowed.
    assert_eq!((again.to_string(), &again), (lifecycle.to_string(), &lifecycle));
    let names: Vec<String> = lifecycle.states().map(|state| state.as_str().to_owned()).collect();
    for (from, to) in names.iter().flat_map(|from| names.iter().map(move |to| (from, to))) {
        assert_eq!(again.allows(from, to), lifecycle.allows(from, to), "{from} to {to}");
    }
    let identity = Identity::new("j", "t").parent("p").inputs(Json::from_text("{\"n\": 1.0}").unwrap());
    assert_eq!(back(&identity).id().unwrap(), identity.id().unwrap());
}

/// A page of executions, of which those that are damaged are not compared here.
fn pages(store: &Store) {
    let reader = store.begin_read().unwrap();
    let page: Page<Execution> = reader.query(&Query::new().limit(3)).page().unwrap();
    let again = back(&page);
    assert_eq!((again.executions, again.next.clone()), (page.executions, page.next));
    if let Some(cursor) = again.next {
        let query = Query::new().limit(3).after(cursor);
        comes_back(&query);
        reader.query(&back(&query)).page().unwrap();
    }
}

/// Everything that can be read of a store.
fn read_all(store: &Store) {
    let r = store.begin_read().unwrap();
    for execution in r.query(&Query::new()).rows().unwrap() {
        let execution = execution.unwrap();
        let again = back(&execution);
        assert_eq!((again.state.phase(), &again), (execution.state.phase(), &execution));
        comes_back(execution.header());
        comes_back(&execution.state);
        let id = &execution.id;
        r.events(id, ..).unwrap().for_each(|event| comes_back(&event.unwrap()));
        r.attachments(id).list().unwrap().for_each(|attachment| comes_back(&attachment.unwrap()));
        for output in r.outputs(id).list().unwrap() {
            let output = output.unwrap();
            comes_back(&output);
            comes_back(&r.outputs(id).read(&output.name, 0, 1 << 20).unwrap());
        }
        r.tasks(id).list().unwrap().for_each(|task| comes_back(&task.unwrap()));
        comes_back(&r.tasks(id).progress().unwrap());
        comes_back(&r.visits(id).unwrap());
    }
    for change in r.log().range(..).unwrap() {
        let change = change.unwrap();
        comes_back(&change);
        let again = back(&change);
        assert_eq!((again.before(), again.after()), (change.before(), change.after()));
        assert_eq!((again.events(), again.payload_changed()), (change.events(), change.payload_changed()));
    }
    r.jobs().list().unwrap().for_each(|group| comes_back(&group.unwrap()));
    let all = Query::new();
    let all = r.query(&all);
    comes_back(&all.durations().unwrap());
    comes_back(&all.attachment_usage().unwrap());
    comes_back(&all.explain().unwrap());
    comes_back(&r.log().chain_head().unwrap());
    comes_back(&r.log().bookmark(ChangeSeq(1)).unwrap());
    r.table_sizes().unwrap().iter().for_each(comes_back);
    let mut log = Vec::new();
    r.log().export(.., &mut log).unwrap();
    if r.log().chain_head().unwrap().is_some() {
        comes_back(&LogProof::check(&*log).unwrap());
    }
    drop(r);
    pages(store);
    comes_back(&store.verify().unwrap());
    let status = store.status().unwrap();
    assert!(back(&status).health.is_sound());
    comes_back(&store.maintain().unwrap());
}

#[test]
fn what_a_store_gives() {
    let seed = seed();
    for case in 0..6 {
        let dice = &mut Dice::new(seed ^ case);
        // A clock that goes back now and then, so that times are in doubt.
        let clock = Arc::new(AtomicI64::new(1_790_000_000_000_000_000));
        let ticks = clock.clone();
        let store = Store::builder()
            .set_clock(move || Timestamp::from_nanos(ticks.fetch_add(1, Ordering::Relaxed)))
            .set_tamper_evident(case % 2 == 0)
            .in_memory()
            .unwrap();
        for _ in 0..150 {
            let id = one(dice, &["a", "b", "c", "d", "é"]);
            if dice.roll(9) == 0 {
                clock.fetch_sub(1_000_000, Ordering::Relaxed);
            }
            // Many of them are refused.
            match dice.roll(9) {
                0 | 1 => {
                    let outcome = store.create_or_get(new_execution(dice).id(id));
                    outcome.iter().for_each(comes_back);
                }
                2 => store.update(id, update(dice)).iter().for_each(comes_back),
                3 => store.append_events(id, [event(dice)]).iter().for_each(comes_back),
                4 => store.put_attachment(id, attachment(dice)).iter().for_each(comes_back),
                5 => {
                    let bytes = vec![7; dice.roll(9) as usize];
                    store.append_output(id, "out", bytes).iter().for_each(comes_back);
                    let cap = OutputCap::Both { head: 1 + dice.roll(9), tail: 1 + dice.roll(9) };
                    store.cap_output(id, "out", cap).iter().for_each(comes_back);
                }
                6 => store.put_task(id, task(dice)).iter().for_each(comes_back),
                7 => store.report(id, update(dice)).iter().for_each(comes_back),
                _ if dice.roll(3) == 0 => drop(store.delete(id)),
                _ => drop(store.update(id, Update::to(state(dice)))),
            }
        }
        let visits = store.track_visits();
        visits.visit("a");
        visits.flush().unwrap();
        store.set_checkpoint("mirror", ChangeSeq(1)).unwrap();
        read_all(&store);
        comes_back(&store.bulk(Query::new()).dry_run().delete().unwrap());
    }
}
