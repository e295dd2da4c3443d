//! The reading cases, on a prepared store with warm pages.

use std::hint::black_box;

use crate::cases::{Case, What};
use crate::checks::{self, PAGE};
use crate::plan::Plan;
use crate::rate::rate;
use crate::record::State;
use crate::subject::Subject;
use crate::workload::mix;

/// The rate of a reading case; `None` if the subject does not offer it.
pub fn read<S: Subject>(subject: &S, case: &Case, plan: Plan) -> Option<f64> {
    let (ids, n) = (case.ids, plan.prepared());
    let picks = |count: u64| (0..plan.count(count, 500)).map(move |i| mix(i ^ 0xabcd) % n);
    let rate = match case.what {
        What::Get => {
            let ids: Vec<_> = picks(100_000).map(|n| ids.execution(n)).collect();
            rate(ids.len(), |i| hold(subject.get(&ids[i]).unwrap()))
        }
        What::Job => {
            let jobs: Vec<_> = picks(20_000).map(|n| ids.job(n)).collect();
            rate(jobs.len(), |i| subject.by_job(&jobs[i], hold))
        }
        What::Events => {
            let ids: Vec<_> = picks(20_000).map(|n| ids.execution(n)).collect();
            rate(ids.len(), |i| subject.events(&ids[i], hold))
        }
        What::Live => rate(500, |_| subject.live(hold)),
        What::Count => rate(100_000, |_| hold(subject.count(State::Completed))),
        What::Counter => {
            let reads_it_anyway = subject.counter(State::Completed).is_none();
            rate(100_000, |_| match reads_it_anyway {
                true => hold(subject.count(State::Completed)),
                false => hold(subject.counter(State::Completed)),
            })
        }
        What::Page => rate(5_000, |_| hold(subject.page(None, PAGE))),
        What::DeepPage => {
            let cursor = checks::cursor_at(subject, n / 2);
            rate(5_000, |_| hold(subject.page(Some(&cursor), PAGE)))
        }
        What::Offset => {
            let depth = (n / 2) as usize;
            if subject.page_at(depth, PAGE).is_some() {
                rate(5_000, |_| hold(subject.page_at(depth, PAGE)))
            } else if S::NAME == "execstore" {
                let cursor = checks::cursor_at(subject, n / 2);
                rate(5_000, |_| hold(subject.page(Some(&cursor), PAGE)))
            } else {
                return None;
            }
        }
        What::Log => {
            let mut entries = 0;
            let logs = rate(3, |_| {
                subject.log(|entry| {
                    hold(entry);
                    entries += 1;
                });
            });
            assert_eq!(entries % (2 * n - n / 50), 0);
            logs * (2 * n - n / 50) as f64
        }
        _ => unreachable!("{}", case.name),
    };
    Some(rate)
}

/// Keeps the compiler from leaving out what nobody looks at.
fn hold<T>(value: T) {
    drop(black_box(value));
}
