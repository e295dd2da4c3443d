//! Whose turn it is to write, so that no kind of writer starves another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::error::{BeginError, Reentrant, StorageError};
use crate::storage::process::Process;
use crate::storage::waits::{Awaited, Posts, Waiting};

/// How often the turn is handed to the one who has waited longest. In between whoever is quick gets it: each
/// handing over is a change of threads, and with 64 plain writers handing over every time cost a quarter of
/// the rate.
const FAIR: Duration = Duration::from_millis(2);

/// The line of those who wait to write through this store. Who writes through the database itself does not
/// stand in it, and is let in by redb when it comes to that.
#[derive(Debug)]
pub(crate) struct WriteLock {
    line: Mutex<Line>,
    pub(crate) posts: Arc<Posts>,
    /// How long one may have the turn before those who wait for it are refused.
    limit: Duration,
    process: Process,
}

#[derive(Debug)]
struct Line {
    taken: Option<Taken>,
    waiting: VecDeque<Arc<Ticket>>,
    handed_over: Instant,
}

/// What is done with the turn, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) by: &'static str,
    pub(crate) since: Instant,
}

impl Taken {
    fn now(by: &'static str) -> Option<Self> {
        Some(Self { by, since: Instant::now() })
    }
}

#[derive(Debug)]
struct Ticket {
    by: &'static str,
    /// It gets the turn at the next change.
    first: bool,
    call: Mutex<Call>,
    bell: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Wait,
    /// The place is free, or there is something else to look at: be quick.
    Try,
    /// The place is yours.
    Yours,
}

/// The right to begin a write transaction; dropped after it has ended, on the thread that has it.
#[derive(Debug)]
pub(crate) struct WriteGuard(Arc<WriteLock>);

impl Ticket {
    fn call(&self, call: Call) {
        let mut last = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        // Calls are made outside the line's lock, so an older `Try` may come after `Yours`.
        if *last != Call::Yours {
            *last = call;
        }
        drop(last);
        self.bell.notify_one();
    }

    /// Waits to be called, at most so long; then it is as if it were told to try.
    fn wait(&self, most: Duration) -> Call {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(call, most, |call| *call == Call::Wait);
        let mut call = waited.unwrap_or_else(PoisonError::into_inner).0;
        match std::mem::replace(&mut *call, Call::Wait) {
            Call::Wait => Call::Try,
            call => call,
        }
    }
}

impl WriteLock {
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        let line = Line { taken: None, waiting: VecDeque::new(), handed_over: Instant::now() };
        Arc::new(Self { line: Mutex::new(line), posts: Arc::default(), limit, process: Process::this() })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn, as long as the store is `sound` and whoever has the turn has not had it for too long.
    pub(crate) fn enter(
        self: &Arc<Self>,
        by: &'static str,
        sound: impl Fn() -> Result<(), StorageError>,
    ) -> Result<WriteGuard, BeginError> {
        self.enter_line(by, false, sound)
    }

    /// The same, before everybody else in the line.
    pub(crate) fn enter_first(
        self: &Arc<Self>,
        by: &'static str,
        sound: impl Fn() -> Result<(), StorageError>,
    ) -> Result<WriteGuard, BeginError> {
        self.enter_line(by, true, sound)
    }

    /// Takes the turn if it is free.
    pub(crate) fn try_enter(self: &Arc<Self>, by: &'static str) -> Option<WriteGuard> {
        let mut line = self.line();
        if line.taken.is_some() || self.posts.joined.is_mine() {
            return None;
        }
        line.taken = Taken::now(by);
        Some(self.turn())
    }

    fn enter_line(
        self: &Arc<Self>,
        by: &'static str,
        first: bool,
        sound: impl Fn() -> Result<(), StorageError>,
    ) -> Result<WriteGuard, BeginError> {
        // In the caller's own transaction, which is not in the line.
        if self.posts.joined.is_mine() {
            return Err(Reentrant.into());
        }
        let mut line = self.line();
        if line.taken.is_none() {
            line.taken = Taken::now(by);
            return Ok(self.turn());
        }
        let ticket = Arc::new(Ticket { by, first, call: Mutex::new(Call::Wait), bell: Condvar::new() });
        match first {
            true => line.waiting.push_front(ticket.clone()),
            false => line.waiting.push_back(ticket.clone()),
        }
        drop(line);
        match self.wait_in_line(&ticket, sound) {
            Ok(turn) => Ok(turn),
            Err(error) => {
                let mut line = self.line();
                let places = line.waiting.len();
                line.waiting.retain(|other| !Arc::ptr_eq(other, &ticket));
                let handed = places == line.waiting.len();
                // It may have been called, and does not come.
                let next = line.taken.is_none().then(|| line.waiting.front().cloned()).flatten();
                drop(line);
                match next {
                    Some(next) => next.call(Call::Try),
                    // It was handed over at the last moment: it goes on to the next.
                    None if handed => drop(self.turn()),
                    None => {}
                }
                Err(error)
            }
        }
    }

    /// The ticket keeps its place in the line until it has the turn.
    fn wait_in_line(
        self: &Arc<Self>,
        ticket: &Arc<Ticket>,
        sound: impl Fn() -> Result<(), StorageError>,
    ) -> Result<WriteGuard, BeginError> {
        let _waiting = Waiting::begin(|| Awaited::WriteGuard(self.posts.clone())).map_err(|_| Reentrant)?;
        loop {
            sound()?;
            let mut line = self.line();
            let left = match line.taken {
                None => {
                    line.taken = Taken::now(ticket.by);
                    line.waiting.retain(|other| !Arc::ptr_eq(other, ticket));
                    return Ok(self.turn());
                }
                Some(taken) => {
                    let held = taken.since.elapsed();
                    if held >= self.limit {
                        return Err(BeginError::WriterHeld { by: taken.by, held });
                    }
                    self.limit - held
                }
            };
            drop(line);
            if ticket.wait(left) == Call::Yours {
                return Ok(self.turn());
            }
        }
    }

    fn turn(self: &Arc<Self>) -> WriteGuard {
        self.posts.turn.take();
        WriteGuard(self.clone())
    }

    /// Has everybody in the line look whether there is still something to wait for.
    pub(crate) fn nudge(&self) {
        let waiting: Vec<_> = self.line().waiting.iter().cloned().collect();
        waiting.iter().for_each(|ticket| ticket.call(Call::Try));
    }

    /// What is done with the turn, and how many wait for it.
    pub(crate) fn state(&self) -> (Option<Taken>, usize) {
        let line = self.line();
        (line.taken, line.waiting.len())
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        if self.0.process.is_another() {
            // Nobody waits in a child, and its copy of the line may be locked for ever.
            return;
        }
        self.0.posts.turn.leave();
        let mut line = self.0.line();
        line.taken = None;
        if line.waiting.is_empty() {
            return;
        }
        let first = line.waiting.front().is_some_and(|next| next.first);
        if first || line.handed_over.elapsed() >= FAIR {
            if !first {
                line.handed_over = Instant::now();
            }
            if let Some(next) = line.waiting.pop_front() {
                line.taken = Taken::now(next.by);
                drop(line);
                next.call(Call::Yours);
            }
        } else if let Some(next) = line.waiting.front().cloned() {
            drop(line);
            next.call(Call::Try);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    fn line(limit: Duration) -> Arc<WriteLock> {
        WriteLock::new(limit)
    }

    fn enter(line: &Arc<WriteLock>) -> WriteGuard {
        line.enter("a test", || Ok(())).unwrap()
    }

    #[test]
    fn everybody_gets_a_turn_while_others_come_again_and_again() {
        let line = line(Duration::MAX);
        let (stop, inside) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let turn = enter(&line);
                        assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
                        assert!(line.posts.writes_here());
                        inside.store(false, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
            // One who is slow to come back, among those who are quick: it would wait for ever without a line.
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(1));
                drop(enter(&line));
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(line.line().taken.is_none() && line.line().waiting.is_empty());
        assert!(!line.posts.writes_here());
    }

    #[test]
    fn who_waits_too_long_is_told_what_it_waits_for() {
        let line = line(Duration::from_millis(5));
        let held = enter(&line);
        thread::scope(|scope| {
            let refused = scope.spawn(|| line.enter("another", || Ok(())).map(drop)).join().unwrap();
            let Err(BeginError::WriterHeld { by: "a test", held }) = refused else { panic!("{refused:?}") };
            assert!(held >= Duration::from_millis(5));
            let refused = scope.spawn(|| line.enter("another", || Err(StorageError::Closed)).map(drop));
            assert!(matches!(refused.join().unwrap(), Err(BeginError::Storage(StorageError::Closed))));
        });
        assert!(line.line().waiting.is_empty());
        assert!(matches!(line.enter("a test", || Ok(())), Err(BeginError::Reentrant(_))));
        assert!(line.line().waiting.is_empty());
        drop(held);
        drop(enter(&line));
    }

    #[test]
    fn a_call_that_comes_late_does_not_take_the_turn_back() {
        let ticket = Ticket { by: "", first: false, call: Mutex::new(Call::Wait), bell: Condvar::new() };
        ticket.call(Call::Yours);
        ticket.call(Call::Try);
        assert_eq!(ticket.wait(Duration::ZERO), Call::Yours);
        ticket.call(Call::Try);
        assert_eq!(ticket.wait(Duration::ZERO), Call::Try);
    }

    #[test]
    fn the_turn_goes_to_the_one_who_has_waited_longest_once_it_is_time() {
        let line = line(Duration::MAX);
        let first = enter(&line);
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (line, order) = (line.clone(), order.clone());
                let waiting = line.clone();
                let thread = thread::spawn(move || {
                    let _turn = enter(&line);
                    order.lock().unwrap().push(n);
                    thread::sleep(FAIR);
                });
                while waiting.line().waiting.len() <= n {
                    thread::sleep(Duration::from_millis(1));
                }
                thread
            })
            .collect();
        drop(first);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
    }
}
