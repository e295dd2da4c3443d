//! Whose turn it is to write: first come, first served, so that no kind of writer starves another.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The line of those who wait to write through this store. Who commits through the database itself does not
/// stand in it; redb lets such a one in between two of ours.
#[derive(Debug, Default)]
pub(crate) struct Turnstile(Mutex<Line>);

#[derive(Debug, Default)]
struct Line {
    taken: bool,
    waiting: VecDeque<Arc<Ticket>>,
}

#[derive(Debug, Default)]
struct Ticket {
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
        if !line.taken {
            line.taken = true;
            return Turn(self.clone());
        }
        let ticket = Arc::new(Ticket::default());
        line.waiting.push_back(ticket.clone());
        drop(line);
        let mut called = ticket.called.lock().unwrap_or_else(PoisonError::into_inner);
        while !*called {
            called = ticket.bell.wait(called).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut line = self.0.line();
        match line.waiting.pop_front() {
            // The place stays taken: it goes to the one who has waited longest.
            Some(next) => {
                drop(line);
                *next.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
                next.bell.notify_one();
            }
            None => line.taken = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
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
        assert!(!line.line().taken);
    }

    fn line_len(line: &Turnstile) -> usize {
        line.line().waiting.len()
    }
}
