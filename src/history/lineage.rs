//! Links between executions: children and retries, the way back to the root, the tree below.

use std::collections::{HashSet, VecDeque};

use super::Rows;
use crate::format::LinkKind;
use crate::format::schema::Tag;
use crate::model::error::ReadError;
use crate::model::execution::{Execution, Header};
use crate::model::id::ExecutionId;
use crate::model::query::Query;
use crate::model::row_id::RowId;
use crate::model::text::Text;
use crate::read::{View, find, load};
use crate::storage::damaged;

/// The executions that are linked to one, up and down: see [`Readable::lineage`](crate::Readable::lineage).
#[derive(Debug)]
pub struct Lineage<'r, R: ?Sized> {
    reader: &'r R,
    id: Text,
}

impl<'r, R: View + ?Sized> Lineage<'r, R> {
    pub(crate) fn new(reader: &'r R, id: &str) -> Self {
        Self { reader, id: id.into() }
    }

    /// The way from the execution back to the one that began it, both included: to the parent, or where there is none
    /// to the previous attempt; see [`attempts`](Lineage::attempts) for those of an execution that has a parent. Costs a
    /// look-up for each step. For an unknown execution it is empty, and that execution is the
    /// [missing](Trace::missing) one.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// store.create(NewExecution::new("j").id("step").parent("flow"))?;
    /// let r = store.begin_read()?;
    /// let mut trace = r.lineage("step").trace();
    /// assert_eq!(trace.next().unwrap()?.id, "step");
    /// assert!(trace.next().is_none());
    /// assert_eq!(trace.missing().unwrap(), &"flow"); // not in this store
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn trace(&self) -> Trace<'r> {
        trace(self.reader, &self.id)
    }

    /// The tree of executions below this one, which comes first: each as its depth and its header, before its children,
    /// and these in the order of creation. Holds as much as the tree is deep. Empty for an unknown execution.
    pub fn tree(&self) -> Result<Tree<'r>, ReadError> {
        tree(self.reader, &self.id)
    }

    /// All attempts that this one is among, the first one first: back over `previous`, then onward over what replaced
    /// it; where one was retried more than once, all of its retries come before theirs, each list oldest first. Attempts
    /// that were deleted are stepped over; where the first ones were, their retries are still one list. Empty for an
    /// unknown execution.
    pub fn attempts(&self) -> Result<Vec<Header>, ReadError> {
        attempts(self.reader, &self.id)
    }

    /// The executions whose parent this is, oldest first: this very one, and not another that had the id before. For an id
    /// that nobody has, all that name it. The same as a query with [`Query::parent`], which also lists them without their
    /// payloads, pages them and counts them.
    pub fn children(&self) -> Result<Rows<'r, Execution>, ReadError> {
        linked(self.reader, Query::new().parent(self.id.clone()))
    }

    /// The executions that replace this attempt, oldest first; more than one if it was retried twice. The same holds for its
    /// id as for [`children`](Lineage::children).
    pub fn retries(&self) -> Result<Rows<'r, Execution>, ReadError> {
        linked(self.reader, Query::new().previous(self.id.clone()))
    }
}

/// Those that have a link to an execution, oldest first.
fn linked<'r, V: View + ?Sized>(view: &'r V, query: Query) -> Result<Rows<'r, Execution>, ReadError> {
    super::finished(view, query.oldest_first(), true, |found| Some(load(view, found)))
}

/// What a link leads to, by its id and number, be it there or not.
type Target = (ExecutionId, RowId);

/// The record of a number, and where one of its links leads.
type Step<'r> = dyn Fn(RowId) -> Result<Option<(Header, Option<Target>)>, ReadError> + 'r;

/// Finds a cycle on a way in constant memory (R. P. Brent, "An improved Monte Carlo factorization algorithm",
/// 1980): each execution is compared with one that is left behind after 1, 2, 4, 8 ... steps. Links of a sound store have no
/// cycles; those of a damaged one must not be walked for ever.
#[derive(Default)]
struct Marker {
    mark: Option<RowId>,
    steps: u64,
    limit: u64,
}

impl Marker {
    /// An error if the way has come back to the mark.
    fn pass(&mut self, number: RowId, id: &ExecutionId) -> Result<(), ReadError> {
        if self.mark == Some(number) {
            return Err(leads_back(number, id));
        }
        if self.steps == self.limit {
            self.mark = Some(number);
            (self.steps, self.limit) = (0, (self.limit * 2).max(1));
        }
        self.steps += 1;
        Ok(())
    }
}

/// Writing refuses cycles, so one that is there is damage.
fn leads_back(number: RowId, id: &ExecutionId) -> ReadError {
    let reason = format!("its links lead from the execution {id:?} back to it");
    damaged(Tag::Executions, &number.to_be_bytes(), reason).into()
}

/// The record of a target; `None` if it is not there, or not yet.
fn at<V: View + ?Sized>(view: &V, (id, number): &Target) -> Result<Option<Box<Header>>, ReadError> {
    let Some(found) = view.tables().execution(*number, &view.settings().lifecycle)? else { return Ok(None) };
    if found.header.id != *id {
        let key = number.to_be_bytes();
        return Err(damaged(Tag::Executions, &key, "the record is of another id than the link").into());
    }
    Ok(Some(found.header))
}

/// The way from an execution back to the one that began it: see [`Lineage::trace`](crate::lineage::Lineage::trace).
pub struct Trace<'r> {
    step: Box<Step<'r>>,
    next: Option<Result<Target, ReadError>>,
    missing: Option<ExecutionId>,
    marker: Marker,
}

impl std::fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace")
            .field("next", &self.next)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl Trace<'_> {
    /// The execution that the last one has a link to and that is not in the store, if the way ended there. Known
    /// once the iterator has ended.
    pub fn missing(&self) -> Option<&ExecutionId> {
        self.missing.as_ref()
    }

    fn step(&mut self, (id, number): Target) -> Result<Option<Header>, ReadError> {
        self.marker.pass(number, &id)?;
        match (self.step)(number)? {
            Some((header, _)) if header.id != id => {
                let key = number.to_be_bytes();
                Err(damaged(Tag::Executions, &key, "the record is of another id than the link").into())
            }
            Some((header, next)) => {
                self.next = next.map(Ok);
                Ok(Some(header))
            }
            None => {
                self.missing = Some(id);
                Ok(None)
            }
        }
    }
}

impl Iterator for Trace<'_> {
    type Item = Result<Header, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next.take()?.and_then(|place| self.step(place)).transpose()
    }
}

fn trace<'r, V: View + ?Sized>(view: &'r V, id: &str) -> Trace<'r> {
    let step = move |number: RowId| {
        let Some(found) = view.tables().execution(number, &view.settings().lifecycle)? else {
            return Ok(None);
        };
        let header = found.header;
        let link = header.parent.as_ref().map(|id| (LinkKind::Parent, id));
        let link = link.or_else(|| header.previous.as_ref().map(|id| (LinkKind::Previous, id)));
        let next = match link {
            Some((kind, id)) => Some((id.clone(), view.tables().link(kind, id.as_str(), number)?.target)),
            None => None,
        };
        Ok(Some((*header, next)))
    };
    let mut trace = Trace { step: Box::new(step), next: None, missing: None, marker: Marker::default() };
    match find(view, id) {
        Ok(Some(found)) => trace.next = Some(Ok((found.header.id, found.number))),
        Ok(None) => trace.missing = Some(ExecutionId::from_stored(id.into())),
        Err(error) => trace.next = Some(Err(error)),
    }
    trace
}

/// All attempts at what an execution is an attempt at: back over `previous` to the first one, then onward over
/// everything that replaced it. Those that were deleted are stepped over.
fn attempts<V: View + ?Sized>(view: &V, id: &str) -> Result<Vec<Header>, ReadError> {
    let Some(found) = find(view, id)? else { return Ok(Vec::new()) };
    let tables = view.tables();
    let (mut first, mut marker) = ((found.header.id.clone(), found.number), Marker::default());
    let mut header = Some(found.header);
    while let Some(previous) = header.take().and_then(|header| header.previous) {
        marker.pass(first.1, &first.0)?;
        let to = tables.link(LinkKind::Previous, previous.as_str(), first.1)?;
        // The first one may be gone, and what replaced it is one list all the same.
        first = match to.over {
            Some((id, number)) => (ExecutionId::from_stored(id), number),
            None => (previous, to.target),
        };
        header = at(view, &first)?;
    }
    let (mut attempts, mut todo) = (Vec::new(), VecDeque::from([first]));
    let mut seen = HashSet::new();
    while let Some(place) = todo.pop_front() {
        if !seen.insert(place.1) {
            continue;
        }
        let mut next = Vec::new();
        for kind in [LinkKind::Previous, LinkKind::Over] {
            for row in tables.linked_to(kind, place.0.as_str(), Some(place.1), &RowId::ALL)? {
                next.push(row?);
            }
        }
        next.sort_unstable();
        for number in next {
            todo.push_back((child(view, number)?.id, number));
        }
        attempts.extend(at(view, &place)?.map(|header| *header));
    }
    Ok(attempts)
}

/// What comes next below an execution: rows that cannot be read, then a child and its number.
#[derive(Default)]
struct Below {
    damaged: Vec<ReadError>,
    child: Option<(RowId, Result<Header, ReadError>)>,
}

type NextChild<'r> = dyn Fn(&ExecutionId, RowId, RowId) -> Result<Below, ReadError> + 'r;

/// A place on the way down: an execution, its number, and that of the last of its children that was given.
struct Level {
    id: ExecutionId,
    number: RowId,
    last_child: RowId,
}

/// A tree of executions, from the top down: see [`Lineage::tree`](crate::lineage::Lineage::tree).
pub struct Tree<'r> {
    next_child: Box<NextChild<'r>>,
    root: Option<(RowId, Header)>,
    path: Vec<Level>,
    on_path: HashSet<RowId>,
    damaged: VecDeque<ReadError>,
}

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("depth", &self.path.len()).finish_non_exhaustive()
    }
}

impl Tree<'_> {
    fn enter(&mut self, number: RowId, header: Header) -> (usize, Header) {
        let depth = self.path.len();
        self.path.push(Level { id: header.id.clone(), number, last_child: RowId::NONE });
        self.on_path.insert(number);
        (depth, header)
    }

    /// Nothing more is given: the links, or the file, cannot be followed.
    fn end(&mut self, error: ReadError) -> Option<<Self as Iterator>::Item> {
        self.path.clear();
        Some(Err(error))
    }
}

impl Iterator for Tree<'_> {
    /// How far below the root, and the execution.
    type Item = Result<(usize, Header), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((number, root)) = self.root.take() {
            return Some(Ok(self.enter(number, root)));
        }
        loop {
            if let Some(error) = self.damaged.pop_front() {
                return Some(Err(error));
            }
            let level = self.path.last_mut()?;
            let below = match (self.next_child)(&level.id, level.number, level.last_child) {
                Ok(below) => below,
                Err(error) => return self.end(error),
            };
            self.damaged.extend(below.damaged);
            let Some((number, child)) = below.child else {
                let left = self.path.pop()?;
                self.on_path.remove(&left.number);
                continue;
            };
            level.last_child = number;
            match child {
                Ok(child) if self.on_path.contains(&number) => {
                    return self.end(leads_back(number, &child.id));
                }
                Ok(child) if self.damaged.is_empty() => return Some(Ok(self.enter(number, child))),
                // Given when the rows before it have been.
                Ok(_) => level.last_child = RowId(number.0.saturating_sub(1)),
                // It cannot be read, and hides those below it alone.
                Err(error @ ReadError::Storage(_)) => return self.end(error),
                Err(error) => self.damaged.push_back(error),
            }
        }
    }
}

fn tree<'r, V: View + ?Sized>(view: &'r V, id: &str) -> Result<Tree<'r>, ReadError> {
    let root = find(view, id)?.map(|found| (found.number, *found.header));
    let next_child = move |parent: &ExecutionId, number: RowId, last: RowId| {
        let mut below = Below::default();
        let Some(first) = last.0.checked_add(1).map(RowId) else { return Ok(below) };
        let numbers = first..=RowId::MAX;
        for number in view.tables().linked_to(LinkKind::Parent, parent.as_str(), Some(number), &numbers)? {
            match number {
                Ok(number) => {
                    below.child = Some((number, child(view, number)));
                    break;
                }
                Err(error @ ReadError::Storage(_)) => return Err(error),
                Err(error) => below.damaged.push(error),
            }
        }
        Ok(below)
    };
    let (path, on_path, damaged) = (Vec::new(), HashSet::new(), VecDeque::new());
    Ok(Tree { next_child: Box::new(next_child), root, path, on_path, damaged })
}

fn child<V: View + ?Sized>(view: &V, number: RowId) -> Result<Header, ReadError> {
    let found = view.tables().execution(number, &view.settings().lifecycle)?;
    let missing = || damaged(Tag::Links, &number.to_be_bytes(), "the execution of the row is missing");
    Ok(*found.ok_or_else(missing)?.header)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many steps of a way that goes round from the `start`th to the `end`th place are taken.
    fn steps(start: u64, end: u64) -> u64 {
        let (mut marker, mut at) = (Marker::default(), 0);
        for step in 0..100_000 {
            if let Err(error) = marker.pass(RowId(at), &ExecutionId::from_stored("e".into())) {
                assert!(matches!(error, ReadError::Damaged(_)), "writing refuses cycles: {error}");
                return step;
            }
            at = if at == end { start } else { at + 1 };
        }
        u64::MAX
    }

    #[test]
    fn a_way_that_goes_round_is_found_soon_and_another_is_not_taken_for_one() {
        for (start, end) in [(0, 0), (0, 1), (3, 3), (0, 99), (70, 99), (1_000, 1_002), (5, 5_000)] {
            let places = end + 1;
            let steps = steps(start, end);
            assert!((places - start..=4 * places + 4).contains(&steps), "{start} {end}: {steps}");
        }
        assert_eq!(steps(0, 1_000_000), u64::MAX);
    }
}
