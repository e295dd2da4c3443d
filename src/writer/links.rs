//! The checks on links between executions: those that must not be missing, and those that would make a cycle.

use std::collections::HashSet;

use super::Writer;
use super::indexes::links;
use crate::codec::{LinkKind, link_prefix};
use crate::context::MissingLinks;
use crate::error::WriteError;
use crate::execution::Header;
use crate::id::ExecutionId;
use crate::reader::find;
use crate::schema::Tag;

impl Writer<'_> {
    /// Checks the links that are new in a record.
    ///
    /// A new link can only close a cycle if somebody has a link to this execution already, so nothing is walked
    /// where nobody has.
    pub(super) fn check_links(&self, after: &Header, before: Option<&Header>) -> Result<(), WriteError> {
        let mut linked = None;
        for (kind, target) in links(after) {
            let known = before.is_some_and(|before| {
                links(before).into_iter().any(|(other, old)| other == kind && old == target)
            });
            let Some(target) = target.filter(|_| !known) else { continue };
            if *target == after.id {
                return Err(cycle(after, target));
            }
            if self.context.missing_links == MissingLinks::Refuse
                && self.tables.number(target.as_str())?.is_none()
            {
                return Err(WriteError::MissingLink { id: after.id.clone(), missing: target.clone() });
            }
            let linked = match linked {
                Some(linked) => linked,
                None => *linked.insert(self.is_linked(after.id.as_str())?),
            };
            if linked && self.leads_to(target, &after.id)? {
                return Err(cycle(after, target));
            }
        }
        Ok(())
    }

    /// Somebody has a link to this execution.
    fn is_linked(&self, id: &str) -> Result<bool, WriteError> {
        for kind in LinkKind::BOTH {
            let prefix = link_prefix(kind, id);
            if self.tables.index_rows(Tag::Links, &prefix, &(0..=u64::MAX))?.next().transpose()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Following parents and previous attempts from one execution leads to another.
    fn leads_to(&self, from: &ExecutionId, to: &ExecutionId) -> Result<bool, WriteError> {
        let (mut todo, mut seen) = (vec![from.clone()], HashSet::from([from.clone()]));
        while let Some(id) = todo.pop() {
            let Some(found) = find(self, id.as_str())? else { continue };
            for target in links(&found.header).into_iter().filter_map(|(_, target)| target) {
                if target == to {
                    return Ok(true);
                }
                if seen.insert(target.clone()) {
                    todo.push(target.clone());
                }
            }
        }
        Ok(false)
    }
}

fn cycle(header: &Header, target: &ExecutionId) -> WriteError {
    WriteError::Cycle { id: header.id.clone(), link: target.clone() }
}
