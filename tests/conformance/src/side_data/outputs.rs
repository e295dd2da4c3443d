//! Output streams: appended, read from an offset, capped, followed while they grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use execstore::error::{InputError, StorageError, WatchError, WriteError};
use execstore::outputs::OutputCap;
use execstore::{Error, NewExecution, Readable, Store, Update};
use support::waits::until_waiting;

use crate::Engine;

const WAIT: Duration = Duration::from_secs(20);

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id).state("Running")
}

/// The byte at an offset.
pub fn byte(offset: u64) -> u8 {
    (offset * 31 + offset / 251) as u8
}

fn bytes(start: u64, len: u64) -> Vec<u8> {
    (start..start + len).map(byte).collect()
}

/// Reads a stream to its end, in pieces; gives the offsets of the bytes that there are, each checked.
pub fn read_all(r: &impl Readable, id: &str, name: &str, from: u64, most: usize) -> Vec<u64> {
    let (mut at, mut offsets) = (from, Vec::new());
    loop {
        let part = r.outputs(id).read(name, at, most).unwrap().unwrap();
        assert_eq!(part.offset, at + part.dropped);
        assert!(part.bytes.len() <= most);
        if part.bytes.is_empty() {
            return offsets;
        }
        for (offset, found) in (part.offset..).zip(&part.bytes) {
            assert_eq!(*found, byte(offset), "at {offset}");
            offsets.push(offset);
        }
        at = part.next();
    }
}

/// After a narrow cap, one that has room for all that is there drops nothing more, and none of what is appended within it.
pub fn a_wider_cap_drops_nothing(engine: &dyn Engine) {
    let (head, tail) = (OutputCap::Head, OutputCap::Tail);
    let both = |head, tail| OutputCap::Both { head, tail };
    let cases = [
        (tail(50), head(5_000), 0..50),
        (tail(50), both(90, 20), 0..50),
        (tail(50), OutputCap::All, 0..50),
        (head(50), head(5_000), 50..100),
        (head(50), both(70, 70), 50..100),
        (both(30, 30), head(5_000), 30..70),
        (both(30, 30), both(60, 60), 30..70),
    ];
    for (narrow, wide, dropped) in cases {
        let store = engine.store();
        store.create(new("e")).unwrap();
        store.append_output("e", "o", bytes(0, 100)).unwrap();
        store.cap_output("e", "o", narrow).unwrap();
        let output = store.cap_output("e", "o", wide).unwrap();
        assert_eq!(output.dropped(), Some(dropped.clone()), "{narrow:?}, then {wide:?}");
        let output = store.append_output("e", "o", bytes(100, 10)).unwrap();
        assert_eq!(output.dropped(), Some(dropped.clone()), "{narrow:?}, then {wide:?}, and more");
        let kept: Vec<u64> = (0..110).filter(|offset| !dropped.contains(offset)).collect();
        assert_eq!(read_all(&store.begin_read().unwrap(), "e", "o", 0, 1_000), kept);
    }
}

pub fn streams_leave_the_record_and_the_log_alone_and_go_with_their_execution(engine: &dyn Engine) {
    let store = engine.store();
    let created = store.create(new("e")).unwrap();
    store.create(new("f")).unwrap();
    for (id, name) in [("e", "stdout"), ("e", "stderr"), ("f", "stdout")] {
        store.append_output(id, name, bytes(0, 50_000)).unwrap();
        store.append_output(id, name, "").unwrap();
    }
    store.append_output("f", "empty", "").unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!((r.get("e").unwrap().unwrap(), r.log().head().unwrap().get()), (created, 2));
    let names = |id: &str| -> Vec<String> {
        r.outputs(id).list().unwrap().map(|row| row.unwrap().name.into()).collect()
    };
    assert_eq!(
        (names("e"), names("f")),
        (vec!["stderr".into(), "stdout".into()], vec!["empty".into(), "stdout".into()])
    );
    assert!(names("nobody").is_empty());
    assert_eq!(r.outputs("f").read("empty", 7, 10).unwrap().unwrap(), Default::default());
    assert_eq!(r.outputs("f").read("stdin", 0, 10).unwrap(), None);
    assert_eq!(r.outputs("f").read("stdout", u64::MAX, 10).unwrap().unwrap().offset, 50_000);
    drop(r);
    store.delete("e").unwrap();
    assert!(store.write(|w| Ok(w.delete_output("f", "stdout")?)).unwrap());
    assert!(!store.write(|w| Ok(w.delete_output("f", "stdout")?)).unwrap());
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.outputs == 1, "{report}");
}

pub fn limits_are_checked_before_anything_is_written(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let nobody = store.append_output("nobody", "o", "x");
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
    for name in ["", &"x".repeat(257)] {
        let refused = store.append_output("e", name, "x").unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Input(
                    InputError::Invalid { what: "output name", .. }
                        | InputError::TooLarge { actual: 257, .. }
                )
            ),
            "{refused:?}"
        );
        assert!(store.follow_output("e", name, 0).is_err());
    }
    assert_eq!(store.begin_read().unwrap().outputs("e").list().unwrap().count(), 0);
}

/// Several writers append pieces that say their own length; the follower takes them apart again.
pub fn a_follower_sees_every_byte_once_while_writers_append(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let mut follower = store.follow_output("e", "o", 0).unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4u8)
            .map(|writer| {
                let store: &Store = &store;
                scope.spawn(move || {
                    for n in 0..200u8 {
                        let mut piece = vec![writer, n];
                        piece.resize(2 + usize::from(n % 50) * 40, writer ^ n);
                        store
                            .append_output(
                                "e",
                                "o",
                                [&[(piece.len() / 256) as u8, piece.len() as u8], &*piece].concat(),
                            )
                            .unwrap();
                    }
                })
            })
            .collect();
        let reader = scope.spawn(move || {
            let mut seen = Vec::new();
            while !follower.has_ended() {
                assert_eq!(follower.position(), seen.len() as u64);
                let part = follower.next_part(3_000, WAIT).unwrap();
                assert_eq!((part.offset, part.dropped), (seen.len() as u64, 0));
                seen.extend(part.bytes);
            }
            seen
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        store.update("e", Update::to("Failed")).unwrap();
        let seen = reader.join().unwrap();
        let mut rest = seen.as_slice();
        let mut next = [0; 4];
        while let [high, low, more @ ..] = rest {
            let (piece, more) = more.split_at(usize::from(*high) * 256 + usize::from(*low));
            let (writer, n) = (piece[0], piece[1]);
            assert_eq!(next[usize::from(writer)], n, "each writer's pieces come in its order");
            assert!(piece[2..].iter().all(|byte| *byte == writer ^ n));
            next[usize::from(writer)] += 1;
            rest = more;
        }
        assert_eq!(next, [200; 4]);
    });
}

pub fn a_follower_is_told_what_a_cap_dropped(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    store.cap_output("e", "o", OutputCap::Tail(10_000)).unwrap();
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (shared, written): (&Store, _) = (&store, &written);
        scope.spawn(move || {
            for n in 0..300 {
                shared.append_output("e", "o", bytes(n * 777, 777)).unwrap();
                written.store((n + 1) * 777, Ordering::Release);
            }
            shared.update("e", Update::to("Failed")).unwrap();
        });
        let mut follower = shared.follow_output("e", "o", 0).unwrap();
        let (mut seen, mut dropped) = (0, 0);
        while !follower.has_ended() {
            let before = follower.position();
            let part = follower.next_part(100, WAIT).unwrap();
            assert_eq!(part.offset, before + part.dropped);
            for (offset, found) in (part.offset..).zip(&part.bytes) {
                assert_eq!(*found, byte(offset));
            }
            seen += part.bytes.len() as u64;
            dropped += part.dropped;
            assert_eq!(seen + dropped, follower.position());
        }
        assert_eq!(follower.position(), 300 * 777);
        assert!(seen >= 10_000, "the tail at least: {seen}");
    });
}

pub fn a_follower_ends_with_its_stream_and_waits_for_one_that_is_to_come(engine: &dyn Engine) {
    let store = engine.store();
    let follow = |id: &str| store.follow_output(id, "o", 0).unwrap();
    // Neither the execution nor the stream is there yet.
    let mut early = follow("e");
    assert!(early.next_part(10, Duration::from_millis(20)).unwrap().bytes.is_empty() && !early.has_ended());
    store.create(new("e")).unwrap();
    assert!(early.next_part(10, Duration::from_millis(20)).unwrap().bytes.is_empty() && !early.has_ended());
    store.append_output("e", "o", "abc").unwrap();
    assert_eq!(early.next_part(2, WAIT).unwrap().bytes, b"ab");
    // From further on, it waits there.
    let mut ahead = store.follow_output("e", "o", 5).unwrap();
    assert!(ahead.next_part(10, Duration::from_millis(20)).unwrap().bytes.is_empty());
    store.append_output("e", "o", "defg").unwrap();
    assert_eq!(ahead.next_part(10, WAIT).unwrap().bytes, b"fg");
    // The execution is deleted and made again: not the same stream.
    store.delete("e").unwrap();
    store.create(new("e")).unwrap();
    store.append_output("e", "o", "another").unwrap();
    assert!(early.next_part(10, WAIT).unwrap().bytes.is_empty() && early.has_ended());
    // So is a stream.
    let mut third = follow("e");
    assert_eq!(third.next_part(3, WAIT).unwrap().bytes, b"ano");
    store.write(|w| Ok(w.delete_output("e", "o")?)).unwrap();
    store.append_output("e", "o", "once more").unwrap();
    assert!(third.next_part(10, WAIT).unwrap().bytes.is_empty() && third.has_ended());
    // An execution whose stream never began, and another of its id that has one.
    store.create(new("g")).unwrap();
    let mut other = follow("g");
    assert!(other.next_part(10, Duration::from_millis(20)).unwrap().bytes.is_empty());
    store.delete("g").unwrap();
    store.create(new("g")).unwrap();
    store.append_output("g", "o", "of another").unwrap();
    assert!(other.next_part(10, WAIT).unwrap().bytes.is_empty() && other.has_ended());
    // A close ends the wait.
    let mut last = store.follow_output("e", "other", 0).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(last.next_part(10, Duration::from_secs(3_600))));
    until_waiting(&store, 1);
    let handle: &Store = &store;
    handle.clone().close().unwrap();
    let ended = told.recv_timeout(WAIT).expect("nobody told it that the store was closed");
    assert!(matches!(ended, Err(WatchError::Storage(StorageError::Closed))));
    drop(store.into_place());
}
