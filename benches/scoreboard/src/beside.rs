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
        let (stop, cannot) = (&stop, &cannot);
        match beside {
            Beside::Writers(threads) => {
                for thread in 0..threads {
                    scope.spawn(move || {
                        let mut n = (1 + thread) << 40;
                        while !stop.load(Ordering::Relaxed) {
                            (0..5).for_each(|at| subject.share(lifecycle(Ids::V7, n, at)));
                            n += 1;
                        }
                    });
                }
            }
            Beside::Held => {
                scope.spawn(move || {
                    // Something that a reader must see, and then the transaction that is held.
                    subject.write(vec![lifecycle(Ids::V7, READ, 0)]);
                    cannot.store(!subject.hold(|| stop.load(Ordering::Relaxed)), Ordering::Relaxed);
                });
            }
        }
        let mut times = Vec::new();
        for n in 0..samples {
            let id = Ids::V7.execution(n % READ);
            let start = Instant::now();
            assert!(subject.get(&id).is_some());
            times.push(start.elapsed().as_secs_f64() * 1e6);
            std::thread::sleep(Duration::from_micros(500));
        }
        stop.store(true, Ordering::Relaxed);
        times
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
