//! Wakes threads and futures that wait for a change. The doorbell carries no data: the change log is the truth.
//!
//! Every waiter waits under keys, and a commit looks only at waiters under the keys that it has touched, or for everything. There
//! is no list to walk: what others wait for costs a commit nothing.
//!
//! Invariants:
//! - Commits are marked in order, while they hold the write lock; waiters are called after it is released.
//! - Nothing up to the marked head concerned a waiter that is still waiting, so it need not look there.
//! - Unknown effects, as of a commit of the caller's own, concern every waiter.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::model::error::StorageError;
use crate::model::panics::caught;
use crate::model::touch::EVERYTHING;

/// Why no commit will come any more.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Closed,
    Poisoned(StorageError),
}

/// What a wait ended with.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The head of the log as far as it is known here.
    pub(crate) head: u64,
    /// Up to here nothing concerned the one who waited.
    pub(crate) clean: u64,
    pub(crate) end: Option<End>,
}

#[derive(Debug)]
pub(crate) struct Doorbell(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    head: u64,
    end: Option<End>,
    last_ticket: u64,
    waiting: HashMap<u64, Waiter>,
    /// Under which key each ticket waits.
    places: BTreeSet<(u64, u64)>,
    /// How many were ever called, by commits or otherwise.
    called: u64,
}

#[derive(Debug)]
struct Waiter {
    keys: Arc<[u64]>,
    /// Nobody is to be called for what comes up to here.
    after: u64,
    waker: Option<Waker>,
    /// It was called by a commit, and nothing before that concerned it.
    clean: Option<u64>,
}

/// Those whom a commit concerns, to be called once the turn is over.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Waker>);

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn call(self) {
        for waker in self.0 {
            // What a caller's waker does must not fail the commit that rings.
            let _ = caught(|| waker.wake());
        }
    }
}

impl State {
    /// Takes a waiter out of its places and has it called.
    fn ring(&mut self, ticket: u64, clean: u64, calls: &mut Calls) {
        let Some(waiter) = self.waiting.get_mut(&ticket) else { return };
        waiter.clean = Some(clean.max(waiter.after));
        let called = calls.0.len();
        calls.0.extend(waiter.waker.take());
        self.called += (calls.0.len() - called) as u64;
        for key in waiter.keys.iter() {
            self.places.remove(&(*key, ticket));
        }
    }

    /// Somebody waits from here on.
    fn enter(&mut self, waiter: Waiter) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if waiter.clean.is_none() {
            self.places.extend(waiter.keys.iter().map(|key| (*key, ticket)));
        }
        self.waiting.insert(ticket, waiter);
        ticket
    }

    fn under(&self, key: u64) -> impl Iterator<Item = u64> {
        self.places.range((key, 0)..=(key, u64::MAX)).map(|(_, ticket)| *ticket)
    }

    /// But those who were called and did not come yet.
    fn everybody(&self) -> Vec<u64> {
        let waiting = self.waiting.iter().filter(|(_, waiter)| waiter.clean.is_none());
        waiting.map(|(ticket, _)| *ticket).collect()
    }

    fn take_back(&mut self, ticket: u64) -> Option<(u64, Waiter)> {
        let waiter = self.waiting.remove(&ticket)?;
        for key in waiter.keys.iter() {
            self.places.remove(&(*key, ticket));
        }
        Some((waiter.clean.unwrap_or(self.head.max(waiter.after)), waiter))
    }
}

impl Doorbell {
    pub(crate) fn new(head: u64) -> Self {
        Self(Mutex::new(State { head, ..State::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log has got the entries `from` to `to`, which touch these keys; `None`: it is not known what they touch.
    pub(crate) fn mark(&self, from: u64, to: u64, touched: Option<&[u64]>) -> Calls {
        self.mark_with(from, to, || touched)
    }

    /// The same, where it depends on those who wait by now what is known.
    pub(crate) fn mark_with<'k>(
        &self,
        from: u64,
        to: u64,
        touched: impl FnOnce() -> Option<&'k [u64]>,
    ) -> Calls {
        let (mut state, mut calls) = (self.lock(), Calls::default());
        if to <= state.head {
            return calls;
        }
        let touched = touched();
        let before = state.head;
        state.head = to;
        // Entries between that nobody told of may have touched anything.
        let touched = touched.filter(|_| from <= before + 1);
        let concerned: Vec<u64> = match touched {
            Some(keys) => {
                std::iter::once(&EVERYTHING).chain(keys).flat_map(|key| state.under(*key)).collect()
            }
            None => state.everybody(),
        };
        let clean = if touched.is_some() { from.saturating_sub(1) } else { before };
        for ticket in concerned {
            if state.waiting.get(&ticket).is_some_and(|waiter| waiter.after < to) {
                state.ring(ticket, clean, &mut calls);
            }
        }
        calls
    }

    /// The log has reached `to`, whatever came in between.
    pub(crate) fn ring(&self, to: u64) {
        self.mark(u64::MAX, to, None).call();
    }

    /// Ends every wait, now and later. The first end stands, but that a close comes after everything.
    pub(crate) fn end(&self, end: End) {
        let (mut state, mut calls) = (self.lock(), Calls::default());
        if state.end.is_none() || matches!(end, End::Closed) {
            state.end = Some(end);
        }
        let head = state.head;
        for ticket in state.everybody() {
            state.ring(ticket, head, &mut calls);
        }
        drop(state);
        calls.call();
    }

    /// Has those who wait under a key look at their own reasons to stop waiting.
    pub(crate) fn nudge(&self, key: u64) {
        let mut state = self.lock();
        let tickets: Vec<u64> = state.under(key).collect();
        let wakers =
            tickets.iter().filter_map(|ticket| state.waiting.get_mut(ticket)?.waker.take()).collect();
        drop(state);
        Calls(wakers).call();
    }

    /// The head of the log as far as it is known here.
    pub(crate) fn head(&self) -> u64 {
        self.lock().head
    }

    pub(crate) fn ended(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// How many wait, and how many were ever called.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let state = self.lock();
        (state.waiting.values().filter(|waiter| waiter.waker.is_some()).count(), state.called)
    }

    /// Waits until something beyond `after` touches one of the keys, the store ends, `stopped` says so, or `timeout` is over.
    pub(crate) fn wait(
        &self,
        after: u64,
        keys: &Arc<[u64]>,
        timeout: Duration,
        stopped: impl Fn() -> bool,
    ) -> Heard {
        let deadline = Instant::now().checked_add(timeout);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let (mut after, mut ticket) = (after, 0);
        loop {
            if let Poll::Ready(heard) = self.poll(after, keys, &mut ticket, &waker) {
                return heard;
            }
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() || stopped() {
                let clean = self.forget(&mut ticket).unwrap_or(after);
                let state = self.lock();
                return Heard { head: state.head, clean, end: state.end.clone() };
            }
            bell.wait(left);
            after = self.forget(&mut ticket).unwrap_or(after);
        }
    }

    /// For a future: leaves the waker under a ticket until something concerns it. What the ticket stood for before is forgotten.
    pub(crate) fn poll(&self, after: u64, keys: &Arc<[u64]>, ticket: &mut u64, waker: &Waker) -> Poll<Heard> {
        self.forget(ticket);
        let waker = waker.clone();
        let mut state = self.lock();
        if state.head > after || state.end.is_some() {
            return Poll::Ready(Heard { head: state.head, clean: after, end: state.end.clone() });
        }
        *ticket = state.enter(Waiter { keys: keys.clone(), after, waker: Some(waker), clean: None });
        Poll::Pending
    }

    /// For those who stay: gives a ticket under which it is noted from now on whether a commit touches one of the keys.
    pub(crate) fn enroll(&self, keys: &Arc<[u64]>) -> u64 {
        let mut state = self.lock();
        let after = state.head;
        state.enter(Waiter { keys: keys.clone(), after, waker: None, clean: None })
    }

    /// A ticket for another who waits for the same, and was told as much.
    pub(crate) fn enroll_like(&self, ticket: u64) -> u64 {
        let mut state = self.lock();
        let Some(Waiter { keys, after, clean, .. }) = state.waiting.get(&ticket) else { return 0 };
        let waiter = Waiter { keys: keys.clone(), after: *after, waker: None, clean: *clean };
        state.enter(waiter)
    }

    /// Whether a commit has touched a key of one who stays since this last said so. If none has, the waker is kept in place of the
    /// one before, until one does or the store ends.
    pub(crate) fn touched(&self, ticket: u64, waker: Option<&Waker>) -> Poll<Result<(), End>> {
        let mut waker = waker.cloned();
        let mut state = self.lock();
        let State { head, end, waiting, places, .. } = &mut *state;
        let Some(waiter) = waiting.get_mut(&ticket) else { return Poll::Ready(Err(End::Closed)) };
        if let Some(clean) = waiter.clean.take() {
            waiter.after = *head;
            places.extend(waiter.keys.iter().map(|key| (*key, ticket)));
            // Or it was the end that called.
            if clean < *head && !matches!(end, Some(End::Closed)) {
                return Poll::Ready(Ok(()));
            }
        }
        if let Some(end) = end {
            return Poll::Ready(Err(end.clone()));
        }
        std::mem::swap(&mut waiter.waker, &mut waker);
        drop(state);
        // The one before is the caller's: it is dropped without the lock.
        drop(waker);
        Poll::Pending
    }

    /// The same, and waits for it, at most for so long; then it is pending.
    pub(crate) fn wait_touched(&self, ticket: u64, timeout: Duration) -> Poll<Result<(), End>> {
        let deadline = Instant::now().checked_add(timeout);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        loop {
            if let Poll::Ready(touched) = self.touched(ticket, Some(&waker)) {
                return Poll::Ready(touched);
            }
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return self.touched(ticket, None);
            }
            bell.wait(left);
        }
    }

    /// Takes a waker back. Gives up to where nothing concerned it, if it waited.
    pub(crate) fn forget(&self, ticket: &mut u64) -> Option<u64> {
        if *ticket == 0 {
            return None;
        }
        let taken = self.lock().take_back(std::mem::replace(ticket, 0));
        // A waker is the caller's, and may do anything when it is dropped: not under the lock.
        taken.map(|(clean, _)| clean)
    }
}

/// Wakes a thread.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    sound: Condvar,
}

impl Bell {
    fn wait(&self, most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.sound.wait_timeout_while(rung, most, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.sound.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::thread;

    #[derive(Default)]
    struct Counter(AtomicU64);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn keys(keys: &[u64]) -> Arc<[u64]> {
        keys.into()
    }

    #[test]
    fn a_commit_calls_those_alone_whom_it_concerns() {
        const MANY: u64 = 50_000;
        let bell = Doorbell::new(0);
        let counters: Vec<Arc<Counter>> = (0..MANY).map(|_| Arc::default()).collect();
        let wakers: Vec<Waker> = counters.iter().cloned().map(Waker::from).collect();
        let mut tickets = vec![0; MANY as usize];
        // Polled again and again: each is there once.
        for _ in 0..3 {
            for (n, ticket) in tickets.iter_mut().enumerate() {
                let waits = bell.poll(0, &keys(&[n as u64 + 1]), ticket, &wakers[n]);
                assert!(waits.is_pending());
            }
        }
        assert_eq!(bell.counts(), (MANY as usize, 0));
        for seq in 1..=1_000 {
            bell.mark(seq, seq, Some(&[7])).call();
        }
        // The one is called once; who is called waits no more.
        assert_eq!(bell.counts().1, 1);
        assert_eq!(counters.iter().map(|c| c.0.load(Ordering::SeqCst)).sum::<u64>(), 1);
        // What it had to look at begins with what concerned it first.
        assert_eq!(bell.forget(&mut tickets[6]), Some(0));
        // What nothing concerned need not look at what was committed meanwhile.
        assert_eq!(bell.forget(&mut tickets[0]), Some(1_000));
        for ticket in &mut tickets {
            bell.forget(ticket);
        }
        assert_eq!(bell.counts(), (0, 1));
        assert!(bell.lock().places.is_empty());
    }

    #[test]
    fn what_nobody_told_of_concerns_everybody() {
        let bell = Doorbell::new(4);
        let (mut one, mut other, mut all) = (0, 0, 0);
        let wait = |ticket: &mut u64, key| bell.poll(4, &keys(&[key]), ticket, Waker::noop()).is_pending();
        assert!(wait(&mut one, 1) && wait(&mut other, 2) && wait(&mut all, EVERYTHING));
        bell.mark(5, 5, Some(&[2])).call();
        assert_eq!(bell.counts().1, 2);
        // The entries 6 and 7 came without a word.
        bell.mark(8, 8, Some(&[3])).call();
        assert_eq!(bell.counts().1, 3);
        assert_eq!((bell.forget(&mut one), bell.forget(&mut other)), (Some(5), Some(4)));
        bell.forget(&mut all);
        assert!(bell.poll(8, &keys(&[1]), &mut one, Waker::noop()).is_pending());
        bell.ring(9);
        assert_eq!(bell.forget(&mut one), Some(8));
        assert!(bell.poll(9, &keys(&[1]), &mut one, Waker::noop()).is_pending());
        bell.end(End::Poisoned(StorageError::Poisoned { reason: None }));
        let Poll::Ready(heard) = bell.poll(9, &keys(&[1]), &mut one, Waker::noop()) else {
            panic!("it waits")
        };
        assert!(matches!(heard.end, Some(End::Poisoned(_))));
        bell.end(End::Closed);
        bell.end(End::Poisoned(StorageError::Poisoned { reason: None }));
        assert!(matches!(bell.ended(), Some(End::Closed)));
    }

    /// Threads and futures that wait, give up, are called and come again, while commits are marked: no call is lost, whatever
    /// comes between a look and a wait. Each that waits for a key sees every entry of that key, and is called for it.
    #[test]
    fn no_call_is_lost_between_looking_and_waiting() {
        const KEYS: u64 = 5;
        let seed = std::env::var("EXECSTORE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(7_u64);
        println!("EXECSTORE_SEED={seed}");
        let next = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *state >> 33
        };
        let (bell, log, over) = (Doorbell::new(0), Mutex::new(Vec::<u64>::new()), AtomicBool::new(false));
        thread::scope(|scope| {
            for waiter in 0..8_u64 {
                let (bell, log, over) = (&bell, &log, &over);
                scope.spawn(move || {
                    let (mut dice, key) = (seed ^ (waiter + 1) << 20, waiter % KEYS + 1);
                    let (mut position, mut seen) = (0, 0);
                    loop {
                        let ended = over.load(Ordering::SeqCst);
                        let (found, head) = {
                            let log = log.lock().unwrap();
                            let new = &log[position as usize..];
                            (new.iter().filter(|k| **k == key).count(), log.len() as u64)
                        };
                        (position, seen) = (head, seen + found);
                        if ended {
                            break;
                        }
                        let before = position;
                        let most = match next(&mut dice) % 3 {
                            0 => Duration::ZERO,
                            1 => Duration::from_micros(next(&mut dice) % 300),
                            _ => Duration::MAX,
                        };
                        let heard = bell.wait(position, &keys(&[key, 100 + waiter]), most, || {
                            over.load(Ordering::SeqCst)
                        });
                        // It may go on from there: nothing of its own is left out.
                        assert!(heard.clean >= before);
                        let log = log.lock().unwrap();
                        assert!(
                            !log[before as usize..heard.clean as usize].contains(&key),
                            "waiter {waiter}"
                        );
                        position = heard.clean;
                    }
                    let all = log.lock().unwrap().iter().filter(|k| **k == key).count();
                    assert_eq!(seen, all, "waiter {waiter}");
                });
            }
            let mut dice = seed;
            for _ in 0..20_000 {
                let many = next(&mut dice) % 3 + 1;
                let touched: Vec<u64> = (0..many).map(|_| next(&mut dice) % KEYS + 1).collect();
                let from = {
                    let mut log = log.lock().unwrap();
                    log.extend(&touched);
                    log.len() as u64 - many + 1
                };
                // Now and then one that nobody tells of until the next.
                match next(&mut dice) % 10 {
                    0 => {}
                    1 => bell.ring(from + many - 1),
                    _ => bell.mark(from, from + many - 1, Some(&touched)).call(),
                }
                if next(&mut dice) % 50 == 0 {
                    bell.nudge(100 + next(&mut dice) % 8);
                }
            }
            over.store(true, Ordering::SeqCst);
            (0..8).for_each(|waiter| bell.nudge(100 + waiter));
            bell.ring(log.lock().unwrap().len() as u64);
        });
        assert_eq!(bell.counts().0, 0);
    }
}
