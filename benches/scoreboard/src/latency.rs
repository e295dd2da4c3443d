//! The time from a commit to the delivery of its change to a watcher, and from an append to the follower of the output.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use execstore::outputs::OutputFollower;

use crate::subject::Subject;
use crate::threads;
use crate::workload::{Ids, lifecycle};

/// Who loads the store meanwhile, through the group commit.
const LOAD: u64 = 16;

/// A subject that has a change feed and followers.
pub trait Watched: Subject + Sync {
    /// Waits for what is created from now on, and gives its ids.
    fn watch(&self) -> impl FnMut(Duration) -> Vec<String> + Send;

    /// Follows an output from its beginning.
    fn follower(&self, id: &str, name: &str) -> OutputFollower;
}

/// The delivery times of `samples` single commits, in order of size, in microseconds.
///
/// A commit counts from the moment at which its call returns; what is delivered before that took no time.
pub fn delivery<S: Watched>(subject: &S, samples: u64, loaded: bool) -> Vec<f64> {
    let stop = AtomicBool::new(false);
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let _end = threads::End(&stop);
        if loaded {
            threads::load(scope, subject, LOAD, &stop);
        }
        let (tell, told) = mpsc::channel();
        let watching = scope.spawn(move || {
            let mut watcher = subject.watch();
            tell.send(()).unwrap();
            let mut delivered = HashMap::new();
            let mut wanted: HashSet<_> = (0..samples).map(|n| Ids::V7.execution(n)).collect();
            while !wanted.is_empty() {
                for id in watcher(Duration::from_secs(10)) {
                    if wanted.remove(&id) {
                        delivered.insert(id, Instant::now());
                    }
                }
            }
            delivered
        });
        told.recv().unwrap();
        let mut committed = HashMap::new();
        for n in 0..samples {
            subject.write(vec![lifecycle(Ids::V7, n, 0)]);
            committed.insert(Ids::V7.execution(n), Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
        let delivered = watching.join().unwrap();
        committed
            .into_iter()
            .map(|(id, at)| delivered[&id].saturating_duration_since(at).as_secs_f64() * 1e6)
            .collect()
    });
    times.sort_by(f64::total_cmp);
    times
}

/// The times from the return of an append to the bytes at the follower, in order of size, in microseconds.
pub fn follow<S: Watched>(subject: &S, samples: u64) -> Vec<f64> {
    subject.write(vec![lifecycle(Ids::V7, 0, 0)]);
    let id = Ids::V7.execution(0);
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let mut follower = subject.follower(&id, "stdout");
        let following = scope.spawn(move || {
            let mut arrived = Vec::new();
            while (arrived.len() as u64) < samples {
                let part = follower.next_part(64, Duration::from_secs(10)).unwrap();
                arrived.extend((0..part.bytes.len() / 64).map(|_| Instant::now()));
            }
            arrived
        });
        let mut appended = Vec::new();
        for _ in 0..samples {
            subject.append(&id, "stdout", &[b'x'; 64]);
            appended.push(Instant::now());
            std::thread::sleep(Duration::from_millis(1));
        }
        let arrived = following.join().unwrap();
        let pairs = appended.into_iter().zip(arrived);
        pairs.map(|(at, arrived)| arrived.saturating_duration_since(at).as_secs_f64() * 1e6).collect()
    });
    times.sort_by(f64::total_cmp);
    times
}
