//! Whose turn it is to write, so that no kind of writer starves another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How often the turn is handed to the one who has waited longest. In between whoever is quick gets it: each
/// handing over is a change of threads, and with 64 plain writers handing over every time cost a quarter of
/// the rate.
const FAIR: Duration = Duration::from_millis(2);

/// The line of those who wait to write through this store. Who writes through the database itself does not
/// stand in it, and is let in by redb when it comes to that.
#[derive(Debug)]
pub(crate) struct Turnstile(Mutex<Line>);

#[derive(Debug)]
struct Line {
    /// Whose turn it is: the thread that asked for it.
    taken: Option<ThreadId>,
    waiting: VecDeque<Arc<Ticket>>,
    handed_over: Instant,
}

#[derive(Debug)]
struct Ticket {
    thread: ThreadId,
    call: Mutex<Call>,
    bell: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Wait,
    /// The place is free: be quick.
    Try,
    /// The place is yours.
    Yours,
}

/// The right to begin a write transaction; dropped after it has ended.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turnstile>);

impl Default for Turnstile {
    fn default() -> Self {
        Self(Mutex::new(Line { taken: None, waiting: VecDeque::new(), handed_over: Instant::now() }))
    }
}

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

    fn wait(&self) -> Call {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        while *call == Call::Wait {
            call = self.bell.wait(call).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::replace(&mut *call, Call::Wait)
    }
}

impl Turnstile {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    pub(crate) fn enter(self: &Arc<Self>) -> Turn {
        let thread = thread::current().id();
        let mut line = self.line();
        if line.taken.is_none() {
            line.taken = Some(thread);
            return Turn(self.clone());
        }
        let ticket = Arc::new(Ticket { thread, call: Mutex::new(Call::Wait), bell: Condvar::new() });
        line.waiting.push_back(ticket.clone());
        drop(line);
        // The ticket keeps its place in the line until it has the turn.
        while ticket.wait() == Call::Try {
            let mut line = self.line();
            if line.taken.is_none() {
                line.taken = Some(thread);
                line.waiting.retain(|other| !Arc::ptr_eq(other, &ticket));
                break;
            }
        }
        Turn(self.clone())
    }

    /// `true` if this very thread has the turn: whatever else waits for one, it must not wait for that.
    pub(crate) fn is_held_here(&self) -> bool {
        self.line().taken == Some(thread::current().id())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.taken = None;
        if line.waiting.is_empty() {
            return;
        }
        if line.handed_over.elapsed() >= FAIR {
            line.handed_over = Instant::now();
            if let Some(next) = line.waiting.pop_front() {
                line.taken = Some(next.thread);
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

    #[test]
    fn everybody_gets_a_turn_while_others_come_again_and_again() {
        let line = Arc::new(Turnstile::default());
        let (stop, inside) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let turn = line.enter();
                        assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
                        assert!(line.is_held_here());
                        inside.store(false, Ordering::SeqCst);
                        drop(turn);
                    }
                });
            }
            // One who is slow to come back, among those who are quick: it would wait for ever without a line.
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(1));
                drop(line.enter());
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(line.line().taken.is_none() && line.line().waiting.is_empty());
        assert!(!line.is_held_here());
    }

    #[test]
    fn a_call_that_comes_late_does_not_take_the_turn_back() {
        let ticket =
            Ticket { thread: thread::current().id(), call: Mutex::new(Call::Wait), bell: Condvar::new() };
        ticket.call(Call::Yours);
        ticket.call(Call::Try);
        assert_eq!(ticket.wait(), Call::Yours);
        ticket.call(Call::Try);
        assert_eq!(ticket.wait(), Call::Try);
    }

    #[test]
    fn the_turn_goes_to_the_one_who_has_waited_longest_once_it_is_time() {
        let line = Arc::new(Turnstile::default());
        let first = line.enter();
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (line, order) = (line.clone(), order.clone());
                let waiting = line.clone();
                let thread = thread::spawn(move || {
                    let _turn = line.enter();
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
