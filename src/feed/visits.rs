//! Visits gathered in memory and written together, so that a read does not become a write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::core::Engine;
use crate::group_commit::{Admission, Committer, Pending};
use crate::model::error::{BatchError, Error};
use crate::model::execution::Header;
use crate::model::id::Incarnation;
use crate::model::text::Text;
use crate::model::visits::Visits;
use crate::write::Writer;

/// Who was visited: an id, and if it is known which execution of that id.
type Visited = (Text, Option<Incarnation>);
type Visit = (Visited, Visits);

/// How many executions are gathered before they are written unasked.
const GATHERED: usize = 1_000;

/// Counts visits of executions; made by [`Store::track_visits`](crate::Store::track_visits).
///
/// A visit is noted in memory and costs no write. What was noted is written in one transaction by
/// [`flush`](VisitTracker::flush), or without waiting once a thousand executions were visited. What was not written yet is
/// lost with the process, and with the tracker: flush before it goes.
///
/// ```
/// # use execstore::{NewExecution, Readable, Store};
/// # let store = Store::in_memory()?;
/// # store.create(NewExecution::new("j").id("snippet"))?;
/// let visits = store.track_visits();
/// for _ in 0..3 {
///     visits.visit("snippet");
/// }
/// visits.flush()?;
/// assert_eq!(store.begin_read()?.visits("snippet")?.unwrap().count, 3);
/// # Ok::<(), execstore::Error>(())
/// ```
pub struct VisitTracker {
    engine: Arc<Engine>,
    batcher: Arc<Committer>,
    noted: Mutex<HashMap<Visited, Visits>>,
}

impl std::fmt::Debug for VisitTracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VisitTracker").field("noted", &self.noted()).finish_non_exhaustive()
    }
}

impl VisitTracker {
    pub(crate) fn new(engine: Arc<Engine>, batcher: Arc<Committer>) -> Self {
        Self { engine, batcher, noted: Mutex::default() }
    }

    /// Notes that an execution was visited now. One that is not there when it is written is left out; if it was deleted and made again
    /// meanwhile, the visit counts for the one that is there then: [`visit_execution`](VisitTracker::visit_execution) knows which one it was.
    pub fn visit(&self, id: impl AsRef<str>) {
        self.visited((Text::from(id.as_ref()), None));
    }

    /// Notes that this very execution was visited now, which the caller has read. One that was deleted until it is written is left out, though another may have
    /// its id by then.
    pub fn visit_execution(&self, header: &Header) {
        self.visited((Text::from(header.id.as_str()), Some(header.incarnation)));
    }

    fn visited(&self, who: Visited) {
        let visit = Visits { count: 1, last: self.engine.settings.clock.now() };
        self.note(std::iter::once((who, visit)));
        if self.noted() >= GATHERED {
            // Nobody waits for it; if the queue is full, the next visit tries again.
            drop(self.submit(Admission::AT_ONCE));
        }
    }

    /// How many executions were visited since they were written last. One that was visited by its id and as itself counts twice.
    pub fn noted(&self) -> usize {
        self.lock().len()
    }

    /// Writes what was noted, and waits until that and what was written unasked is durable. Gives how many executions it
    /// wrote. After an error it is noted still.
    pub fn flush(&self) -> Result<usize, Error> {
        self.batcher.check_can_wait()?;
        // Even if nothing is noted: what went unasked is before it in the queue.
        let (taken, pending) = self.submit(Admission::WAITS)?;
        pending.wait().inspect_err(|_| self.note(taken.iter().cloned()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Visited, Visits>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, visits: impl Iterator<Item = Visit>) {
        let mut noted = self.lock();
        for (who, visits) in visits {
            let known = noted.entry(who).or_default();
            *known = known.and(visits);
        }
    }

    /// Hands what was noted to the group commit.
    fn submit(&self, admission: Admission) -> Result<(Arc<[Visit]>, Pending<usize>), BatchError> {
        let taken: Arc<[Visit]> = std::mem::take(&mut *self.lock()).into_iter().collect();
        let visits = taken.clone();
        let write = move |writer: &mut Writer<'_>| {
            visits.iter().try_fold(0, |written, ((id, incarnation), visits)| {
                Ok(written + usize::from(writer.add_visits_of(id, *incarnation, *visits)?))
            })
        };
        match self.batcher.submit(write, admission) {
            Ok(pending) => Ok((taken, pending)),
            Err(error) => {
                self.note(taken.iter().cloned());
                Err(error)
            }
        }
    }
}
