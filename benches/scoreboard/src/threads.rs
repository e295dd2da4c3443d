//! W64 and W256: many threads, each operation durable before its thread goes on.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use crate::subject::Subject;
use crate::workload::{Ids, Op, lifecycle};

/// Of those that are killed in the middle.
const THREADS: u64 = 64;

/// A run ends after this time, even if operations are left: the rate does not depend on their number.
const LIMIT: Duration = Duration::from_secs(10);

/// The operations that were done, and how long they took.
pub fn run<S: Subject>(
    subject: &S,
    ids: Ids,
    lifecycles: u64,
    threads: u64,
    shared: bool,
) -> (u64, Duration) {
    let (barrier, done) = (Barrier::new(threads as usize + 1), AtomicU64::new(0));
    let mut start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mine = (thread..lifecycles).step_by(threads as usize);
            let ops: Vec<Op> = mine.flat_map(|n| (0..5).map(move |at| lifecycle(ids, n, at))).collect();
            let (barrier, done) = (&barrier, &done);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
                for op in ops {
                    if start.elapsed() > LIMIT {
                        break;
                    }
                    if shared {
                        subject.share(op);
                    } else {
                        subject.write(vec![op]);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        barrier.wait();
        start = Instant::now();
    });
    (done.into_inner(), start.elapsed())
}

/// Has so many threads write lifecycles of executions of their own, each operation durable and perhaps in a commit with others, until they
/// are to stop.
pub fn load<'s, S: Subject>(scope: &'s Scope<'s, '_>, subject: &'s S, threads: u64, stop: &'s AtomicBool) {
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

/// Has whoever waits for it stop when it is dropped, in a panic too.
pub struct End<'s>(pub &'s AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes lifecycles of new executions until the process is killed, or for half a minute. Calls `ready`
/// once every thread is at work.
pub fn for_ever<S: Subject>(subject: &S, from: u64, ready: impl FnOnce()) {
    let (done, start) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let done = &done;
            scope.spawn(move || {
                for n in (from + thread..).step_by(THREADS as usize) {
                    for at in 0..5 {
                        subject.write(vec![lifecycle(Ids::V7, n, at)]);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    if start.elapsed() > Duration::from_secs(30) {
                        break;
                    }
                }
            });
        }
        while done.load(Ordering::Relaxed) < 4 * THREADS {
            std::thread::sleep(Duration::from_millis(10));
        }
        ready();
    });
}
