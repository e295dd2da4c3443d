//! Where transactions wait until the journal has them on the disk. One who finds nobody syncing does it for all that wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::model::error::{CommitError, StorageError};
use crate::model::touch::Touched;

/// A transaction that was applied and nobody has been told of.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The head of the log, and the store's version, before it and after it.
    pub(crate) entries: (u64, u64),
    pub(crate) versions: (u64, u64),
    pub(crate) touched: Touched,
}

/// A place in the line: what is waited for.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Place {
    to: u64,
    /// How often what was not durable had been rolled back before.
    falls: usize,
}

/// The line.
#[derive(Debug, Default)]
pub(crate) struct SyncLine {
    state: Mutex<State>,
    /// Those who wait for the sync that is under way, and those who wait for the one after it, by turns.
    bells: [Condvar; 2],
    /// The version that a reader must see.
    needed: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    applied: u64,
    durable: u64,
    /// Who wait for durability have come up to here.
    awaited: u64,
    /// How many syncs were begun.
    syncs: u64,
    /// What the one that is under way makes durable.
    syncing: Option<u64>,
    told: VecDeque<Told>,
    /// What was durable each time that the rest was rolled back, and why it was the last time.
    falls: Vec<u64>,
    fell: Option<StorageError>,
    /// The journal had no room: somebody has to roll back what is not durable.
    falling: Option<StorageError>,
    /// No sync will succeed any more.
    broken: Option<StorageError>,
}

/// What one who wants something durable has to do.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing: it is.
    Durable,
    /// Sync.
    Lead,
    /// Roll back what is not durable: the journal had no room.
    Fall,
    /// It never will be.
    Failed(CommitError),
}

impl SyncLine {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to here was durable before the store was opened.
    pub(crate) fn begin_at(&mut self, version: u64) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        (state.applied, state.durable, state.awaited) = (version, version, version);
        *self.needed.get_mut() = version;
    }

    /// The version that a reader must see: whoever wrote up to there was told.
    pub(crate) fn needed(&self) -> u64 {
        self.needed.load(Ordering::Acquire)
    }

    /// A transaction was applied; in the order of the write lock. Gives the place where it waits; `None` if it need not.
    ///
    /// A lazy one that comes after others which wait, waits with them: it stands on what they wrote.
    pub(crate) fn enter(&self, told: Told, lazy: bool, tell: impl FnOnce(Told)) -> Option<Place> {
        let mut state = self.lock();
        let to = told.versions.1;
        state.applied = state.applied.max(to);
        if lazy && state.told.is_empty() {
            self.needed.fetch_max(to, Ordering::AcqRel);
            tell(told);
            return None;
        }
        state.awaited = state.awaited.max(to);
        state.told.push_back(told);
        Some(Place { to, falls: state.falls.len() })
    }

    /// Something was applied that is waited for and not durable.
    pub(crate) fn is_awaited(&self) -> bool {
        let state = self.lock();
        state.awaited > state.durable
    }

    /// The place of one who waits for a version that was applied.
    pub(crate) fn place(&self, to: u64) -> Place {
        Place { to, falls: self.lock().falls.len() }
    }

    /// The place of one who waits for all that was applied and is waited for.
    pub(crate) fn last(&self) -> Place {
        let state = self.lock();
        Place { to: state.awaited, falls: state.falls.len() }
    }

    /// Waits until it is durable, or there is something to do for it.
    pub(crate) fn wait(&self, place: Place) -> Next {
        let mut state = self.lock();
        loop {
            if let Some(solid) = state.falls.get(place.falls) {
                if *solid >= place.to {
                    return Next::Durable;
                }
                let reason = state.fell.clone().unwrap_or(StorageError::Poisoned { reason: None });
                return Next::Failed(CommitError::RolledBack(reason));
            }
            if state.durable >= place.to {
                if state.syncing.is_none() && state.awaited > state.durable {
                    // It was woken to sync, and need not.
                    self.bells.iter().for_each(Condvar::notify_one);
                }
                return Next::Durable;
            }
            if let Some(reason) = &state.broken {
                return Next::Failed(CommitError::Unknown(reason.clone()));
            }
            if state.falling.is_some() {
                return Next::Fall;
            }
            let Some(syncing) = state.syncing else {
                state.syncs += 1;
                state.syncing = Some(state.applied);
                return Next::Lead;
            };
            let bell = self.bell(state.syncs + u64::from(syncing < place.to));
            state = bell.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn bell(&self, sync: u64) -> &Condvar {
        let [even, odd] = &self.bells;
        if sync.is_multiple_of(2) { even } else { odd }
    }

    /// Waits until nobody syncs, and keeps others from it until [`led`](Self::led) or [`all_durable`](Self::all_durable).
    pub(crate) fn hold(&self) {
        let mut state = self.lock();
        while state.syncing.is_some() {
            state = self.bell(state.syncs).wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.syncs += 1;
        state.syncing = Some(0);
    }

    /// A sync has ended, or was not needed. Tells of what counts now, in order.
    pub(crate) fn led(&self, synced: Result<u64, StorageError>, tell: impl FnMut(Told)) {
        let mut state = self.lock();
        match synced {
            Ok(durable) => self.reached(&mut state, durable, tell),
            Err(full @ StorageError::OutOfSpace { .. }) => state.falling = Some(full),
            // The first reason stands: whoever comes later knows only that there was one.
            Err(error) => drop(state.broken.get_or_insert(error)),
        }
        self.release(state);
    }

    /// Everything that was applied is durable and visible, by redb's own commit. Ends a [`hold`](Self::hold).
    pub(crate) fn all_durable(&self, tell: impl FnMut(Told)) {
        let mut state = self.lock();
        let durable = state.applied;
        self.reached(&mut state, durable, tell);
        self.release(state);
    }

    fn release(&self, mut state: MutexGuard<'_, State>) {
        state.syncing = None;
        let all = state.falling.is_some() || state.broken.is_some() || state.awaited <= state.durable;
        let (these, next) = (self.bell(state.syncs), self.bell(state.syncs + 1));
        drop(state);
        these.notify_all();
        if all { next.notify_all() } else { next.notify_one() }
    }

    fn reached(&self, state: &mut State, durable: u64, tell: impl FnMut(Told)) {
        state.durable = state.durable.max(durable);
        let durable = state.durable;
        // Before anybody is told: what became durable together is seen together.
        let many = state.told.partition_point(|told| told.versions.1 <= durable);
        if let Some(last) = state.told.iter().take(many).next_back() {
            self.needed.fetch_max(last.versions.1, Ordering::AcqRel);
        }
        state.told.drain(..many).for_each(tell);
    }

    /// The version that stays if what nobody was told of is rolled back.
    pub(crate) fn solid(&self) -> u64 {
        self.solid_in(&self.lock())
    }

    fn solid_in(&self, state: &State) -> u64 {
        state.durable.max(self.needed.load(Ordering::Acquire))
    }

    /// Whatever is beyond [`solid`](Self::solid) was rolled back. Those who wait for it hear why.
    pub(crate) fn fallen(&self, reason: StorageError) {
        let mut state = self.lock();
        let solid = self.solid_in(&state);
        state.told.clear();
        (state.applied, state.awaited) = (solid, solid.min(state.durable));
        state.falls.push(solid);
        (state.falling, state.fell) = (None, Some(reason));
        drop(state);
        self.bells.iter().for_each(Condvar::notify_all);
    }

    /// Why what is not durable has to be rolled back, if it has to.
    pub(crate) fn falling(&self) -> Option<StorageError> {
        self.lock().falling.clone()
    }
}
