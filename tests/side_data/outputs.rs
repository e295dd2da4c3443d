//! Output streams: appended, read from an offset, capped, followed while they grow.

use std::time::Duration;

use conformance::side_data::outputs::{byte, read_all};
use execstore::outputs::OutputCap;
use execstore::{NewExecution, Readable, Store};
use support::TestStore;
use support::dice::Dice;
use support::waits::until_waiting;

const WAIT: Duration = Duration::from_secs(20);

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id).state("Running")
}

fn bytes(start: u64, len: u64) -> Vec<u8> {
    (start..start + len).map(byte).collect()
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
        assert_eq!(store.read(|r| Ok(r.outputs("e").get("o")?)).unwrap().unwrap().length, length);
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

/// Every way to commit wakes who waits, who would wait for ever.
#[test]
fn an_append_wakes_its_follower() {
    let store = TestStore::new();
    store.create(new("e")).unwrap();
    let appends: [fn(&Store); 4] = [
        |store| drop(store.append_output("e", "o", "x").unwrap()),
        |store| drop(store.write(|w| Ok(w.append_output("e", "o", "x")?)).unwrap()),
        |store| drop(store.submit(|w| Ok(w.append_output("e", "o", "x")?)).unwrap().wait().unwrap()),
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
            let part = follower.next_part(10, Duration::MAX).unwrap();
            tell.send(()).unwrap();
            part.bytes
        });
        until_waiting(&store, 1);
        append(&store);
        told.recv_timeout(WAIT).expect("it was not woken");
        assert_eq!(waiting.join().unwrap(), b"x");
    }
}
