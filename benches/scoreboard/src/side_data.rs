//! The cases of what lies beside a record: attachments, output streams, the nodes within an execution.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::subject::Subject;
use crate::workload::{Ids, lifecycle, mix};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SideData {
    /// Values of 1 MiB, each durable before the next.
    LargeIn,
    /// The same, read.
    LargeOut,
    /// Values of 200 bytes from 64 threads.
    Small,
    /// Pieces of 4 KiB from 16 threads, each to the output of its own execution.
    Append,
    /// The end of one node, of an execution that has 1,000; each of another attempt, since a repeated report changes nothing.
    Task,
}

const MIB: usize = 1024 * 1024;
const EXECUTIONS: u64 = 64;
const NODES: u64 = 1_000;
/// A run ends after this time, even if there is more to do.
const LIMIT: Duration = Duration::from_secs(5);

fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let words = (0..len.div_ceil(8) as u64).flat_map(|n| mix(n ^ seed << 32).to_le_bytes());
    words.take(len).collect()
}

fn id(n: u64) -> String {
    Ids::V7.execution(n % EXECUTIONS)
}

pub fn rate<S: Subject>(folder: &Path, what: SideData, plan: Plan) -> f64 {
    let subject = S::open(folder);
    subject.write((0..EXECUTIONS).map(|n| lifecycle(Ids::V7, n, 0)).collect());
    let rate = match what {
        SideData::LargeIn | SideData::LargeOut => large(&subject, what, plan.count(200, 8)),
        SideData::Small => small(&subject, plan.count(100_000, 640)),
        SideData::Append => append(&subject, plan.count(100_000, 160)),
        SideData::Task => node(&subject, plan.count(5_000, 20)),
    };
    subject.verify();
    rate
}

/// MB/s.
fn large<S: Subject>(subject: &S, what: SideData, count: u64) -> f64 {
    let values: Vec<_> = (0..8).map(|n| bytes(MIB, n)).collect();
    let value = |n: u64| &values[(n % 8) as usize];
    let name = |n: u64| format!("value-{}", n / EXECUTIONS);
    let start = Instant::now();
    for n in 0..count {
        subject.put_value(&id(n), &name(n), value(n));
    }
    let mut time = start.elapsed();
    if what == SideData::LargeOut {
        let start = Instant::now();
        for n in 0..count {
            assert_eq!(subject.value(&id(n), &name(n)).len(), MIB);
        }
        time = start.elapsed();
        assert!((0..count).all(|n| subject.value(&id(n), &name(n)) == *value(n)), "{}", S::NAME);
    }
    count as f64 * MIB as f64 / 1e6 / time.as_secs_f64()
}

/// Runs `each` from so many threads; gives how often, and in what time.
fn threads(threads: u64, count: u64, each: impl Fn(u64, u64) + Sync) -> (u64, Duration) {
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (done, each) = (&done, &each);
            scope.spawn(move || {
                for n in 0..count / threads {
                    if start.elapsed() > LIMIT {
                        break;
                    }
                    each(thread, n);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    (done.into_inner(), start.elapsed())
}

fn small<S: Subject>(subject: &S, count: u64) -> f64 {
    let value = bytes(200, 1);
    let (done, time) = threads(64, count, |thread, n| {
        subject.share_value(&id(thread), &format!("result/{n}"), &value);
    });
    assert_eq!(subject.value(&id(3), "result/0"), value, "{}", S::NAME);
    done as f64 / time.as_secs_f64()
}

fn append<S: Subject>(subject: &S, count: u64) -> f64 {
    let pieces: Vec<_> = (0..16).map(|n| bytes(4_096, n)).collect();
    let (done, time) = threads(16, count, |thread, _| {
        subject.append(&id(thread), "stdout", &pieces[thread as usize]);
    });
    let lengths: u64 = (0..16).map(|thread| subject.output(&id(thread), "stdout").len() as u64).sum();
    assert_eq!(lengths, done * 4_096, "{}", S::NAME);
    assert!(subject.output(&id(5), "stdout").chunks(4_096).all(|piece| piece == pieces[5]));
    done as f64 / time.as_secs_f64()
}

fn node<S: Subject>(subject: &S, count: u64) -> f64 {
    let name = |n: u64| format!("node-{n:04}");
    let id = id(0);
    subject.start_nodes(&id, &(0..NODES).map(name).collect::<Vec<_>>());
    let mut attempts = vec![0; NODES as usize];
    let ends = (0..count).map(|n| {
        let node = mix(n) % NODES;
        attempts[node as usize] += 1;
        (name(node), attempts[node as usize], format!(r#"{{"rows":{}}}"#, 10_000 + n))
    });
    let ends: Vec<_> = ends.collect();
    let start = Instant::now();
    for (name, attempt, value) in &ends {
        subject.end_node(&id, name, *attempt, value);
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    // A node that never ended is at its first attempt.
    let ended = attempts.iter().filter(|attempts| **attempts > 0).count() as u64;
    assert_eq!(subject.ended_nodes(&id), ended, "{}", S::NAME);
    assert_eq!(subject.node_attempts(&id), count + NODES - ended, "{}", S::NAME);
    rate
}
