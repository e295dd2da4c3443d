//! A child process that is killed while it writes: every operation that it acknowledged is there.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use execstore::{Builder, Store, Timestamp};

use support::content::digest;
use support::dice::Dice;
use support::workload::{STEPS, step};

const PATH: &str = "EXECSTORE_KILL_PATH";
const FROM: &str = "EXECSTORE_KILL_FROM";

fn kills() -> u64 {
    std::env::var("EXECSTORE_KILLS").map_or(40, |text| text.parse().unwrap())
}

fn dice() -> Dice {
    let seed = std::env::var("EXECSTORE_SEED").map_or(20_260_102, |text| text.parse().unwrap());
    println!("EXECSTORE_SEED={seed}");
    Dice::new(seed)
}

/// Time stands still, so that two stores with the same operations are equal.
fn builder() -> Builder {
    let mut builder = Store::builder();
    builder.set_clock(|| Timestamp::from_nanos(7));
    builder
}

fn nth(store: &Store, nth: usize) {
    step(store, nth / STEPS, nth % STEPS).unwrap();
}

fn child(test: &str, path: &Path, from: usize) -> Child {
    support::children::child(module_path!(), test)
        .env(PATH, path)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn acknowledge(what: usize) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {what}").unwrap();
    out.flush().unwrap();
}

/// Kills the child; gives the last operation that it acknowledged.
fn kill(mut child: Child) -> Option<usize> {
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The pipe may end within a line.
    let acks = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
    acks.last()
}

#[test]
#[ignore = "the child of the test below"]
fn child_that_writes() {
    let Ok(path) = std::env::var(PATH) else { return };
    let from: usize = std::env::var(FROM).unwrap().parse().unwrap();
    let store = builder().open(path).unwrap();
    acknowledge(from);
    for done in from.. {
        nth(&store, done);
        acknowledge(done + 1);
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let mut dice = dice();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    drop(builder().create_new(&path).unwrap());
    // The same operations in memory.
    let mirror = builder().in_memory().unwrap();
    let mut done = 0;
    let mut kept = 0;
    for turn in 0..kills() {
        let child = child("child_that_writes", &path, done);
        std::thread::sleep(Duration::from_micros(2_000 + dice.roll(80_000)));
        let acknowledged = kill(child).unwrap_or(done);
        while done < acknowledged {
            nth(&mirror, done);
            done += 1;
        }
        let store = builder().open(&path).unwrap();
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "kill {turn}: {report}");
        let found = digest(&store).unwrap();
        if found != digest(&mirror).unwrap() {
            // One more, that was not acknowledged any more.
            nth(&mirror, done);
            done += 1;
            assert_eq!(found, digest(&mirror).unwrap(), "kill {turn}: {acknowledged} were acknowledged");
        }
        // Half of the children find what a kill left, the others a file that was closed.
        if dice.roll(2) == 0 {
            nth(&store, done);
            nth(&mirror, done);
            done += 1;
        }
        kept = done;
    }
    assert!(kept > 20, "only {kept} operations in all");
}

#[test]
#[ignore = "the child of the test below"]
fn child_that_creates() {
    let Ok(folder) = std::env::var(PATH) else { return };
    for n in 0.. {
        Store::create_new(Path::new(&folder).join(format!("{n}.redb"))).unwrap();
        acknowledge(n);
    }
}

#[test]
fn a_process_killed_while_it_creates_leaves_no_store_or_a_good_one() {
    let mut dice = dice();
    let mut found = 0;
    for turn in 0..kills() / 2 {
        let folder = tempfile::tempdir().unwrap();
        let child = child("child_that_creates", folder.path(), 0);
        std::thread::sleep(Duration::from_micros(1_000 + dice.roll(60_000)));
        let last = kill(child);
        for n in 0..last.map_or(2, |last| last + 3) {
            let path = folder.path().join(format!("{n}.redb"));
            if !path.exists() {
                assert!(last.is_none_or(|last| n > last), "kill {turn}: store {n} of {last:?} is not there");
                continue;
            }
            let store = Store::open(&path).unwrap_or_else(|error| panic!("kill {turn}, store {n}: {error}"));
            assert!(store.verify().unwrap().is_clean());
            store.write(|w| Ok(w.create(execstore::NewExecution::new("j"))?)).unwrap();
            found += 1;
        }
    }
    assert!(found > 0, "no store was created at all");
}
