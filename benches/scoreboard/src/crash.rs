//! O: how long it takes to open a store and get one execution, after a clean close and after `kill -9`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::subject::Subject;
use crate::task::{Task, command};
use crate::threads;
use crate::workload::Ids;

/// In milliseconds. The get is counted because some recover on the first access only.
pub fn open<S: Subject>(folder: &Path) -> (S, f64) {
    let id = Ids::V7.execution(0);
    let start = Instant::now();
    let subject = S::open(folder);
    let row = subject.get(&id);
    let time = start.elapsed();
    assert!(row.is_some(), "{}", S::NAME);
    (subject, time.as_secs_f64() * 1_000.0)
}

/// Kills a child in the middle of W64 on the store in the folder, then opens it.
pub fn open_after_kill<S: Subject>(folder: &Path) -> f64 {
    let mut child = command::<S>(Task::Crash, folder, 0).spawn().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "{}: the child failed", S::NAME);
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    let (subject, time) = open::<S>(folder);
    subject.verify();
    let (mut entries, mut last) = (0, 0);
    subject.log(|entry| {
        entries += 1;
        last = entry.into().seq;
    });
    assert_eq!(entries, last, "{}: the log has gaps", S::NAME);
    subject.close();
    time
}

/// The child's side.
pub fn write<S: Subject>(folder: &Path) {
    let subject = S::open(folder);
    threads::for_ever(&subject, 1 << 30, || println!("ready"));
}
