//! The cases of the history: queries by label and state, the newest, counts, a trace, a bulk delete.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use crate::plan::Plan;
use crate::rate::rate as rate_of;
use crate::record::State;
use crate::subject::Subject;
use crate::workload::{Ids, Op, mix, record};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    /// A page of 50 of a label and a state, the newest first.
    Page,
    /// The newest execution of a label.
    Latest,
    /// How many executions a label has in a state.
    Count,
    /// From the end of a chain of 1,000 back to its root.
    Trace,
}

/// The label of an execution: one of a thousand tenants. Four of five executions run, the others are new.
pub const KEY: &str = "tenant";
const TENANTS: u64 = 1_000;
const DEPTH: u64 = 1_000;
const LIMIT: usize = 50;

pub fn tenant(n: u64) -> String {
    format!("tenant-{:04}", mix(n ^ 0x7e4a) % TENANTS)
}

fn state(n: u64) -> State {
    if mix(n ^ 0x57a7e).is_multiple_of(5) { State::New } else { State::Running }
}

fn create(n: u64, label: String) -> Op {
    let mut record = record(Ids::V7, n, state(n), 0);
    record.header.previous = None;
    record.header.labels = [(KEY.into(), label.into())].into();
    // Those of the first thousand are a chain.
    record.header.parent = (n > 0 && n < DEPTH).then(|| Ids::V7.execution(n - 1).into());
    Op::Create(record, Vec::new())
}

/// A store of so many executions, made once.
pub fn prepared<S: Subject>(folder: &Path, n: u64) -> S {
    let folder = folder.join(n.to_string());
    let is_new = !folder.exists();
    std::fs::create_dir_all(&folder).unwrap();
    let subject = S::open(&folder);
    if is_new {
        fill(&subject, n, tenant);
        check(&subject, n);
    }
    subject
}

fn fill<S: Subject>(subject: &S, n: u64, label: fn(u64) -> String) {
    for first in (0..n).step_by(1_000) {
        subject.write((first..n.min(first + 1_000)).map(|n| create(n, label(n))).collect());
    }
}

/// Every subject gives the same, or its figures mean nothing.
fn check<S: Subject>(subject: &S, n: u64) {
    let label = tenant(n / 2);
    let all: Vec<u64> = (0..n).rev().filter(|n| tenant(*n) == label).collect();
    let running: Vec<u64> = all.iter().copied().filter(|n| state(*n) == State::Running).collect();
    let ids = |all: &[u64]| all.iter().map(|n| Ids::V7.execution(*n)).collect::<Vec<_>>();
    let page = subject.labelled_page(&label, State::Running, LIMIT);
    let page: Vec<_> = page.into_iter().map(|row| row.into().header.id.to_string()).collect();
    assert_eq!(page, ids(&running[..LIMIT.min(running.len())]), "{}", S::NAME);
    let latest = subject.latest(&label).unwrap().into().header.id.to_string();
    assert_eq!(latest, Ids::V7.execution(all[0]));
    assert_eq!(subject.count_labelled(&label, State::Running), running.len() as u64);
    assert_eq!(subject.trace(&Ids::V7.execution(DEPTH.min(n) - 1)), DEPTH.min(n));
}

pub fn rate<S: Subject>(subject: &S, ask: Ask, plan: Plan) -> f64 {
    let labels: Vec<_> = (0..1_000).map(|i| tenant(mix(i))).collect();
    let label = |i: usize| labels[i % labels.len()].as_str();
    let count = |full| plan.count(full, 100) as usize;
    match ask {
        Ask::Page => rate_of(count(5_000), |i| {
            drop(black_box(subject.labelled_page(label(i), State::Running, LIMIT)));
        }),
        Ask::Latest => rate_of(count(50_000), |i| drop(black_box(subject.latest(label(i))))),
        Ask::Count => rate_of(count(50_000), |i| {
            black_box(subject.count_labelled(label(i), State::Running));
        }),
        Ask::Trace => {
            let last = Ids::V7.execution(DEPTH - 1);
            rate_of(count(500), |_| {
                black_box(subject.trace(&last));
            })
        }
    }
}

/// Executions that are deleted by their label each second.
pub fn bulk_delete<S: Subject>(folder: &Path, n: u64) -> f64 {
    let subject = S::open(folder);
    fill(&subject, n, |_| "doomed".into());
    let start = Instant::now();
    subject.delete_labelled("doomed");
    let rate = n as f64 / start.elapsed().as_secs_f64();
    assert_eq!(subject.count_labelled("doomed", State::Running), 0);
    assert!(subject.latest("doomed").is_none());
    subject.verify();
    rate
}
