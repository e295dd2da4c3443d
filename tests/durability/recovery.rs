//! Recovery: what is found after a crash at any point, with own and joined commits in every order.

use execstore::lifecycle::Lifecycle;
use execstore::redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};
use execstore::{Builder, ChangeSeq, NewEvent, NewExecution, Readable, Store, Update};
use support::contents::contents;
use support::gate::Gate;
use support::memory::Memory;
use support::waits::until;
use support::{TestStore, big_payload, create};

const NOTES: TableDefinition<'_, u64, u64> = TableDefinition::new("notes");

#[test]
fn a_crash_loses_nothing_that_was_committed() {
    let store = TestStore::ticking();
    for n in 0..120 {
        let id = format!("e{n}");
        let new = NewExecution::new(format!("j{}", n / 4)).id(&id).payload(big_payload(n * 40));
        store.write(|w| Ok(w.create(new.event(NewEvent::new("t")))?)).unwrap();
        for state in ["BidAccepted", "Running", "Publishing", "Completed"] {
            let update = Update::to(state).message(state);
            store.write(|w| Ok(w.update(&id, update.event(NewEvent::new(state).message("m")))?)).unwrap();
        }
    }
    let before = contents(&store);
    let mut copy = store.crash_copy();
    assert!(contents(&copy) == before);
    let report = copy.verify().unwrap();
    assert_eq!((report.executions, report.events, report.changes), (120, 600, 600));
    // The copy goes on, crashes again, and is closed.
    copy.write(|w| Ok(w.delete("e7")?)).unwrap();
    let again = copy.crash_copy();
    assert_eq!(contents(&again), contents(&copy));
    let closed = contents(&copy);
    copy.reopen();
    assert!(contents(&copy) == closed);
}

#[test]
fn a_crash_between_any_two_commits_shows_all_that_came_before() {
    let store = TestStore::ticking();
    for n in 0..12 {
        let id = format!("e{n}");
        create(&store, &id);
        assert_eq!(contents(&store.crash_copy()), contents(&store), "after commit {n}");
    }
}

#[test]
fn a_transaction_that_was_open_at_the_crash_is_gone() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").payload(big_payload(100_000))).unwrap();
    assert_eq!(contents(&store.crash_copy()), before);
}

#[test]
fn own_and_joined_commits_survive_in_every_order() {
    // o: own, j: joined, n: joined without waiting, e: own with the caller inside, l: own without waiting,
    // b: large.
    let steps = ['o', 'j', 'n', 'e', 'l', 'b'];
    for first in steps {
        for second in steps {
            let order = format!("{first}{second}oj");
            let store = TestStore::ticking();
            for (place, step) in order.char_indices() {
                let new = NewExecution::new("j").id(place.to_string());
                match step {
                    'j' | 'n' => {
                        let mut txn = store.share_database().begin_write().unwrap();
                        if step == 'n' {
                            txn.set_durability(Durability::None).unwrap();
                        }
                        let mut writer = store.join(&txn).unwrap();
                        writer.create(new.event(NewEvent::new("t"))).unwrap();
                        let receipt = writer.finish();
                        txn.commit().unwrap();
                        store.notify(receipt);
                    }
                    _ => {
                        let mut txn = store.begin_write().unwrap();
                        if step == 'l' {
                            txn.set_durability(Durability::None);
                        }
                        let new = if step == 'b' { new.payload(big_payload(1_100_000)) } else { new };
                        txn.writer().unwrap().create(new.event(NewEvent::new("t"))).unwrap();
                        if step == 'e' {
                            txn.enter_redb().open_table(NOTES).unwrap().insert(place as u64, 1).unwrap();
                        }
                        txn.commit().unwrap();
                    }
                }
                // A wait behind it makes what did not wait durable, too.
                if place > 0 && !matches!(step, 'n' | 'l') {
                    let copy = store.crash_copy();
                    assert!(contents(&copy) == contents(&store), "{order} after {place}");
                    let txn = copy.share_database().begin_read().unwrap();
                    let notes = txn.open_table(NOTES).map(|table| table.iter().unwrap().count());
                    let expected = order[..=place].matches('e').count();
                    assert_eq!(notes.unwrap_or(0), expected, "{order} after {place}");
                }
            }
        }
    }
}

#[test]
fn a_joined_commit_that_was_aborted_does_not_break_the_chain() {
    let store = TestStore::new();
    create(&store, "a");
    create(&store, "b");
    let txn = store.share_database().begin_write().unwrap();
    store.join(&txn).unwrap().delete("a").unwrap();
    txn.abort().unwrap();
    create(&store, "c");
    let copy = store.crash_copy();
    assert_eq!(copy.read(|r| Ok(r.log().head()?)).unwrap().get(), 3);
    assert!(copy.read(|r| Ok(r.get("a")?)).unwrap().is_some());
}

#[test]
fn more_than_the_journal_holds_is_all_there() {
    let store = TestStore::new();
    for n in 0..24 {
        let new = NewExecution::new("j").id(n.to_string()).payload(big_payload(400_000 + n));
        store.write(|w| Ok(w.create(new)?)).unwrap();
        if n % 8 == 7 {
            let copy = store.crash_copy();
            assert_eq!(copy.read(|r| Ok(r.log().head()?)).unwrap().get(), n as u64 + 1);
            let last = copy.read(|r| Ok(r.get(n.to_string())?)).unwrap().unwrap();
            assert_eq!(last.payload_json().as_str().len(), 400_000 + n + 11);
        }
    }
}

#[test]
fn deletions_and_checkpoints_are_done_again_too() {
    let store = TestStore::new();
    for id in ["a", "b", "c"] {
        create(&store, id);
    }
    store
        .write(|w| {
            w.set_checkpoint("kept", ChangeSeq(2))?;
            Ok(w.set_checkpoint("gone", ChangeSeq(1))?)
        })
        .unwrap();
    store.write(|w| Ok(w.delete("a")?)).unwrap();
    store.write(|w| Ok(w.delete_checkpoint("gone")?)).unwrap();
    store.write(|w| Ok(w.append_events("b", [NewEvent::new("t")])?)).unwrap();
    let copy = store.crash_copy();
    assert_eq!(contents(&copy), contents(&store));
    assert_eq!(copy.read(|r| Ok(r.log().checkpoints()?)).unwrap().len(), 1);
}

/// However the store is opened then, and whatever comes first. Read it can be without a write.
#[test]
fn what_the_journal_holds_after_a_crash_is_there_in_every_way_to_open_it() {
    let states = || Lifecycle::builder().pending("Waiting").live("Working").terminal("Done");
    let (fewer, more) = (states().build().unwrap(), states().live("Another").build().unwrap());
    let store = TestStore::with(Store::builder().set_lifecycle(fewer));
    for n in 0..40 {
        let new = NewExecution::new(format!("j{}", n % 3)).id(format!("e{n}")).payload(big_payload(n * 50));
        store.write(|w| Ok(w.create(new.state("Waiting").event(NewEvent::new("t")))?)).unwrap();
    }
    store.write(|w| Ok(w.delete("e7")?)).unwrap();
    let before = contents(&store);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    type Way = (&'static str, fn(&mut Builder, Lifecycle), fn(&Store));
    let ways: [Way; 6] = [
        ("as it was", |_, _| (), |_| ()),
        ("declared restored", |builder, _| _ = builder.declare_restored(), |_| ()),
        ("with another state", |builder, more| _ = builder.set_lifecycle(more), |_| ()),
        ("without a journal", |builder, _| _ = builder.set_journal(false), |_| ()),
        (
            "with one that is rolled back",
            |_, _| (),
            |store| {
                let txn = store.begin_write().unwrap();
                txn.writer().unwrap().delete("e1").unwrap();
            },
        ),
        (
            "with one on redb's own",
            |_, _| (),
            |store| {
                let txn = store.share_database().begin_write().unwrap();
                store.join(&txn).unwrap().delete("e1").unwrap();
                txn.abort().unwrap();
            },
        ),
    ];
    for (way, configure, first) in ways {
        std::fs::copy(store.path(), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut builder = Store::builder();
        configure(&mut builder, more.clone());
        let opened = builder.open(&path).unwrap();
        first(&opened);
        let found = contents(&opened);
        let found: String = found.split_inclusive('\n').filter(|line| !line.starts_with("Another")).collect();
        assert!(found == before, "{way}");
        if way == "as it was" {
            assert!(std::fs::read(&path).unwrap() == bytes, "opening and reading wrote to the file");
        }
        opened.write(|w| Ok(w.delete("e1")?)).unwrap();
        drop(opened);
        let report = Store::open(&path).unwrap().verify().unwrap();
        assert!(report.is_clean() && report.executions == 38, "{way}: {report:?}");
    }
}

/// In both halves of the largest journal, while the thread that gives redb the first one is held up.
#[test]
fn more_rows_than_are_kept_in_memory_are_read_from_a_journal_too() {
    let gate = Gate::default();
    let mut builder = Store::builder();
    builder.set_journal_size(64 << 20).set_cache_size(8 << 20);
    let store = builder.create_file_with_backend(gate.clone()).unwrap();
    store.create(NewExecution::new("j").id("0")).unwrap();
    gate.shut_for("execstore-flush");
    let many = 40;
    for n in 1..many {
        store.create(NewExecution::new("j").id(n.to_string()).payload(big_payload(1_200_000 + n))).unwrap();
        // What comes last lies beyond what was read when it was much: it removes some of that.
        if n % 3 == 0 {
            store.delete((n - 1).to_string()).unwrap();
        }
    }
    until("the first half is to be taken over", || gate.is_waited_at());
    let (image, before) = (gate.image(), contents(&store));
    gate.open();
    drop(store);
    {
        // Opened, and killed at once; then opened and closed.
        let copy = Memory::new(image.image());
        let opened = builder.create_file_with_backend(copy.clone()).unwrap();
        assert!(contents(&opened) == before);
        let killed = builder.create_file_with_backend(Memory::new(copy.image())).unwrap();
        assert!(contents(&killed) == before && killed.verify().unwrap().is_clean());
        drop(opened);
        let closed = builder.create_file_with_backend(copy).unwrap();
        assert!(contents(&closed) == before);
    }
}
