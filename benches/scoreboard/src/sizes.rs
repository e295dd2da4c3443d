//! How large the files become when executions change and go.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Barrier;

use crate::record::{Record, State};
use crate::subject::{Subject, bytes};
use crate::workload::{Ids, lifecycle, payload, replacement};

const THREADS: u64 = 64;
const REPLACEMENTS: u64 = 10;
/// One execution of so many stays.
const KEPT: u64 = 10;

fn create<S: Subject>(subject: &S, all: &[u64]) {
    for some in all.chunks(1_000) {
        subject.write(some.iter().map(|n| lifecycle(Ids::V7, *n, 0)).collect());
    }
}

/// Bytes for each execution after ten replacements of its payload, each in a durable operation of its own, from 64 threads. The log of execstore
/// keeps the former payloads until it is trimmed, the others have headers alone in theirs.
pub fn updated<S: Subject>(subject: &S, folder: &Path, executions: u64) -> f64 {
    create(subject, &(0..executions).collect::<Vec<_>>());
    let barrier = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let barrier = &barrier;
            scope.spawn(move || {
                for at in 1..=REPLACEMENTS {
                    barrier.wait();
                    for n in (thread..executions).step_by(THREADS as usize) {
                        subject.share(replacement(Ids::V7, n, at));
                    }
                }
            });
        }
    });
    let size = bytes(folder, Metadata::len) / executions as f64;
    for n in (0..executions).step_by(97) {
        let row: Record = subject.get(&Ids::V7.execution(n)).unwrap().into();
        assert_eq!(row.payload, payload(n, REPLACEMENTS), "{}", S::NAME);
        assert_eq!(row.header.revision, REPLACEMENTS + 1);
    }
    let mut entries = 0;
    subject.log(|_| entries += 1);
    assert_eq!(entries, (REPLACEMENTS + 1) * executions, "{}", S::NAME);
    size
}

/// The closed file after nine of ten executions were deleted and the log was forgotten, over one that was filled with the others alone and
/// compacted.
pub fn deleted<S: Subject>(folder: &Path, executions: u64) -> f64 {
    let size = |name: &str, thinned: bool| {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let subject = S::open(&folder);
        let all = (0..executions).filter(|n| thinned || n % KEPT == 0);
        create(&subject, &all.collect::<Vec<_>>());
        if thinned {
            let gone: Vec<_> = (0..executions).filter(|n| n % KEPT > 0).collect();
            for some in gone.chunks(500) {
                subject.delete(some.iter().map(|n| Ids::V7.execution(*n)).collect());
            }
        }
        subject.forget_log();
        assert_eq!(subject.count(State::New), executions / KEPT, "{}", S::NAME);
        let row = subject.get(&Ids::V7.execution(KEPT));
        assert!(row.is_some() && subject.get(&Ids::V7.execution(1)).is_none());
        let mut entries = 0;
        subject.log(|_| entries += 1);
        assert_eq!(entries, 0, "{}", S::NAME);
        subject.verify();
        subject.close();
        if !thinned {
            assert!(S::compact(&folder));
        }
        bytes(&folder, Metadata::len)
    };
    size("thinned", true) / size("fresh", false)
}
