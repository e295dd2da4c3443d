//! An I/O error at any call: no panic, nothing acknowledged is lost, nothing is there by halves.

use std::panic::{AssertUnwindSafe, catch_unwind};

use execstore::error::{CommitError, OpenError, StorageError};
use execstore::redb::StorageBackend;
use execstore::{Error, NewExecution, Readable, Store, Timestamp};

use support::content::{Digest, digest};
use support::faulty::{Fault, Faulty};
use support::memory::Memory;
use support::workload::{STEPS, Sure, step};

const WORK: usize = STEPS + 3;
/// The step whose transaction is the caller's, of whose failure the store does not hear.
const JOINED: usize = 9;

fn open(disk: impl StorageBackend) -> Result<Store, OpenError> {
    Store::builder()
        .set_cache_size(256 * 1024)
        .set_clock(|| Timestamp::from_nanos(7))
        .create_file_with_backend(disk)
}

fn open_image(image: Vec<u8>) -> Store {
    open(Memory::new(image)).unwrap()
}

fn nth(store: &Store, nth: usize) -> Result<Sure, Error> {
    step(store, nth / STEPS, nth % STEPS)
}

/// The file to begin with, the state after each step, how sure it is, and how many calls all make.
struct Plain {
    image: Vec<u8>,
    states: Vec<(Digest, Sure)>,
    calls: usize,
}

fn plain() -> Plain {
    let disk = Memory::default();
    drop(open(disk.clone()).unwrap());
    let image = disk.image();
    let store = open_image(image.clone());
    let mut states = vec![(digest(&store).unwrap(), Sure::Durable)];
    for n in 0..WORK {
        let sure = nth(&store, n).unwrap();
        states.push((digest(&store).unwrap(), sure));
    }
    drop(store);
    let faulty = Faulty::new(image.clone(), None);
    let store = open(faulty.disk()).unwrap();
    for n in 0..WORK {
        nth(&store, n).unwrap();
    }
    drop(store);
    Plain { image, states, calls: faulty.calls() }
}

fn poisoned(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::Poisoned { .. })
            | Error::Commit(CommitError::RolledBack(StorageError::Poisoned { .. }))
    )
}

/// The disk had no room for the transaction, of which nothing happened.
fn is_full(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::OutOfSpace { .. })
            | Error::Commit(CommitError::RolledBack(StorageError::OutOfSpace { .. }))
    )
}

/// Works until the first error. Gives how many steps were acknowledged, and whether one more may be there.
fn work(faulty: &Faulty) -> (usize, bool) {
    let Ok(store) = open(faulty.disk()) else {
        return (0, false);
    };
    for done in 0..WORK {
        let Err(error) = nth(&store, done) else { continue };
        assert!(faulty.hit(), "step {done} failed without a fault: {error}");
        if is_full(&error) {
            assert!(!error.stops_writing() && store.health().is_sound(), "step {done}: {error}");
            // An error of that transaction alone: the store goes on, and this one ends here.
            return (done, false);
        }
        for _ in 0..2 {
            let later = store.write(|w| Ok(w.create(NewExecution::new("j").id("later"))?));
            let later = later.expect_err("a write after an error");
            assert!(done % STEPS == JOINED || poisoned(&later), "after {error:?} at step {done}: {later:?}");
        }
        let stopped = (error.stops_writing(), !store.health().is_sound());
        assert!(done % STEPS == JOINED || stopped == (true, true), "{stopped:?} at step {done}: {error:?}");
        // Reads may fail; they do not panic.
        let _ = digest_or_error(&store);
        return (done, matches!(error, Error::Commit(CommitError::Unknown(_))));
    }
    (WORK, false)
}

fn digest_or_error(store: &Store) -> Result<u64, Error> {
    store.read(|r| Ok(r.live().map(|list| list.filter(Result::is_ok).count() as u64)?))
}

fn check(plain: &Plain, image: Vec<u8>, range: std::ops::RangeInclusive<usize>) {
    let store = open_image(image);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    let found = digest(&store).unwrap();
    assert!(
        plain.states[range.clone()].iter().any(|(state, _)| *state == found),
        "{found:?} is no state of {range:?}: {:?}",
        plain.states
    );
    store.write(|w| Ok(w.create(NewExecution::new("j").id("later"))?)).unwrap();
}

fn run(plain: &Plain, fault: Fault) {
    let faulty = Faulty::new(plain.image.clone(), Some(fault));
    let (done, one_more) = work(&faulty);
    let most = WORK.min(done + usize::from(one_more));
    check(plain, faulty.cached(), done..=most);
    // The power fails as well.
    let sure = plain.states[..=done].iter().rposition(|(_, sure)| *sure == Sure::Durable).unwrap();
    check(plain, faulty.durable(), sure..=most);
}

fn campaign(sticky: bool, full: bool) {
    let plain = plain();
    let wanted: usize = std::env::var("EXECSTORE_IO_ERRORS").map_or(250, |text| text.parse().unwrap());
    let stride = (plain.calls / wanted).max(1);
    for nth in (0..plain.calls).step_by(stride) {
        let fault = Fault { nth, sticky, full };
        if catch_unwind(AssertUnwindSafe(|| run(&plain, fault))).is_err() {
            panic!("{fault:?} of {} calls", plain.calls);
        }
    }
}

#[test]
fn one_failed_call_loses_nothing() {
    campaign(false, false);
}

#[test]
fn calls_that_fail_from_then_on_lose_nothing() {
    campaign(true, false);
}

#[test]
fn a_disk_that_is_full_once_loses_nothing() {
    campaign(false, true);
}

#[test]
fn a_disk_that_stays_full_loses_nothing() {
    campaign(true, true);
}
