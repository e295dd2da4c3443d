//! What was applied and redb has not committed: readers and the next writer see it over redb's last commit. See "Pending rows" in
//! `docs/architecture.md`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::model::error::StorageError;
use crate::storage::{Base, Layer, Snapshot, Tables};

/// As many layers of transactions that are durable: each look-up passes through them.
const LAYERS: usize = 8;

/// As many as there are at all, where readers that hold them keep them apart.
const MOST_LAYERS: usize = 24;

/// After so many reads of the same state it is worth having in redb.
const AT_REST: u32 = 64;

/// The rows that redb lacks, of transactions that have ended.
#[derive(Default)]
pub(crate) struct Recent(Mutex<State>);

#[derive(Default)]
struct State {
    /// What redb has committed, beneath the layers. Kept where nobody else commits, and while redb commits.
    base: Option<Arc<Base>>,
    /// Oldest first. Each becomes durable as a whole.
    layers: Vec<Ended>,
    /// The first version whose rows redb has in a transaction that is open: nobody can be shown them before it commits.
    hidden: Option<u64>,
    latest: Option<Shown>,
    /// redb commits: what a new read transaction of it would show is not certain.
    commits: bool,
}

/// Rows that lead to a version.
struct Ended {
    to: u64,
    rows: Arc<Layer>,
}

/// The snapshot of a version, for the readers until the next one.
struct Shown {
    version: u64,
    tables: Arc<Tables<Snapshot>>,
    reads: u32,
}

/// What a reader gets.
pub(crate) struct Seen {
    pub(crate) tables: Arc<Tables<Snapshot>>,
    /// It is the first to get it.
    pub(crate) is_new: bool,
    /// It was read often, and redb could have it.
    pub(crate) is_at_rest: bool,
}

/// What a writer goes on from: redb's last commit, and the layers over it.
pub(crate) type Ground = (Arc<Base>, Vec<Arc<Layer>>);

impl Recent {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state at a version, which is asked for with the lock: whatever was acknowledged is in layers up to it. `None` if redb has to
    /// commit first. `kept`: later readers may have it too, asked for with the lock as well.
    pub(crate) fn snapshot(
        &self,
        version: impl Fn() -> u64,
        kept: impl Fn() -> bool,
        begin: impl FnOnce() -> Result<Arc<Base>, StorageError>,
    ) -> Result<Option<Seen>, StorageError> {
        let mut state = self.lock();
        let version = version();
        let is_much = !state.layers.is_empty();
        if let Some(shown) = state.latest.as_mut().filter(|shown| shown.version == version) {
            shown.reads = shown.reads.saturating_add(1);
            let is_at_rest = is_much && shown.reads.is_multiple_of(AT_REST);
            return Ok(Some(Seen { tables: shown.tables.clone(), is_new: false, is_at_rest }));
        }
        if state.hides(version) {
            return Ok(None);
        }
        let kept = kept();
        let base = state.base(kept, begin)?;
        let tables = Arc::new(Tables::of(base).under(state.up_to(version)));
        let former = match kept {
            true => state.latest.replace(Shown { version, tables: tables.clone(), reads: 0 }),
            false => None,
        };
        drop(state);
        drop(former);
        Ok(Some(Seen { tables, is_new: true, is_at_rest: false }))
    }

    /// What the next writer goes on from without redb's own transaction; with the turn. `None` if redb alone has some rows.
    pub(crate) fn ground(
        &self,
        begin: impl FnOnce() -> Result<Arc<Base>, StorageError>,
    ) -> Result<Option<Ground>, StorageError> {
        let mut state = self.lock();
        if state.hidden.is_some() {
            return Ok(None);
        }
        let base = state.base(true, begin)?;
        Ok(Some((base, state.up_to(u64::MAX))))
    }

    /// What the next writer goes on from in redb's own transaction; `None` if redb gets its rows at once. So it is behind rows that redb
    /// alone has, and where nothing `waits` for redb: but what does already stays so until it is published, also if the database has
    /// just been lent.
    pub(crate) fn for_writer(&self, waits: bool) -> Option<Vec<Arc<Layer>>> {
        let state = self.lock();
        let waits = state.hidden.is_none() && (waits || !state.layers.is_empty());
        waits.then(|| state.up_to(u64::MAX))
    }

    /// The version before what redb hides.
    pub(crate) fn before_hidden(&self) -> Option<u64> {
        self.lock().hidden.map(|hidden| hidden - 1)
    }

    /// Nobody can be shown this version before redb commits.
    pub(crate) fn hides(&self, version: u64) -> bool {
        self.lock().hides(version)
    }

    /// redb has rows that nobody can be shown before it commits.
    pub(crate) fn hides_some(&self) -> bool {
        self.lock().hidden.is_some()
    }

    /// redb has committed everything.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.layers.is_empty() && state.hidden.is_none()
    }

    /// redb should have some of it before there is more.
    pub(crate) fn is_much(&self) -> bool {
        self.lock().layers.len() > MOST_LAYERS
    }

    /// All of it.
    pub(crate) fn all(&self) -> Vec<Arc<Layer>> {
        self.lock().up_to(u64::MAX)
    }

    /// What redb can commit for readers who have to see this version. Nothing while it has rows that may not be durable.
    pub(crate) fn ready(&self, version: impl Fn() -> u64) -> (u64, Vec<Arc<Layer>>) {
        let state = self.lock();
        let version = version();
        (version, if state.hidden.is_some() { Vec::new() } else { state.up_to(version) })
    }

    /// What redb's open transaction lacks: nothing while it hides some, since what came before those went first.
    pub(crate) fn lacking(&self) -> Vec<Arc<Layer>> {
        self.ready(|| u64::MAX).1
    }

    /// A transaction has ended, with the turn, whose rows lead to a version. `durable`: what was acknowledged before it. `synced`: the
    /// version that the syncs lead to which were begun before it; what comes after that becomes durable together.
    pub(crate) fn push(&self, to: u64, mut rows: Layer, durable: impl Fn() -> u64, synced: u64) {
        let mut state = self.lock();
        let durable = durable();
        let State { layers, latest, .. } = &mut *state;
        // It would keep them apart.
        let former = latest.take();
        if let Some(last) = layers.last_mut()
            && last.to > synced.max(durable)
            && let Some(waiting) = Arc::get_mut(&mut last.rows)
        {
            waiting.take_in(&mut rows);
            last.to = to;
        } else {
            layers.push(Ended { to, rows: Arc::new(rows) });
        }
        drop(former);
        while layers.len() > LAYERS {
            let end = layers.partition_point(|layer| layer.to <= durable);
            let Some([.., earlier, later]) = layers.get_mut(..end) else { break };
            let (Some(rows), Some(more)) = (Arc::get_mut(&mut earlier.rows), Arc::get_mut(&mut later.rows))
            else {
                break;
            };
            rows.take_in(more);
            earlier.to = later.to;
            layers.remove(end - 1);
        }
    }

    /// A transaction has ended, with the turn, whose rows redb has.
    pub(crate) fn hide(&self, to: u64) {
        self.lock().hidden.get_or_insert(to);
    }

    /// What lies beyond a version was taken back.
    pub(crate) fn truncate(&self, version: u64) {
        let mut state = self.lock();
        state.layers.retain(|layer| layer.to <= version);
        state.hidden = state.hidden.filter(|hidden| *hidden <= version);
        state.latest = None;
    }

    /// redb is about to commit. Until it has, whoever reads does so over what it had committed before. `begin` gives what a read
    /// transaction shows that begins now; `kept`: nobody else commits, so that it stays true until the next commit of the store's.
    pub(crate) fn commits<B: Fn() -> Option<Arc<Base>>, K: Fn() -> bool>(
        &self,
        begin: B,
        kept: K,
    ) -> Commits<'_, B, K> {
        let mut state = self.lock();
        if state.base.is_none() {
            state.base = begin();
        }
        state.commits = true;
        Commits { recent: self, begin, kept, committed: None }
    }

    /// Keeps nothing of redb's, so that it can use its pages again.
    pub(crate) fn forget_snapshot(&self) {
        let mut state = self.lock();
        // During a commit nobody could begin another one.
        let base = if state.commits { None } else { state.base.take() };
        let forgotten = (state.latest.take(), base);
        drop(state);
        drop(forgotten);
    }

    pub(crate) fn latest(&self) -> Option<Weak<Tables<Snapshot>>> {
        self.lock().latest.as_ref().map(|shown| Arc::downgrade(&shown.tables))
    }

    /// In the child of a fork: whatever is held here is the parent's.
    pub(crate) fn leak(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::forget((state.latest.take(), state.base.take()));
    }
}

impl State {
    fn hides(&self, version: u64) -> bool {
        self.hidden.is_some_and(|hidden| hidden <= version)
    }

    /// What redb has committed.
    fn base(
        &mut self,
        kept: bool,
        begin: impl FnOnce() -> Result<Arc<Base>, StorageError>,
    ) -> Result<Arc<Base>, StorageError> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        if self.commits {
            // redb gave no read transaction before it.
            return Err(StorageError::Busy);
        }
        let base = begin()?;
        self.base = kept.then(|| base.clone());
        Ok(base)
    }

    fn up_to(&self, version: u64) -> Vec<Arc<Layer>> {
        self.layers.iter().take_while(|layer| layer.to <= version).map(|layer| layer.rows.clone()).collect()
    }
}

/// A commit of redb's, until it has ended, however it does.
pub(crate) struct Commits<'r, B: Fn() -> Option<Arc<Base>>, K: Fn() -> bool> {
    recent: &'r Recent,
    begin: B,
    kept: K,
    /// The version up to which it has committed.
    committed: Option<u64>,
}

impl<B: Fn() -> Option<Arc<Base>>, K: Fn() -> bool> Commits<'_, B, K> {
    /// It has committed all that was applied, or nothing.
    pub(crate) fn ended(self, committed: bool) {
        if committed {
            self.up_to(u64::MAX);
        }
    }

    /// It has committed up to a version.
    pub(crate) fn up_to(mut self, version: u64) {
        self.committed = Some(version);
    }
}

impl<B: Fn() -> Option<Arc<Base>>, K: Fn() -> bool> Drop for Commits<'_, B, K> {
    fn drop(&mut self) {
        let mut state = self.recent.lock();
        state.commits = false;
        let mut gone = Vec::new();
        if let Some(version) = self.committed {
            // At once: the layers, and what they lie over.
            let many = state.layers.partition_point(|layer| layer.to <= version);
            gone.extend(state.layers.drain(..many));
            state.hidden = state.hidden.filter(|hidden| *hidden > version);
        }
        let kept = (self.kept)();
        let former = match (self.committed, kept) {
            (None, true) => None,
            (_, true) => std::mem::replace(&mut state.base, (self.begin)()),
            (_, false) => state.base.take(),
        };
        let former = (former, state.latest.take());
        drop(state);
        drop(former);
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::storage::process::Process;

    proptest! {
        /// Whatever is pushed, synced, held by readers and given to redb, in whatever order.
        #[test]
        fn what_is_acknowledged_is_a_whole_number_of_layers(
            acts in prop::collection::vec((0_u8..8, any::<bool>(), 1_u64..4), 0..300),
        ) {
            let recent = Recent::default();
            let (mut last, mut synced, mut durable, mut shown, mut held) = (0, 0, 0, 0, Vec::new());
            for (act, holds, more) in acts {
                match act {
                    0..=3 => {
                        last += more;
                        recent.push(last, Layer::default(), || durable, synced);
                    }
                    // A sync covers whatever was pushed before it, and nothing else.
                    4 if synced == durable => synced = last,
                    4 | 5 => durable = synced,
                    6 => held = if holds { recent.lock().up_to(durable) } else { Vec::new() },
                    _ => {
                        let (version, _) = recent.ready(|| durable);
                        let commits = recent.commits(|| None, || true);
                        commits.up_to(version);
                        shown = version;
                    }
                }
                let ends: Vec<u64> = recent.lock().layers.iter().map(|layer| layer.to).collect();
                prop_assert!(ends.is_sorted_by(|a, b| a < b), "{ends:?}");
                prop_assert!(durable <= shown || ends.contains(&durable), "{durable} of {ends:?}");
                let few = ends.iter().filter(|to| **to <= durable).count() <= LAYERS + 1;
                prop_assert!(few || !held.is_empty(), "{ends:?}");
            }
        }
    }

    /// The database is lent at any moment: then `waits` is false from one transaction to the next.
    #[test]
    fn a_writer_goes_on_from_what_is_pending_unless_redb_alone_has_more() {
        let recent = Recent::default();
        let many = |waits| recent.for_writer(waits).map(|layers| layers.len());
        assert_eq!((many(true), many(false)), (Some(0), None));
        recent.push(1, Layer::default(), || 0, 0);
        assert_eq!((many(true), many(false)), (Some(1), Some(1)));
        assert_eq!(recent.lacking().len(), 1);
        recent.hide(2);
        assert_eq!((many(true), many(false)), (None, None));
        assert!(recent.lacking().is_empty());
    }

    /// Or one that begins just before the database is lent would be kept after the last one was forgotten.
    #[test]
    fn whether_a_snapshot_is_shared_is_asked_where_it_is_kept() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let begin = || Ok(Base::new(database.begin_read().unwrap(), Process::this()));
        let recent = Recent::default();
        for shared in [true, false] {
            recent.forget_snapshot();
            let asked = || {
                assert!(recent.0.try_lock().is_err(), "it can change before the snapshot is kept");
                shared
            };
            assert!(recent.snapshot(|| 0, asked, begin).unwrap().unwrap().is_new);
            assert_eq!(recent.latest().is_some(), shared);
        }
    }
}
