//! Those who write meanwhile: one with a transaction of its own for each operation, one through the group commit.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use execstore::{NewExecution, Store, Update};

/// Between two operations of one writer.
const PAUSE: Duration = Duration::from_micros(500);
/// The longest that anybody may wait.
const BOUND: Duration = Duration::from_millis(20);

/// How long the calls of one writer took.
#[derive(Default)]
pub struct Waits(Vec<Duration>);

impl Waits {
    fn of(mut self) -> Self {
        self.0.sort_unstable();
        self
    }

    fn at(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * part) as usize).map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99, longest) = (self.at(0.5), self.at(0.99), self.at(1.0));
        write!(f, "median {median:6.2} ms, p99 {p99:6.2} ms, longest {longest:6.2} ms")?;
        let above = self.0.iter().filter(|wait| **wait > BOUND).count();
        write!(f, "; {above} of {} above {BOUND:?}", self.0.len())
    }
}

/// The waits of both writers, and of a thread that does nothing: what the machine takes for itself.
pub type Meanwhile = [(&'static str, Waits); 3];

/// Does this while the writers go on.
pub fn while_writing<T>(store: &Store, act: impl FnOnce() -> T) -> (T, Meanwhile) {
    static ROUND: AtomicU64 = AtomicU64::new(0);
    let (stop, round) = (AtomicBool::new(false), ROUND.fetch_add(1, Ordering::Relaxed));
    let go_on = |write: &dyn Fn(&str, bool)| {
        let mut waits = Waits::default();
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let (id, start) = (format!("{}", n / 2), Instant::now());
            write(&id, n % 2 == 0);
            waits.0.push(start.elapsed());
            thread::sleep(PAUSE);
        }
        waits.of()
    };
    thread::scope(|scope| {
        let alone = scope.spawn(|| {
            go_on(&|n, first| {
                let id = format!("alone {round} {n}");
                let result = store.write(|w| match first {
                    true => Ok(w.create(NewExecution::new("others").id(&id)).map(drop)?),
                    false => Ok(w.update(&id, Update::new().message("again")).map(drop)?),
                });
                result.unwrap();
            })
        });
        let grouped = scope.spawn(|| {
            go_on(&|n, first| {
                let id = format!("grouped {round} {n}");
                let result = match first {
                    true => store.create(NewExecution::new("others").id(&id)).map(drop),
                    false => store.update(&id, Update::new().message("again")).map(drop),
                };
                result.unwrap();
            })
        });
        let idle = scope.spawn(|| {
            let mut waits = Waits::default();
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(PAUSE);
                waits.0.push(start.elapsed() - PAUSE);
            }
            waits.of()
        });
        let value = act();
        stop.store(true, Ordering::Relaxed);
        let of = [("transactions alone", alone), ("group commit", grouped), ("nothing but sleep", idle)];
        (value, of.map(|(who, thread)| (who, thread.join().unwrap())))
    })
}

/// The disk by itself.
pub fn sync_times(beside: &Path) -> Waits {
    let path = beside.with_extension("sync");
    let mut file = File::create(&path).unwrap();
    let times = (0..1_000).map(|_| {
        file.write_all(&[1; 4_096]).unwrap();
        let start = Instant::now();
        file.sync_data().unwrap();
        start.elapsed()
    });
    let times = Waits(times.collect()).of();
    std::fs::remove_file(path).unwrap();
    times
}
