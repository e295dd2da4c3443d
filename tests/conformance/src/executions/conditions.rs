//! Conditions on everything that is written: of two writers of the same thing the second is refused, and told what it found.

use execstore::attachments::{AttachmentIs, NewAttachment};
use execstore::error::{Mismatch, WriteError};
use execstore::outputs::{Appended, OutputCap};
use execstore::tasks::{TaskIs, TaskState, TaskUpdate};
use execstore::{ChangeSeq, Error, Expect, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::contents::contents;
use support::create;

use crate::{Engine, TestStore};

const ANY: Expect = Expect::new();

/// The one thing that did not hold.
fn mismatch<T: std::fmt::Debug>(result: Result<T, Error>) -> Mismatch {
    let error = result.unwrap_err();
    let text = error.to_string();
    match error {
        Error::Write(WriteError::Conflict { mismatches, .. }) => {
            assert_eq!(mismatches.len(), 1, "{mismatches:?}");
            assert!(text.contains(&mismatches[0].to_string()), "{text}");
            mismatches.into_iter().next().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Every operation on an execution, with a condition.
fn all(store: &Store, expect: &Expect) -> Vec<Result<(), Error>> {
    let end = [NewEvent::new("t")];
    vec![
        store.put_attachment_if("e", expect, NewAttachment::bytes("new", "x")).map(drop),
        store.delete_attachment_if("e", expect, "k").map(drop),
        store.append_output_if("e", expect, "new", "x").map(drop),
        store.cap_output_if("e", expect, "stdout", OutputCap::Head(1)).map(drop),
        store.delete_output_if("e", expect, "stdout").map(drop),
        store.put_task_if("e", expect, TaskUpdate::started("new")).map(drop),
        store.write(|w| Ok(w.expect("e", expect)?)).map(drop),
        store.write(|w| {
            w.expect("e", expect)?;
            Ok(w.put_attachment_from("e", "new", "a/b", &mut b"x".as_slice()).map(drop)?)
        }),
        store.update("e", Update::new().label("l", "m").expect(expect.clone())).map(drop),
        store.report("e", Update::new().attempt(9).expect(expect.clone())).map(drop),
        store.append_events_if("e", expect, end).map(drop),
        store.delete_if("e", expect).map(drop),
    ]
}

fn filled(engine: &dyn Engine) -> TestStore {
    let store = engine.ticking();
    create(&store, "e");
    store.append_events("e", [NewEvent::new("a"), NewEvent::new("b")]).unwrap();
    store.update("e", Update::new().label("owner", "w1").attempt(3)).unwrap();
    store.put_attachment("e", NewAttachment::bytes("k", "hello")).unwrap();
    store.append_output("e", "stdout", "12345").unwrap();
    store.put_task("e", TaskUpdate::started("n").attempt(2)).unwrap();
    store
}

const HELLO: [u8; 32] = [
    0x2c, 0xf2, 0x4d, 0xba, 0x5f, 0xb0, 0xa3, 0x0e, 0x26, 0xe8, 0x3b, 0x2a, 0xc5, 0xb9, 0xe2, 0x9e, 0x1b,
    0x16, 0x1e, 0x5c, 0x1f, 0xa7, 0x42, 0x5e, 0x73, 0x04, 0x33, 0x62, 0x93, 0x8b, 0x98, 0x24,
];

pub fn every_operation_keeps_every_condition(engine: &dyn Engine) {
    let store = filled(engine);
    let header = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().into_header();
    let version = store.read(|r| Ok(r.attachments("e").get("k")?)).unwrap().unwrap().version;
    let holds = [
        Expect::new().incarnation(header.incarnation),
        Expect::new().event_count(2),
        Expect::new().attempt(3),
        Expect::new().label("owner", "w1").no_label("other"),
        Expect::new().attachment("k", AttachmentIs::Present).attachment("none", AttachmentIs::Absent),
        Expect::new().attachment("k", AttachmentIs::Size(5)),
        Expect::new().attachment("k", AttachmentIs::Version(version)),
        Expect::new().attachment("k", AttachmentIs::Sha256(HELLO)),
        Expect::new().output_length("stdout", 5).output_length("none", 0),
        Expect::new().task("n", TaskIs::Present).task("none", TaskIs::Absent),
        Expect::new().task("n", TaskIs::In(TaskState::Running)).task("n", TaskIs::Attempt(2)),
    ];
    for expect in &holds {
        store.write(|w| Ok(w.expect("e", expect)?)).unwrap();
    }
    let another = create(&store, "another").incarnation;
    let fails = [
        Expect::new().incarnation(another),
        Expect::new().event_count(1),
        Expect::new().attempt(2),
        Expect::new().label("owner", "w2"),
        Expect::new().label("none", ""),
        Expect::new().no_label("owner"),
        Expect::new().attachment("k", AttachmentIs::Absent),
        Expect::new().attachment("none", AttachmentIs::Present),
        Expect::new().attachment("none", AttachmentIs::Size(0)),
        Expect::new().attachment("k", AttachmentIs::Size(4)),
        Expect::new().attachment("k", AttachmentIs::Version(version + 1)),
        Expect::new().attachment("k", AttachmentIs::Sha256([0; 32])),
        Expect::new().output_length("stdout", 4),
        Expect::new().output_length("none", 1),
        Expect::new().task("n", TaskIs::Absent),
        Expect::new().task("none", TaskIs::Attempt(0)),
        Expect::new().task("n", TaskIs::In(TaskState::Failed)),
        Expect::new().task("n", TaskIs::Attempt(1)),
    ];
    let before = contents(&store);
    for expect in &fails {
        for result in all(&store, expect) {
            mismatch(result);
        }
        let report = store.bulk(Query::new().id("e")).expecting(expect.clone()).delete().unwrap();
        assert_eq!((report.changed, report.refused), (0, 1), "{report:?}");
        assert!(report.first_refusal.unwrap().contains("is not as expected"));
    }
    assert_eq!(contents(&store), before);
    // What holds lets each of them through; the last one deletes it.
    for result in all(&store, &Expect::new().incarnation(header.incarnation)) {
        result.unwrap();
    }
}

pub fn conditions_given_twice_must_both_hold(engine: &dyn Engine) {
    let store = filled(engine);
    let state = |state: &str| Expect::new().state(state);
    let twice = |one: &Expect, other: &Expect| {
        let update = Update::new().name("n").expect(one.clone()).expect(other.clone());
        store.update("e", update)
    };
    let running = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    let (is, is_not) = (state("New"), Expect::new().event_count(7));
    assert_eq!(running.state, "New");
    for (one, other) in [(&is, &is_not), (&is_not, &is)] {
        let found = mismatch(twice(one, other));
        assert_eq!(found, Mismatch::EventCount { expected: 7, found: 2 });
    }
    // The states of the two are no alternatives, those within one of them are.
    let either = state("Running").state("Failed");
    assert!(matches!(mismatch(twice(&is.clone().state("Running"), &either)), Mismatch::State { .. }));
    assert!(matches!(mismatch(twice(&either, &is.clone().state("Running"))), Mismatch::State { .. }));
    twice(&is.clone().state("Running"), &is.clone().state("Failed")).unwrap();
    twice(&Expect::new().not_state("Failed"), &is).unwrap();
    // What nothing can meet is a mistake.
    for (one, other) in [
        (is.clone(), state("Running")),
        (is, Expect::new().not_state("New")),
        (Expect::new().revision(1), Expect::new().revision(2)),
        (Expect::new().event_count(1), Expect::new().event_count(2)),
    ] {
        let refused = twice(&one, &other).unwrap_err();
        assert!(matches!(refused, Error::Input(_)), "{refused:?}");
    }
}

pub fn what_was_found_is_told_with_what_was_expected(engine: &dyn Engine) {
    let store = filled(engine);
    let conflict = |expect: Expect| mismatch(store.write(|w| Ok(w.expect("e", &expect)?)));
    assert_eq!(conflict(Expect::new().event_count(7)), Mismatch::EventCount { expected: 7, found: 2 });
    let (name, length) = ("stdout".into(), Expect::new().output_length("stdout", 9));
    assert_eq!(conflict(length), Mismatch::OutputLength { name, expected: 9, found: 5 });
    let label =
        Mismatch::Label { key: "owner".into(), expected: Some("me".into()), found: Some("w1".into()) };
    assert_eq!(conflict(Expect::new().label("owner", "me")), label);
    match conflict(Expect::new().attachment("k", AttachmentIs::Sha256([7; 32]))) {
        Mismatch::Attachment { found: Some(found), sha256, .. } => {
            assert_eq!((found.size, sha256), (5, Some(HELLO)));
        }
        other => panic!("{other:?}"),
    }
    match conflict(Expect::new().task("n", TaskIs::Attempt(1))) {
        Mismatch::Task { found: Some(found), .. } => assert_eq!(found.attempts, 2),
        other => panic!("{other:?}"),
    }
    // Everything that does not hold, not only the first.
    let two = Expect::new().state("Running").event_count(1).output_length("stdout", 1);
    let Err(Error::Write(error)) = store.write(|w| Ok(w.expect("e", &two)?)) else { panic!() };
    let text = error.to_string();
    assert!(text.contains("expected state Running and 1 events and output \"stdout\" of 1 bytes"), "{text}");
    assert!(text.contains("found state New, revision 2, 2 events, output \"stdout\" of 5 bytes"), "{text}");
    let unknown = store.write(|w| Ok(w.expect("e", &Expect::new().task("", TaskIs::Absent))?));
    assert!(matches!(unknown, Err(Error::Input(_))));
    let nobody = store.put_task_if("nobody", &ANY, TaskUpdate::started("n"));
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
}

pub fn an_execution_that_was_made_again_is_another(engine: &dyn Engine) {
    let store = filled(engine);
    let first = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().incarnation;
    store.delete("e").unwrap();
    let second = create(&store, "e").incarnation;
    assert_ne!(first, second);
    let expect = Expect::new().incarnation(first);
    for result in all(&store, &expect) {
        assert_eq!(mismatch(result), Mismatch::Incarnation { expected: first, found: second });
    }
    let r = store.begin_read().unwrap();
    assert_eq!((r.outputs("e").list().unwrap().count(), r.attachments("e").list().unwrap().count()), (0, 0));
}

pub fn an_attachment_that_was_put_again_has_another_version(engine: &dyn Engine) {
    let mut store = filled(engine);
    let mut versions = vec![store.read(|r| Ok(r.attachments("e").get("k")?)).unwrap().unwrap().version];
    for value in [vec![1; 5], vec![2; 5_000], vec![2; 5_000], vec![]] {
        let put = store.put_attachment("e", NewAttachment::bytes("k", value)).unwrap();
        versions.push(put.version);
        store.reopen();
        assert_eq!(store.read(|r| Ok(r.attachments("e").get("k")?)).unwrap().unwrap(), put);
    }
    store.delete_attachment_if("e", &ANY, "k").unwrap();
    store.write(|w| Ok(w.put_attachment_from("e", "k", "a/b", &mut b"hello".as_slice())?)).unwrap();
    versions.push(store.read(|r| Ok(r.attachments("e").get("k")?)).unwrap().unwrap().version);
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
}

pub fn bytes_are_appended_at_their_offset_or_not_at_all(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let at = |offset, bytes: &str| store.append_output_at("e", "o", offset, bytes);
    assert_eq!(at(0, "").unwrap().output().length, 0);
    assert!(at(0, "one ").unwrap().is_new());
    assert!(at(4, "two ").unwrap().is_new());
    // The answer got lost: the same again, also after others went on.
    for (offset, bytes) in [(0, "one "), (4, "two "), (0, "one two "), (2, "e tw")] {
        assert!(matches!(at(offset, bytes).unwrap(), Appended::Repeated(output) if output.length == 8));
    }
    for (offset, bytes) in [(0, "One "), (4, "2"), (4, "two three"), (7, ""), (9, "x"), (u64::MAX, "x")] {
        let found = mismatch(at(offset, bytes));
        assert_eq!(found, Mismatch::OutputLength { name: "o".into(), expected: offset, found: 8 });
    }
    assert_eq!(store.read(|r| Ok(r.outputs("e").read("o", 0, 99)?)).unwrap().unwrap().bytes, b"one two ");
    // What was dropped cannot be compared.
    store.cap_output("e", "o", OutputCap::Tail(4)).unwrap();
    assert!(matches!(at(4, "two ").unwrap(), Appended::Repeated(_)));
    mismatch(at(0, "one "));
    mismatch(at(2, "e two "));
    assert!(at(8, "x").unwrap().is_new());
    let nobody = store.append_output_at("nobody", "o", 0, "x");
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
}

pub fn of_many_writers_at_one_offset_one_appends(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    std::thread::scope(|scope| {
        for writer in 0..8_u8 {
            let store = &*store;
            scope.spawn(move || {
                for turn in 0..20_u64 {
                    match store.append_output_at("e", "o", turn, [writer]) {
                        Ok(_) => {}
                        Err(Error::Write(WriteError::Conflict { .. })) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
    assert_eq!(store.read(|r| Ok(r.outputs("e").get("o")?)).unwrap().unwrap().length, 20);
}

pub fn a_checkpoint_is_moved_from_where_it_was_read(engine: &dyn Engine) {
    let store = engine.store();
    (0..9).for_each(|n| drop(create(&store, &n.to_string())));
    let set = |expected: Option<u64>, seq| {
        store.write(|w| Ok(w.set_checkpoint_if("c", expected.map(ChangeSeq), ChangeSeq(seq))?))
    };
    let moved = |result: Result<(), Error>, was: Option<u64>, is: Option<u64>| match result {
        Err(Error::Write(WriteError::CheckpointMoved { name, expected, found })) => {
            assert_eq!((name.as_str(), expected, found), ("c", was.map(ChangeSeq), is.map(ChangeSeq)));
        }
        other => panic!("{other:?}"),
    };
    moved(set(Some(0), 1), Some(0), None);
    set(None, 3).unwrap();
    moved(set(None, 4), None, Some(3));
    set(Some(3), 5).unwrap();
    moved(set(Some(3), 9), Some(3), Some(5));
    moved(store.write(|w| Ok(w.delete_checkpoint_if("c", ChangeSeq(3))?)), Some(3), Some(5));
    store.write(|w| Ok(w.delete_checkpoint_if("c", ChangeSeq(5))?)).unwrap();
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("c")?)).unwrap(), None);
    let new = NewExecution::new("j").id("last");
    store.create(new).unwrap();
}
