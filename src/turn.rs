//! Whose turn it is to write: first come, first served, so that no kind of writer starves another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// The line of those who wait to write through this store. Who commits through the database itself does not
/// stand in it; redb lets such a one in between two of ours.
#[derive(Debug, Default)]
pub(crate) struct Turnstile(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    /// Whose turn it is: the thread that asked for it.
    taken: Option<ThreadId>,
    waiting: VecDeque<Arc<Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    thread: ThreadId,
    called: Mutex<bool>,
    bell: Condvar,
}

/// The right to begin a write transaction; dropped after it has ended.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turnstile>);

impl Turnstile {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    pub(crate) fn enter(self: &Arc<Self>) -> Turn {
        let mut line = self.line();
        let thread = thread::current().id();
        if line.taken.is_none() {
            line.taken = Some(thread);
            return Turn(self.clone());
        }
        let ticket = Arc::new(Ticket { thread, called: Mutex::default(), bell: Condvar::new() });
        line.waiting.push_back(ticket.clone());
        drop(line);
        let mut called = ticket.called.lock().unwrap_or_else(PoisonError::into_inner);
        while !*called {
            called = ticket.bell.wait(called).unwrap_or_else(PoisonError::into_inner);
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
        match line.waiting.pop_front() {
            // The place stays taken: it goes to the one who has waited longest.
            Some(next) => {
                line.taken = Some(next.thread);
                drop(line);
                *next.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
                next.bell.notify_one();
            }
            None => line.taken = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn turns_go_in_the_order_of_arrival() {
        let line = Arc::new(Turnstile::default());
        let first = line.enter();
        let order = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (line, order) = (line.clone(), order.clone());
                let thread = thread::spawn(move || {
                    let _turn = line.enter();
                    order.lock().unwrap().push(n);
                });
                while line_len(&first.0) <= n {
                    thread::sleep(Duration::from_millis(1));
                }
                thread
            })
            .collect();
        drop(first);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*order.lock().unwrap(), (0..8).collect::<Vec<_>>());
        assert!(line.line().taken.is_none());
    }

    fn line_len(line: &Turnstile) -> usize {
        line.line().waiting.len()
    }
}
