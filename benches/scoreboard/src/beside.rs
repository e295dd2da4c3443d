//! What readers and followers get beside those who write, and what they cost them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::subject::Subject;
use crate::threads;
use crate::workload::{Ids, lifecycle};

/// Who writes beside a reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beside {
    /// So many threads, which share commits where that can be done.
    Writers(u64),
    /// Nobody, but a write transaction is held all the time.
    Held,
}

/// Each of these is read in turn.
const READ: u64 = 1_000;

/// How long single gets took, in microseconds, in order of size; `None` if the subject cannot hold a transaction.
pub fn gets<S: Subject>(subject: &S, beside: Beside, samples: u64) -> Option<Vec<f64>> {
    if !S::READS_BESIDE {
        return None;
    }
    subject.write((0..READ).map(|n| lifecycle(Ids::V7, n, 0)).collect());
    let (stop, cannot) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let _end = threads::End(&stop);
        match beside {
            Beside::Writers(threads) => threads::load(scope, subject, threads, &stop),
            Beside::Held => {
                scope.spawn(|| {
                    // Something that a reader must see, and then the transaction that is held.
                    subject.write(vec![lifecycle(Ids::V7, READ, 0)]);
                    let held = subject.begin_write();
                    cannot.store(held.is_none(), Ordering::Relaxed);
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                });
            }
        }
        let get = |n: u64| {
            let id = Ids::V7.execution(n % READ);
            let start = Instant::now();
            assert!(subject.get(&id).is_some());
            let time = start.elapsed().as_secs_f64() * 1e6;
            std::thread::sleep(Duration::from_micros(500));
            time
        };
        (0..samples).map(get).collect()
    });
    times.sort_by(f64::total_cmp);
    (!cannot.into_inner()).then_some(times)
}

/// Operations a second of one thread that reads what it has just written.
pub fn read_back<S: Subject>(subject: &S, lifecycles: u64) -> f64 {
    let start = Instant::now();
    for n in 0..lifecycles {
        let id = Ids::V7.execution(n);
        for at in 0..5 {
            subject.write(vec![lifecycle(Ids::V7, n, at)]);
            assert!(subject.get(&id).is_some());
        }
    }
    (5 * lifecycles) as f64 / start.elapsed().as_secs_f64()
}

/// The rate of 64 threads while so many consumers follow the log; `None` if the subject has none.
pub fn followed<S: Subject>(subject: &S, consumers: u64, lifecycles: u64) -> Option<f64> {
    let following = subject.follow_log(consumers)?;
    let (done, time) = threads::run(subject, Ids::V7, lifecycles, 64, true);
    drop(following);
    Some(done as f64 / time.as_secs_f64())
}
