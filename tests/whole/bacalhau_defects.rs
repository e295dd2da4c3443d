//! The known defects of Bacalhau's execution store, each as a test of what is right.

use std::sync::mpsc::channel;
use std::time::Duration;

use execstore::error::{ReadError, WriteError};
use execstore::redb::{Database, ReadableTable, TableDefinition};
use execstore::{
    ChangeKind, ChangeSeq, DesiredState, Error, Execution, Expect, NewEvent, NewExecution, Query, Readable,
    Store, Update,
};
use support::contents::contents;
use support::{TestStore, big_payload, create, json};

fn running(store: &Store, id: &str) {
    store.write(|w| Ok(w.create(NewExecution::new("j").id(id).state("Running"))?)).unwrap();
}

// BeginTx, BeginTx-3
#[test]
fn begin_tx_writes_belong_to_the_transaction() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let txn = store.begin_write().unwrap();
    {
        let mut writer = txn.writer().unwrap();
        writer.create(NewExecution::new("j").id("f").event(NewEvent::new("t"))).unwrap();
        writer.update("e", Update::to("Failed")).unwrap();
    }
    drop(txn);
    assert_eq!(contents(&store), before, "rolled back with the transaction");
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").id("f")).unwrap();
    txn.commit().unwrap();
    assert!(store.read(|r| Ok(r.get("f")?)).unwrap().is_some());
}

// BeginTx-2
#[test]
fn begin_tx_readers_never_wait_and_writers_go_on_when_it_ends() {
    let store = TestStore::new();
    create(&store, "e");
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").id("held")).unwrap();
    let (tell, told) = channel();
    std::thread::scope(|scope| {
        let (other, reader) = (store.clone(), tell.clone());
        scope.spawn(move || {
            assert!(other.read(|r| Ok(r.get("e")?)).unwrap().is_some());
            reader.send("read").unwrap();
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok("read"));
        let writer = tell.clone();
        let other = store.clone();
        scope.spawn(move || {
            create(&other, "waited");
            writer.send("written").unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it waits for its turn");
        drop(txn);
        assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok("written"));
    });
    assert!(store.read(|r| Ok(r.get("held")?)).unwrap().is_none());
}

// CP-two
#[test]
fn cp_two_there_is_one_kind_of_checkpoint_and_it_is_within_the_transaction() {
    let store = TestStore::new();
    create(&store, "e");
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("f"))?;
            w.set_checkpoint("watcher", ChangeSeq(2))?;
            Ok(w.set_checkpoint("node", ChangeSeq(1))?)
        })
        .unwrap();
    let all = store.read(|r| Ok(r.log().checkpoints()?)).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all["watcher"], all["node"]), (ChangeSeq(2), ChangeSeq(1)));
}

// Delete-log
#[test]
fn delete_log_a_deletion_is_in_the_change_log() {
    let store = TestStore::new();
    running(&store, "e");
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    let reader = store.begin_read().unwrap();
    let last = reader.log().range(..).unwrap().next_back().unwrap().unwrap();
    assert_eq!((last.kind(), last.execution_id().unwrap().as_str()), (ChangeKind::Deleted, "e"));
    assert_eq!(last.before().unwrap().state, "Running");
}

// Delete-live
#[test]
fn delete_live_a_condition_protects_a_running_execution() {
    let store = TestStore::new();
    running(&store, "e");
    let ended = Expect::new().states(store.lifecycle().states().filter(|state| state.is_terminal()));
    let refused = store.write(|w| Ok(w.delete_if("e", &ended)?));
    assert!(matches!(refused, Err(Error::Write(WriteError::Conflict { .. }))));
    assert_eq!(store.read(|r| Ok(r.live().map(Iterator::count)?)).unwrap(), 1);
    store.write(|w| Ok(w.update("e", Update::to("Completed"))?)).unwrap();
    store.write(|w| Ok(w.delete_if("e", &ended)?)).unwrap();
}

// Log-type
#[test]
fn log_type_an_entry_is_the_same_fresh_and_after_a_restart() {
    let mut store = TestStore::new();
    running(&store, "e");
    store.write(|w| Ok(w.append_events("e", [NewEvent::new("t").message("m")])?)).unwrap();
    let fresh: Vec<_> = store.begin_read().unwrap().log().range(..).unwrap().map(Result::unwrap).collect();
    let copy = store.crash_copy();
    store.reopen();
    for store in [&store, &copy] {
        let read: Vec<_> = store.begin_read().unwrap().log().range(..).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, fresh);
    }
}

// Log-noid
#[test]
fn log_noid_an_entry_of_events_names_its_execution_and_the_events() {
    let store = TestStore::new();
    running(&store, "e");
    store.write(|w| Ok(w.append_events("e", [NewEvent::new("t"), NewEvent::new("u")])?)).unwrap();
    let reader = store.begin_read().unwrap();
    let last = reader.log().range(..).unwrap().next_back().unwrap().unwrap();
    assert_eq!((last.kind(), last.execution_id().unwrap().as_str()), (ChangeKind::EventsAppended, "e"));
    let events = reader.events(last.execution_id().unwrap(), last.events().unwrap()).unwrap();
    let topics: Vec<_> = events.map(|event| event.unwrap().topic).collect();
    assert_eq!(topics, ["t", "u"]);
}

// Log-alias
#[test]
fn log_alias_an_entry_does_not_change_with_what_comes_later() {
    let store = TestStore::new();
    let mut new = NewExecution::new("j").id("e").label("a", "1").payload(json("1"));
    store.write(|w| Ok(w.create(new.clone())?)).unwrap();
    let first = |store: &Store| {
        let reader = store.begin_read().unwrap();
        let change = reader.log().range(..).unwrap().next().unwrap().unwrap();
        let payload = reader.log().payload_after(&change).unwrap();
        (change, payload)
    };
    let before = first(&store);
    new = new.label("a", "2").payload(json("2"));
    assert!(store.write(|w| Ok(w.create(new)?)).is_err());
    let edit = Update::to("Failed").clear_labels().payload(json("3"));
    store.write(|w| Ok(w.update("e", edit)?)).unwrap();
    assert_eq!(first(&store), before);
    assert_eq!(before.0.after().unwrap().labels.get("a").unwrap(), "1");
}

// Merge-stale
#[test]
fn merge_stale_a_new_state_can_drop_the_message_of_the_old_one() {
    let store = TestStore::new();
    let new = NewExecution::new("j").id("e").state("Running").message("pulling image");
    store.write(|w| Ok(w.create(new.payload(json(r#"{"details":{"step":3},"spec":1}"#)))?)).unwrap();
    let edit = Update::to("Completed").clear_message().merge_payload(json(r#"{"details":null}"#));
    store.write(|w| Ok(w.update("e", edit)?)).unwrap();
    let after = store.get("e").unwrap().unwrap();
    assert_eq!((after.message.as_ref(), after.payload_json().as_str()), (None, r#"{"spec":1}"#));
}

// Merge-zero
#[test]
fn merge_zero_every_value_can_be_set_back() {
    let store = TestStore::new();
    let payload = json(r#"{"exit":7,"cached":true,"text":"x","list":[1]}"#);
    let new = NewExecution::new("j").id("e").message("m").desired(DesiredState::Running).payload(payload);
    store.write(|w| Ok(w.create(new.label("k", "v"))?)).unwrap();
    let zero = r#"{"exit":0,"cached":false,"text":"","list":[]}"#;
    let edit =
        Update::new().message("").desired(DesiredState::Pending).label("k", "").merge_payload(json(zero));
    let after = store.write(|w| Ok(w.update("e", edit)?)).unwrap();
    assert_eq!((after.message.as_deref(), after.desired), (Some(""), DesiredState::Pending));
    let now = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    assert_eq!((after.labels["k"].as_str(), now.payload_json().as_str()), ("", zero));
    assert_eq!(*now.header(), after);
}

// Merge-mutate
#[test]
fn merge_mutate_the_callers_update_stays_as_it_was() {
    let store = TestStore::new();
    let new = |id: &str| NewExecution::new("j").id(id).payload(json(r#"{"own":1}"#));
    store.write(|w| Ok(w.create(new("e")).and(w.create(new("f").label("x", "y")))?)).unwrap();
    let edit = Update::to("BidAccepted").label("a", "1").merge_payload(json(r#"{"b":2}"#));
    let copy = edit.clone();
    store.write(|w| Ok(w.update("e", edit.clone())?)).unwrap();
    assert_eq!(edit, copy);
    store.write(|w| Ok(w.update("f", edit)?)).unwrap();
    let second = store.get("f").unwrap().unwrap();
    assert_eq!((second.labels.len(), second.payload_json().as_str()), (2, r#"{"own":1,"b":2}"#));
}

// State-back
#[test]
fn state_back_no_step_backwards_without_any_condition() {
    let store = TestStore::new();
    running(&store, "e");
    for to in ["New", "AskForBid", "BidAccepted", "Running"] {
        let refused = store.write(|w| Ok(w.update("e", Update::to(to))?));
        assert!(matches!(refused, Err(Error::Write(WriteError::Transition { .. }))), "{to}");
    }
}

// Update-id
#[test]
fn update_id_an_update_writes_the_record_it_names_and_no_other() {
    let store = TestStore::new();
    running(&store, "e");
    running(&store, "f");
    let other = store.read(|r| Ok(r.get("f")?)).unwrap();
    let edit = Update::to("Failed").name("f").parent("f").previous("f");
    store.write(|w| Ok(w.update("e", edit)?)).unwrap();
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.get("f").unwrap(), other);
    assert_eq!((reader.count("Running").unwrap(), reader.count("Failed").unwrap()), (1, 1));
    assert_eq!(reader.query(&Query::new().oldest_first().limit(9)).page().unwrap().executions.len(), 2);
}

// Update-job, Create-job
#[test]
fn update_job_create_job_an_execution_stays_in_its_one_job() {
    let store = TestStore::new();
    let made = store.write(|w| Ok(w.create(NewExecution::new("job").id("e").state("Running"))?)).unwrap();
    let edit = Update::to("Completed").payload(json(r#"{"JobID":"other","Job":{"ID":"third"}}"#));
    let after = store.write(|w| Ok(w.update("e", edit.label("job", "other"))?)).unwrap();
    assert_eq!(after.job_id, made.job_id);
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.by_job("job").unwrap().count(), 1);
    assert!(["other", "third"].iter().all(|job| reader.by_job(job).unwrap().next().is_none()));
    drop(reader);
    store.write(|w| Ok(w.delete("e")?)).unwrap();
    assert_eq!(store.begin_read().unwrap().by_job("job").unwrap().count(), 0);
}

// Events-none
#[test]
fn events_none_a_history_without_events_is_an_empty_list() {
    let store = TestStore::new();
    create(&store, "e");
    assert_eq!(store.begin_read().unwrap().events("e", ..).unwrap().count(), 0);
}

// Event-rev
#[test]
fn event_rev_appending_sets_the_modified_time_and_takes_a_condition() {
    let store = TestStore::ticking();
    running(&store, "e");
    let before = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    let event = [NewEvent::new("t")];
    let after =
        store.write(|w| Ok(w.append_events_if("e", &Expect::new().revision(1), event.to_vec())?)).unwrap();
    assert!(after.modified_at > before.modified_at);
    for expect in [Expect::new().revision(2), Expect::new().state("New"), Expect::new().not_state("Running")]
    {
        let refused = store.write(|w| Ok(w.append_events_if("e", &expect, event.to_vec())?));
        assert!(matches!(refused, Err(Error::Write(WriteError::Conflict { .. }))), "{expect}");
    }
    let now = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    assert_eq!((now.header(), now.payload_json()), (&after, before.payload_json()));
}

/// Flips a bit in the value of the nth row of a table whose keys are numbers.
fn damage(path: &std::path::Path, table: &str, nth: usize) {
    let definition: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new(table);
    let db = Database::open(path).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(definition).unwrap();
        let (key, mut value) = {
            let (key, value) = table.iter().unwrap().nth(nth).unwrap().unwrap();
            (*key.value(), value.value().to_vec())
        };
        let middle = value.len() / 2;
        value[middle] ^= 0x10;
        table.insert(&key, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

// Bad-record
#[test]
fn bad_record_is_an_error_in_its_own_place() {
    let store = TestStore::with(Store::builder().set_journal(false));
    for n in 0..5 {
        running(&store, &n.to_string());
    }
    let path = store.path();
    let folder = store.into_folder();
    damage(&path, "execstore/executions", 2);
    let store = Store::open(&path).unwrap();
    let reader = store.begin_read().unwrap();
    let lists: [Box<dyn Iterator<Item = Result<Execution, ReadError>>>; 3] = [
        Box::new(reader.live().unwrap()),
        Box::new(reader.by_job("j").unwrap()),
        Box::new(reader.query(&Query::new().states(["New", "Running"]).oldest_first()).rows().unwrap()),
    ];
    for list in lists {
        let shown: Vec<_> = list
            .map(|found| match found {
                Ok(execution) => execution.id.to_string(),
                Err(ReadError::Damaged(damage)) => {
                    assert_eq!((&*damage.table, &*damage.key), ("execstore/executions", "0000000000000003"));
                    "damaged".to_owned()
                }
                Err(other) => panic!("{other}"),
            })
            .collect();
        assert_eq!(shown, ["0", "1", "damaged", "3", "4"]);
    }
    for request in [oldest_first, newest_first] {
        let page = reader.query(&request(10)).page().unwrap();
        assert_eq!((page.executions.len(), page.damaged.len()), (4, 1));
        // Its place also counts where it is the last of a page.
        let first = reader.query(&request(3)).page().unwrap();
        assert_eq!((first.executions.len(), first.damaged.len()), (2, 1));
        let rest = reader.query(&request(3).after(first.next.unwrap())).page().unwrap();
        assert_eq!((rest.executions.len(), rest.damaged.len()), (2, 0));
    }
    assert!(matches!(reader.get("2"), Err(ReadError::Damaged(_))));
    assert!(reader.get("3").unwrap().is_some());
    let refused = store.write(|w| Ok(w.update("2", Update::to("Failed"))?));
    assert!(matches!(refused, Err(Error::Damaged(_))));
    store.write(|w| Ok(w.update("3", Update::to("Failed"))?)).unwrap();
    assert!(!store.verify().unwrap().is_clean(), "and it is found");
    drop((reader, store, folder));
}

// Log-poison
#[test]
fn log_poison_a_bad_entry_does_not_hide_the_others() {
    let mut store = TestStore::with(Store::builder().set_journal(false));
    // Whatever is accepted can be read after a restart.
    for (n, payload) in
        ["null", "[]", "{}", "1e400", r#""\ud800""#, r#"{"a":1,"a":2}"#].into_iter().enumerate()
    {
        if let Ok(payload) = execstore::Json::from_text(payload) {
            store
                .write(|w| Ok(w.create(NewExecution::new("j").id(n.to_string()).payload(payload))?))
                .unwrap();
        }
    }
    store.reopen();
    let head = store.read(|r| Ok(r.log().head()?)).unwrap().get() as usize;
    let reader = store.begin_read().unwrap();
    assert!(head >= 4 && reader.log().range(..).unwrap().all(|change| change.is_ok()));
    drop(reader);
    let path = store.path();
    let folder = store.into_folder();
    damage(&path, "execstore/changes", 1);
    let store = Store::open(&path).unwrap();
    let reader = store.begin_read().unwrap();
    let seqs = |list: &mut dyn Iterator<Item = Result<execstore::Change, ReadError>>| -> Vec<Option<u64>> {
        list.map(|change| change.ok().map(|change| change.seq().get())).collect()
    };
    let mut expected: Vec<_> = (1..=head as u64).map(|seq| (seq != 2).then_some(seq)).collect();
    assert_eq!(seqs(&mut reader.log().range(..).unwrap()), expected);
    expected.reverse();
    assert_eq!(seqs(&mut reader.log().range(..).unwrap().rev()), expected);
    drop((reader, store, folder));
}

// File
#[test]
fn file_shrinks_when_everything_is_deleted_and_it_is_compacted() {
    let store = TestStore::with(Store::builder().set_journal_size(0));
    for chunk in 0..10 {
        store
            .write(|w| {
                for n in 0..200 {
                    // Labels and events: what the change log does not keep for a deleted execution.
                    let events: Vec<_> =
                        (0..4).map(|_| NewEvent::new("t").message("m".repeat(500))).collect();
                    w.create(NewExecution::new("j").id(format!("{chunk}-{n}")).events(events.to_vec()))?;
                }
                Ok(())
            })
            .unwrap();
    }
    store.write(|w| Ok(w.create(NewExecution::new("j").id("kept").payload(big_payload(2_000)))?)).unwrap();
    for chunk in 0..10 {
        store.write(|w| Ok((0..200).try_for_each(|n| w.delete(format!("{chunk}-{n}")).map(drop))?)).unwrap();
    }
    let path = store.path();
    // A close makes it smaller, and a compaction as small as it can be.
    let before = std::fs::metadata(&path).unwrap().len();
    let folder = store.into_folder();
    Store::builder().compact(&path).unwrap();
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after * 2 < before, "from {before} to {after} bytes");
    let store = Store::open(&path).unwrap();
    assert!(store.verify().unwrap().is_clean());
    assert_eq!(store.read(|r| Ok(r.query(&Query::new().limit(9)).page()?)).unwrap().executions.len(), 1);
    drop((store, folder));
}

fn newest_first(limit: usize) -> Query {
    Query::new().limit(limit)
}

fn oldest_first(limit: usize) -> Query {
    Query::new().oldest_first().limit(limit)
}
