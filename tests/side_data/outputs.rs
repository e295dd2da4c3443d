//! Output streams: appended, read from an offset, capped, followed while they grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use execstore::error::{InputError, StorageError, WriteError};
use execstore::outputs::OutputCap;
use execstore::{Error, NewExecution, Readable, Store, Update};
use support::TestStore;
use support::dice::Dice;

const WAIT: Duration = Duration::from_secs(20);

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id).state("Running")
}

/// The byte at an offset.
fn byte(offset: u64) -> u8 {
    (offset * 31 + offset / 251) as u8
}

fn bytes(start: u64, len: u64) -> Vec<u8> {
    (start..start + len).map(byte).collect()
}

/// Reads a stream to its end, in pieces; gives the offsets of the bytes that there are, each checked.
fn read_all(r: &impl Readable, id: &str, name: &str, from: u64, most: usize) -> Vec<u64> {
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

fn ends(cap: OutputCap) -> (u64, u64) {
    match cap {
        OutputCap::All => (u64::MAX, u64::MAX),
        OutputCap::Head(head) => (head, 0),
        OutputCap::Tail(tail) => (0, tail),
        OutputCap::Both { head, tail } => (head, tail),
    }
}

#[test]
fn what_is_kept_is_what_the_caps_say() {
    let cases: u64 = std::env::var("EXECSTORE_OUTPUT_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    for seed in 1..=cases {
        let mut dice = Dice::new(seed);
        let mut store = TestStore::new();
        store.create(new("e")).unwrap();
        let mut cap = OutputCap::All;
        // What is kept is a beginning and an end.
        let (mut length, mut head_end, mut tail_start) = (0u64, 0u64, 0u64);
        for step in 0..40 {
            let what = dice.roll(12);
            if what < 9 {
                let len = [1, 7, 100, 2_000, 4_096, 5_000, 70_000][dice.roll(7) as usize];
                store.append_output("e", "o", bytes(length, len)).unwrap();
                length += len;
            } else {
                let [a, b] = [0; 2].map(|_| [0, 1, 50, 4_096, 10_000, 100_000][dice.roll(6) as usize]);
                cap = [
                    OutputCap::All,
                    OutputCap::Head(a),
                    OutputCap::Tail(a),
                    OutputCap::Both { head: a, tail: b },
                ][dice.roll(4) as usize];
                store.cap_output("e", "o", cap).unwrap();
            }
            let (head, tail) = ends(cap);
            // The bytes between the two ends go, and with them what lies between them and those that went before.
            let beyond = head..length.saturating_sub(tail);
            if !beyond.is_empty() {
                let was_whole = head_end >= tail_start;
                head_end = if was_whole { beyond.start } else { beyond.start.min(head_end) };
                tail_start = tail_start.max(beyond.end);
            }
            let kept = |offset: &u64| *offset < head_end || *offset >= tail_start;
            let r = store.begin_read().unwrap();
            let output = r.outputs("e").get("o").unwrap().unwrap();
            let at = format!("seed {seed}, step {step}, {output:?}");
            assert_eq!((output.length, output.cap), (length, cap), "{at}");
            let expected: Vec<u64> = (0..length).filter(kept).collect();
            assert_eq!(output.kept(), expected.len() as u64, "{at}");
            let most = [1 << 20, 1_000, 4_096][dice.roll(3) as usize];
            assert!(read_all(&r, "e", "o", 0, most) == expected, "{at}");
            let from = dice.roll(length.max(1));
            let behind: Vec<u64> = expected.into_iter().filter(|offset| *offset >= from).collect();
            assert!(read_all(&r, "e", "o", from, most) == behind, "{at} from {from}");
            let report = store.verify().unwrap();
            assert!(report.is_clean(), "{at}: {report}");
        }
        store.reopen();
        assert_eq!(store.read(|r| r.outputs("e").get("o")).unwrap().unwrap().length, length);
    }
}

/// After a narrow cap, one that has room for all that is there drops nothing more, and none of what is appended within it.
#[test]
fn a_wider_cap_drops_nothing() {
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
        let store = TestStore::new();
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

#[test]
fn what_was_dropped_is_freed() {
    let store = TestStore::new();
    store.create(new("e")).unwrap();
    store.cap_output("e", "o", OutputCap::Both { head: 10_000, tail: 10_000 }).unwrap();
    for n in 0..2_000 {
        store.append_output("e", "o", bytes(n * 1_000, 1_000)).unwrap();
    }
    let r = store.begin_read().unwrap();
    let sizes = r.table_sizes().unwrap();
    let chunks = sizes.iter().find(|table| table.table.ends_with("/chunks")).unwrap();
    // A chunk has up to 4 KiB, and one at each edge may hold bytes that were dropped.
    assert!((20_000 / 4_096..=20_000 / 3_000 + 4).contains(&chunks.rows), "{chunks:?}");
    let output = r.outputs("e").get("o").unwrap().unwrap();
    assert_eq!(
        (output.length, output.kept(), output.dropped()),
        (2_000_000, 20_000, Some(10_000..1_990_000))
    );
}

#[test]
fn streams_leave_the_record_and_the_log_alone_and_go_with_their_execution() {
    let store = TestStore::new();
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
    assert!(store.write(|w| w.delete_output("f", "stdout")).unwrap());
    assert!(!store.write(|w| w.delete_output("f", "stdout")).unwrap());
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.outputs == 1, "{report}");
}

#[test]
fn limits_are_checked_before_anything_is_written() {
    let store = TestStore::new();
    store.create(new("e")).unwrap();
    let nobody = store.append_output("nobody", "o", "x");
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
    for name in ["", &"x".repeat(257)] {
        let refused = store.append_output("e", name, "x").unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Write(WriteError::Input(
                    InputError::Invalid { what: "output name", .. }
                        | InputError::TooLarge { actual: 257, .. }
                ))
            ),
            "{refused:?}"
        );
        assert!(store.follow_output("e", name, 0).is_err());
    }
    assert_eq!(store.begin_read().unwrap().outputs("e").list().unwrap().count(), 0);
}

/// Several writers append pieces that say their own length; the follower takes them apart again.
#[test]
fn a_follower_sees_every_byte_once_while_writers_append() {
    let store = TestStore::new();
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

/// Every way to commit wakes who waits, who would wait for ever.
#[test]
fn an_append_wakes_its_follower() {
    let store = TestStore::new();
    store.create(new("e")).unwrap();
    let appends: [fn(&Store); 4] = [
        |store| drop(store.append_output("e", "o", "x").unwrap()),
        |store| drop(store.write(|w| w.append_output("e", "o", "x")).unwrap()),
        |store| drop(store.submit(|w| w.append_output("e", "o", "x")).unwrap().wait().unwrap()),
        |store| {
            let txn = store.share_database().begin_write().unwrap();
            let receipt = {
                let mut w = store.join(&txn).unwrap();
                w.append_output("e", "o", "x").unwrap();
                w.finish()
            };
            txn.commit().unwrap();
            store.notify(receipt);
        },
    ];
    for (place, append) in (0..).zip(appends) {
        let mut follower = store.follow_output("e", "o", place).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn(move || {
            tell.send(()).unwrap();
            let part = follower.next_part(10, Duration::MAX).unwrap();
            tell.send(()).unwrap();
            part.bytes
        });
        told.recv().unwrap();
        // It may not be waiting yet: then it finds the byte at once, and the case shows nothing.
        std::thread::sleep(Duration::from_millis(30));
        append(&store);
        told.recv_timeout(WAIT).expect("it was not woken");
        assert_eq!(waiting.join().unwrap(), b"x");
    }
}

#[test]
fn a_follower_is_told_what_a_cap_dropped() {
    let store = TestStore::new();
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

#[test]
fn a_follower_ends_with_its_stream_and_waits_for_one_that_is_to_come() {
    let store = TestStore::new();
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
    store.write(|w| w.delete_output("e", "o")).unwrap();
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
    let waiting = std::thread::spawn(move || last.next_part(10, WAIT));
    std::thread::sleep(Duration::from_millis(20));
    let handle: &Store = &store;
    handle.clone().close().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(Error::Storage(StorageError::Closed))));
    drop(store.into_folder());
}
