//! M: the peak resident memory of a process that does nothing but the case.

use std::hint::black_box;
use std::path::Path;

use crate::subject::Subject;
use crate::task::{Task, command};
use crate::workload::{Ids, lifecycle, mix};

/// In MiB, as the child tells it.
pub fn peak<S: Subject>(task: Task, folder: &Path, count: u64) -> f64 {
    let output = command::<S>(task, folder, count).output().unwrap();
    assert!(output.status.success(), "{}: {task:?} failed", S::NAME);
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse::<f64>().unwrap() / 1024.0
}

/// WB: creates this many executions.
pub fn batch<S: Subject>(folder: &Path, count: u64) {
    let subject = S::open(folder);
    for first in (0..count).step_by(1_000) {
        let all = first..count.min(first + 1_000);
        subject.write(all.map(|n| lifecycle(Ids::V7, n, 0)).collect());
    }
    subject.close();
    tell();
}

/// R1: as many random gets as the prepared store has executions.
pub fn get<S: Subject>(folder: &Path, count: u64) {
    let subject = S::open(folder);
    for n in 0..count {
        let row = subject.get(&Ids::V7.execution(mix(n) % count));
        assert!(black_box(row).is_some());
    }
    subject.close();
    tell();
}

fn tell() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    println!("{}", line.split_whitespace().nth(1).unwrap());
}
