//! One subject through all cases, and the folders and the prepared stores that it has for them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cases::{Case, What};
use crate::checks;
use crate::plan::Plan;
use crate::subject::{Subject, bytes};
use crate::task::Task;
use crate::workload::{self, Ids, Op, lifecycle};
use crate::{beside, crash, history, memory, queue, reads, side_data, sizes, threads};

/// A column of the table.
pub trait Side {
    fn name(&self) -> &'static str;

    /// The figure of a case; `None` where there is none.
    fn run(&mut self, case: &Case, plan: Plan) -> Option<f64>;

    /// Removes what the round has left.
    fn end_round(&mut self);
}

pub struct Peer<S> {
    folder: PathBuf,
    /// The prepared stores that are open, by kind of id.
    open: [Option<S>; 2],
    /// The stores that are queried, which stay for all rounds; and the one that is open.
    queried: PathBuf,
    asked: Option<(u64, S)>,
}

impl<S: Subject> Peer<S> {
    pub fn new(folder: &Path) -> Self {
        let folder = folder.join(S::NAME);
        std::fs::create_dir(&folder).unwrap();
        let queried = folder.with_extension("queried");
        Self { folder, open: [None, None], queried, asked: None }
    }

    /// An empty folder.
    fn fresh(&self) -> PathBuf {
        let folder = self.folder.join("fresh");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    fn prepared_folder(&self, ids: Ids) -> PathBuf {
        self.folder.join(format!("prepared-{ids:?}"))
    }

    /// The prepared store, made when it is first asked for in a round.
    fn prepared(&mut self, ids: Ids, plan: Plan) -> &S {
        let (folder, n) = (self.prepared_folder(ids), plan.prepared());
        self.open[ids as usize].get_or_insert_with(|| {
            if folder.exists() {
                return S::open(&folder);
            }
            std::fs::create_dir(&folder).unwrap();
            let subject = S::open(&folder);
            for first in (0..n).step_by(1_000) {
                let all = (first..n.min(first + 1_000)).map(|n| workload::prepared(ids, n));
                let (creates, moves): (Vec<_>, Vec<_>) = all.unzip();
                subject.write(creates);
                subject.write(moves.into_iter().flatten().collect());
            }
            checks::prepared(&subject, ids, n);
            subject
        })
    }

    /// The folder of the prepared store, closed.
    fn closed(&mut self, ids: Ids, plan: Plan) -> PathBuf {
        self.prepared(ids, plan);
        if let Some(subject) = self.open[ids as usize].take() {
            subject.close();
        }
        self.prepared_folder(ids)
    }

    /// Lifecycles in transactions of 64 operations on 64 executions, as a node that batches writes them.
    fn ticks(&self, lifecycles: u64) -> PathBuf {
        let folder = self.folder.join("ticks");
        if folder.exists() {
            return folder;
        }
        std::fs::create_dir(&folder).unwrap();
        let subject = S::open(&folder);
        let rounds = lifecycles.div_ceil(64) * 5;
        for tick in 0..rounds + 4 {
            let due = (0..64).filter_map(|slot| {
                let at = (tick + slot % 5).checked_sub(4)?;
                let n = at / 5 * 64 + slot;
                (at < rounds && n < lifecycles).then(|| lifecycle(Ids::V7, n, at % 5))
            });
            let due: Vec<_> = due.collect();
            if !due.is_empty() {
                subject.write(due);
            }
        }
        checks::lifecycles(&subject, Ids::V7, lifecycles);
        subject.close();
        folder
    }

    fn single(&self, ids: Ids, lifecycles: u64, shared: bool) -> f64 {
        let subject = S::open(&self.fresh());
        let ops: Vec<Op> =
            (0..lifecycles).flat_map(|n| (0..5).map(move |at| lifecycle(ids, n, at))).collect();
        let (count, start) = (ops.len(), Instant::now());
        for op in ops {
            if shared {
                subject.share(op);
            } else {
                subject.write(vec![op]);
            }
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        checks::lifecycles(&subject, ids, lifecycles);
        rate
    }

    fn threads(&self, ids: Ids, lifecycles: u64, threads: u64, shared: bool) -> f64 {
        let subject = S::open(&self.fresh());
        let (done, time) = threads::run(&subject, ids, lifecycles, threads, shared);
        let mut entries = 0;
        subject.log(|_| entries += 1);
        assert_eq!(entries, done, "{}", S::NAME);
        if done == 5 * lifecycles {
            checks::lifecycles(&subject, ids, lifecycles);
        }
        done as f64 / time.as_secs_f64()
    }

    fn batch(&self, ids: Ids, executions: u64) -> f64 {
        let subject = S::open(&self.fresh());
        let mut time = Duration::ZERO;
        for first in (0..executions).step_by(1_000) {
            let all = first..executions.min(first + 1_000);
            let ops = all.map(|n| lifecycle(ids, n, 0)).collect();
            let start = Instant::now();
            subject.write(ops);
            time += start.elapsed();
        }
        checks::created(&subject, ids, executions);
        executions as f64 / time.as_secs_f64()
    }
}

impl<S: Subject> Side for Peer<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn run(&mut self, case: &Case, plan: Plan) -> Option<f64> {
        if S::SHARES_ALONE && !matches!(case.what, What::Threads(_) | What::Grouped | What::Queue) {
            return None;
        }
        let lifecycles = plan.count(20_000, 64);
        Some(match case.what {
            What::Single => self.single(case.ids, plan.count(2_000, 10), false),
            What::Grouped => self.single(case.ids, plan.count(2_000, 10), true),
            What::Threads(threads) => self.threads(case.ids, lifecycles, threads, true),
            What::Plain(threads) => self.threads(case.ids, lifecycles, threads, false),
            What::WithRow(threads) => {
                let subject = S::open_with_rows(&self.fresh())?;
                // As many as without a row.
                let lifecycles = if threads == 1 { plan.count(2_000, 10) } else { lifecycles };
                let (done, time) = threads::run(&subject, case.ids, lifecycles, threads, threads > 1);
                subject.verify();
                done as f64 / time.as_secs_f64()
            }
            What::Queue => queue::rate(&*S::queue(&self.fresh())?, plan.count(100_000, 160)),
            What::Batch => self.batch(case.ids, plan.count(100_000, 1_000)),
            What::Verify => {
                let subject = self.prepared(case.ids, plan);
                let start = Instant::now();
                if !subject.verify() {
                    return None;
                }
                plan.prepared() as f64 / start.elapsed().as_secs_f64()
            }
            What::MemoryBatch => {
                memory::peak::<S>(Task::MemoryBatch, &self.fresh(), plan.count(100_000, 1_000))
            }
            What::MemoryGet => {
                let folder = self.closed(case.ids, plan);
                memory::peak::<S>(Task::MemoryGet, &folder, plan.prepared())
            }
            What::Delivery { part, loaded } => {
                let times = S::open(&self.fresh()).delivery(plan.count(2_000, 50), loaded)?;
                percentile(&times, part)
            }
            What::GetBeside { beside, part } => {
                let times = beside::gets(&S::open(&self.fresh()), beside, plan.count(2_000, 50))?;
                percentile(&times, part)
            }
            What::ReadBack => beside::read_back(&S::open(&self.fresh()), plan.count(2_000, 10)),
            What::Followed(consumers) => beside::followed(&S::open(&self.fresh()), consumers, lifecycles)?,
            What::History(ask, n) if S::QUERIES => {
                let n = plan.count(n, 2_000);
                if self.asked.as_ref().is_none_or(|(open, _)| *open != n) {
                    self.asked = None;
                    self.asked = Some((n, history::prepared(&self.queried, n)));
                }
                history::rate(&self.asked.as_ref()?.1, ask, plan)
            }
            What::BulkDelete(n) if S::QUERIES => {
                history::bulk_delete::<S>(&self.fresh(), plan.count(n, 2_000))
            }
            What::SideData(what) if S::SIDE_DATA => side_data::rate::<S>(&self.fresh(), what, plan),
            What::Follow(part) => {
                let times = S::open(&self.fresh()).follow(plan.count(2_000, 50))?;
                percentile(&times, part)
            }
            What::TamperEvident(threads) => {
                let subject = S::open_tamper_evident(&self.fresh())?;
                let (done, time) = threads::run(&subject, case.ids, lifecycles, threads, true);
                subject.verify();
                done as f64 / time.as_secs_f64()
            }
            What::History(..) | What::BulkDelete(_) | What::SideData(_) => return None,
            What::OpenClean => {
                let folder = self.closed(case.ids, plan);
                median((0..5).map(|_| crash::open::<S>(&folder).1).collect())
            }
            What::OpenKilled => {
                let folder = self.closed(case.ids, plan);
                let time = crash::open_after_kill::<S>(&folder);
                std::fs::remove_dir_all(folder).unwrap();
                time
            }
            What::Size => bytes(&self.ticks(lifecycles), Metadata::len) / lifecycles as f64,
            What::Allocated => bytes(&self.ticks(lifecycles), |file| file.blocks() * 512) / lifecycles as f64,
            What::Compacted => {
                let folder = self.ticks(lifecycles);
                if !S::compact(&folder) {
                    return None;
                }
                bytes(&folder, Metadata::len) / lifecycles as f64
            }
            What::Updated { plain } => {
                let folder = self.fresh();
                let subject = if plain { S::open_plain(&folder)? } else { S::open(&folder) };
                sizes::updated(&subject, &folder, plan.count(10_000, 640))
            }
            What::Deleted if S::DELETES => {
                sizes::deleted::<S>(&self.fresh(), plan.count(100_000, 1_000).div_ceil(1_000) * 1_000)
            }
            What::Deleted => return None,
            _ => return reads::read(self.prepared(case.ids, plan), case, plan),
        })
    }

    fn end_round(&mut self) {
        self.open = [None, None];
        self.asked = None;
        std::fs::remove_dir_all(&self.folder).unwrap();
        std::fs::create_dir(&self.folder).unwrap();
    }
}

/// The value at a part of values in order of size.
fn percentile(values: &[f64], part: f64) -> f64 {
    values[((values.len() - 1) as f64 * part) as usize]
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
