//! Which thread holds what of which store, and which thread waits for what: a wait that could never end is refused.
//!
//! Only a thread that holds something can close a circle, so nobody else pays for this. A wait is entered in one list of the
//! process, whichever stores it concerns, before it begins: of those that would close a circle the last one finds it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

thread_local! {
    // Without destructors, so that they are there while those of other thread-locals run.
    static HERE: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<u32> = const { Cell::new(0) };
}

static LAST: AtomicU64 = AtomicU64::new(0);
static WAITING: Mutex<BTreeMap<u64, Awaited>> = Mutex::new(BTreeMap::new());

/// The number of this thread, from 1; 0 where it cannot be known.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread that is ending holds nothing, and nothing of this is stored"
)]
pub(crate) fn here() -> u64 {
    HERE.try_with(|here| {
        if here.get() == 0 {
            here.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        here.get()
    })
    .unwrap_or(0)
}

/// What one thread at a time holds.
#[derive(Debug, Default)]
pub(crate) struct Post(AtomicU64);

impl Post {
    /// This thread holds it now.
    pub(crate) fn take(&self) {
        self.0.store(here(), Ordering::SeqCst);
        let _ = HELD.try_with(|held| held.set(held.get() + 1));
    }

    /// This thread holds it until that is dropped.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.take();
        Hold(self)
    }

    /// This thread was the last to hold it.
    pub(crate) fn note(&self) {
        self.0.store(here(), Ordering::SeqCst);
    }

    /// This thread gives it back.
    pub(crate) fn leave(&self) {
        self.0.store(0, Ordering::SeqCst);
        let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
    }

    pub(crate) fn is_mine(&self) -> bool {
        let holder = self.holder();
        holder != 0 && holder == here()
    }

    fn holder(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A post that this thread holds, until it is dropped.
#[must_use]
pub(crate) struct Hold<'p>(&'p Post);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// What the threads of one store, and those that use it, hold.
#[derive(Debug, Default)]
pub(crate) struct Posts {
    /// The turn to write.
    pub(crate) turn: Post,
    /// A writer that was joined to the caller's own transaction.
    pub(crate) joined: Post,
    /// Who joined one last: the caller's transaction may be open still.
    pub(crate) joined_last: Post,
    /// A closure of the caller's that writes: nothing else happens on its thread until it returns.
    pub(crate) inside: Post,
    /// The thread that runs what others write.
    pub(crate) worker: Post,
    /// The thread that answers them.
    pub(crate) settler: Post,
    /// A caller of the group commit who commits alone.
    pub(crate) commit_directly: Post,
}

impl Posts {
    /// Nobody else writes before this thread has gone on.
    pub(crate) fn writes_here(&self) -> bool {
        self.turn.is_mine() || self.joined.is_mine()
    }

    /// Nothing is committed before this thread has gone on.
    pub(crate) fn is_needed_here(&self) -> bool {
        self.writes_here() || self.commits_here()
    }

    /// This thread commits for the group commit, or runs one of its closures.
    pub(crate) fn commits_here(&self) -> bool {
        self.worker.is_mine() || self.settler.is_mine() || self.commit_directly.is_mine()
    }
}

/// What a thread waits for.
#[derive(Clone, Debug)]
pub(crate) enum Awaited {
    /// The turn to write.
    WriteGuard(Arc<Posts>),
    /// A commit of the group commit, or room in its queue.
    Commit(Arc<Posts>),
    /// The end of a thread that holds this.
    End(Arc<Post>),
}

impl Awaited {
    /// The threads that must go on first; 0 for nobody.
    fn holders(&self) -> [u64; 4] {
        match self {
            Self::WriteGuard(posts) => [posts.turn.holder(), posts.joined.holder(), 0, 0],
            Self::Commit(posts) => {
                let commits = match posts.commit_directly.holder() {
                    0 => posts.worker.holder(),
                    commit_directly => commit_directly,
                };
                [commits, posts.settler.holder(), posts.turn.holder(), posts.joined.holder()]
            }
            Self::End(post) => [post.holder(), 0, 0, 0],
        }
    }

    /// `true` if who must go on first waits for this thread, at however many removes.
    fn comes_back(&self, waiting: &BTreeMap<u64, Awaited>, me: u64) -> bool {
        let (mut next, mut seen) = (vec![self], Vec::new());
        while let Some(awaited) = next.pop() {
            for holder in awaited.holders() {
                if holder == me {
                    return true;
                }
                if holder != 0 && !seen.contains(&holder) {
                    seen.push(holder);
                    next.extend(waiting.get(&holder));
                }
            }
        }
        false
    }
}

/// A wait that would be for the very thread that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForItself;

/// A wait that is entered in the list, until it is dropped.
#[must_use]
#[derive(Debug)]
pub(crate) struct Waiting(Option<u64>);

impl Waiting {
    /// To be called before this thread waits.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread that is ending holds nothing, and nothing of this is stored"
    )]
    pub(crate) fn begin(awaited: impl FnOnce() -> Awaited) -> Result<Self, ForItself> {
        if HELD.try_with(Cell::get).unwrap_or(0) == 0 {
            return Ok(Self(None));
        }
        let (me, awaited) = (here(), awaited());
        let mut waiting = list();
        if awaited.comes_back(&waiting, me) {
            return Err(ForItself);
        }
        waiting.insert(me, awaited);
        Ok(Self(Some(me)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(me) = self.0 {
            let ended = list().remove(&me);
            drop(ended);
        }
    }
}

fn list() -> MutexGuard<'static, BTreeMap<u64, Awaited>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn who_holds_nothing_may_wait_for_anything() {
        let posts = Arc::new(Posts::default());
        thread::scope(|scope| {
            let (held, hold) = channel();
            let (end, ended) = channel::<()>();
            let of_other = posts.clone();
            scope.spawn(move || {
                of_other.turn.take();
                held.send(()).unwrap();
                let _ = ended.recv();
                of_other.turn.leave();
            });
            hold.recv().unwrap();
            assert!(Waiting::begin(|| Awaited::WriteGuard(posts.clone())).is_ok());
            drop(end);
        });
        posts.turn.take();
        assert!(posts.writes_here());
        for awaited in [Awaited::WriteGuard(posts.clone()), Awaited::Commit(posts.clone())] {
            assert_eq!(Waiting::begin(|| awaited).map(drop), Err(ForItself));
        }
        posts.turn.leave();
        assert!(!posts.writes_here());
        drop(Waiting::begin(|| Awaited::WriteGuard(posts)).unwrap());
    }

    #[test]
    fn a_circle_over_several_stores_is_found_by_the_last_who_would_close_it() {
        const STORES: usize = 5;
        let stores: Vec<Arc<Posts>> = (0..STORES).map(|_| Arc::default()).collect();
        let (ready, is_ready) = channel();
        let threads: Vec<_> = (0..STORES - 1)
            .map(|n| {
                let (mine, next, ready) = (stores[n].clone(), stores[n + 1].clone(), ready.clone());
                let (go, gone) = channel::<()>();
                let thread = thread::spawn(move || {
                    mine.worker.take();
                    let waiting = Waiting::begin(|| Awaited::Commit(next)).unwrap();
                    ready.send(()).unwrap();
                    let _ = gone.recv();
                    drop(waiting);
                    mine.worker.leave();
                });
                (thread, go)
            })
            .collect();
        threads.iter().for_each(|_| is_ready.recv().unwrap());
        stores[STORES - 1].commit_directly.take();
        assert!(Waiting::begin(|| Awaited::Commit(stores[0].clone())).is_err());
        for (thread, go) in threads {
            drop(go);
            thread.join().unwrap();
        }
        assert!(Waiting::begin(|| Awaited::Commit(stores[0].clone())).is_ok());
        stores[STORES - 1].commit_directly.leave();
    }
}
