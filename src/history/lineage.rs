//! Links between executions: children and retries, the way back to the root, the tree below.

use std::collections::{HashSet, VecDeque};

use super::candidates::numbers;
use super::plan::{ALL, Way};
use super::{Matches, executions};
use crate::error::ReadError;
use crate::execution::{Execution, Header};
use crate::id::ExecutionId;
use crate::query::{Access, Plan, Query};
use crate::reader::find;
use crate::reader::sealed::View;

/// Those that have a link to an execution, oldest first.
pub(crate) fn linked<'r, V: View + ?Sized>(
    view: &'r V,
    query: Query,
) -> Result<Matches<'r, Execution>, ReadError> {
    executions(view, &query.oldest_first())
}

type Step<'r> = dyn Fn(&ExecutionId) -> Result<Option<Header>, ReadError> + 'r;

/// The way from an execution back to the one that began it: see [`Readable::trace`](crate::Readable::trace).
pub struct Trace<'r> {
    step: Box<Step<'r>>,
    next: Option<ExecutionId>,
    missing: Option<ExecutionId>,
    /// Links of a sound store have no cycles; those of a damaged one must not be walked for ever.
    seen: HashSet<ExecutionId>,
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
}

impl Iterator for Trace<'_> {
    type Item = Result<Header, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.take()?;
        if !self.seen.insert(id.clone()) {
            return Some(Err(super::invalid("link", format!("the links lead back to {id}"))));
        }
        match (self.step)(&id) {
            Ok(Some(header)) => {
                self.next = header.parent.clone().or_else(|| header.previous.clone());
                Some(Ok(header))
            }
            Ok(None) => {
                self.missing = Some(id);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

pub(crate) fn trace<'r, V: View + ?Sized>(view: &'r V, id: &str) -> Trace<'r> {
    Trace {
        step: Box::new(|id| Ok(find(view, id.as_str())?.map(|found| found.header))),
        next: Some(ExecutionId::from_stored(id.into())),
        missing: None,
        seen: HashSet::new(),
    }
}

/// All attempts at what an execution is an attempt at: back over `previous` to the first one, then onward over
/// everything that replaced it.
pub(crate) fn attempts<V: View + ?Sized>(view: &V, id: &str) -> Result<Vec<Header>, ReadError> {
    let Some(found) = find(view, id)? else { return Ok(Vec::new()) };
    let (mut first, mut seen) = (found.header, HashSet::new());
    while let Some(previous) = first.previous.clone() {
        if !seen.insert(first.id.clone()) {
            return Err(super::invalid("link", format!("the links lead back to {}", first.id)));
        }
        match find(view, previous.as_str())? {
            Some(found) => first = found.header,
            None => break,
        }
    }
    let (mut attempts, mut todo) = (Vec::new(), VecDeque::from([first]));
    seen.clear();
    while let Some(attempt) = todo.pop_front() {
        if !seen.insert(attempt.id.clone()) {
            continue;
        }
        let next = Query::new().previous(attempt.id.as_str()).oldest_first();
        for retry in super::summaries(view, &next)? {
            todo.push_back(retry?);
        }
        attempts.push(attempt);
    }
    Ok(attempts)
}

/// The first child after a number, and its own number.
type NextChild<'r> = dyn Fn(&ExecutionId, u64) -> Result<Option<(u64, Header)>, ReadError> + 'r;

/// A tree of executions, from the top down: see [`Readable::tree`](crate::Readable::tree).
pub struct Tree<'r> {
    next_child: Box<NextChild<'r>>,
    root: Option<Header>,
    /// The way down to where the walk is: an execution, and the last of its children that was given.
    path: Vec<(ExecutionId, u64)>,
}

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("depth", &self.path.len()).finish_non_exhaustive()
    }
}

impl Iterator for Tree<'_> {
    /// How far below the root, and the execution.
    type Item = Result<(usize, Header), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(root) = self.root.take() {
            self.path.push((root.id.clone(), 0));
            return Some(Ok((0, root)));
        }
        loop {
            let depth = self.path.len();
            let (parent, after) = self.path.last_mut()?;
            match (self.next_child)(parent, *after) {
                Ok(Some((number, child))) => {
                    *after = number;
                    let known = self.path.iter().any(|(id, _)| *id == child.id);
                    if known {
                        self.path.clear();
                        let reason = format!("the links lead back to {}", child.id);
                        return Some(Err(super::invalid("link", reason)));
                    }
                    self.path.push((child.id.clone(), 0));
                    return Some(Ok((depth, child)));
                }
                Ok(None) => {
                    self.path.pop();
                }
                Err(ReadError::Damaged(damage)) => {
                    // One child cannot be read, and hides those below it alone.
                    *after = after.saturating_add(1);
                    return Some(Err(damage.into()));
                }
                Err(error) => {
                    self.path.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

pub(crate) fn tree<'r, V: View + ?Sized>(view: &'r V, id: &str) -> Result<Tree<'r>, ReadError> {
    let root = find(view, id)?.map(|found| found.header);
    let next_child = move |parent: &ExecutionId, after: u64| {
        let query = Query::new().parent(parent.as_str()).oldest_first();
        let plan = Plan { access: Access::Parent, label: None, rows: None, sorts: false, filters: false };
        let way = Way { plan, lists: Vec::new() };
        let Some(first) = after.checked_add(1) else { return Ok(None) };
        let Some(number) = numbers(view, &query, &way, first..=*ALL.end())?.next() else {
            return Ok(None);
        };
        let number = number?;
        let found = view.tables().execution(number, &view.context().lifecycle)?;
        Ok(found.map(|found| (number, found.header)))
    };
    Ok(Tree { next_child: Box::new(next_child), root, path: Vec::new() })
}
