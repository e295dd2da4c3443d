//! Links between executions: the checks on them, and the rows that say where they lead.
//!
//! A link names an execution, not an id: who is created later under the id of one that was deleted has none of its links. One to
//! an id that nobody has had yet is taken up by the first execution of that id.

use std::collections::HashSet;

use super::Writer;
use crate::format::{LinkKind, LinkTo};
use crate::model::error::{ReadError, StorageError, WriteError};
use crate::model::execution::Header;
use crate::model::id::ExecutionId;
use crate::model::row_id::RowId;
use crate::model::text::Text;
use crate::storage::settings::MissingLinks;

/// Where the links lead that are new in a record, by kind: the number of an execution, or 0. `None` for one that stays.
pub(super) type Targets = [Option<RowId>; 2];

/// The links of an execution, by kind.
pub(super) fn links(header: &Header) -> [(LinkKind, Option<&ExecutionId>); 2] {
    [(LinkKind::Parent, header.parent.as_ref()), (LinkKind::Previous, header.previous.as_ref())]
}

impl Writer<'_> {
    /// Checks the links that are new in a record, and says where they lead. `named` are those that an update sets, be it to the
    /// same id, which may be another execution's by now.
    ///
    /// A new link can only close a cycle if somebody has a link to this execution already, so nothing is walked
    /// where nobody has.
    pub(super) fn check_links(
        &self,
        after: &Header,
        before: Option<&Header>,
        named: [bool; 2],
    ) -> Result<Targets, WriteError> {
        let (mut linked, mut targets) = (None, [None, None]);
        let old = before.map(|before| links(before).map(|(_, target)| target));
        for (place, (kind, target)) in links(after).into_iter().enumerate() {
            let is_same = old.is_some_and(|old| old.get(place).is_some_and(|old| *old == target));
            let named = named.get(place).is_some_and(|named| *named);
            let Some(target) = target.filter(|_| !is_same || named) else { continue };
            if *target == after.id {
                return Err(cycle(after, target));
            }
            let number = self.tables.number(target.as_str())?;
            if is_same {
                let known = self.tables.link(kind, target.as_str(), RowId::of(after))?.target;
                if number.unwrap_or(known) == known {
                    continue;
                }
            }
            if self.settings.missing_links == MissingLinks::Refuse && number.is_none() {
                return Err(WriteError::MissingLink { id: after.id.clone(), missing: target.clone() });
            }
            let linked = match linked {
                Some(linked) => linked,
                None => *linked.insert(self.is_linked(after)?),
            };
            if linked && self.leads_to(number, after)? {
                return Err(cycle(after, target));
            }
            if let Some(slot) = targets.get_mut(place) {
                *slot = Some(number.unwrap_or(RowId::NONE));
            }
        }
        Ok(targets)
    }

    /// Somebody has a link to this execution, or will have once it is created.
    fn is_linked(&self, header: &Header) -> Result<bool, WriteError> {
        for kind in LinkKind::BOTH {
            let mut rows =
                self.tables.linked_to(kind, header.id.as_str(), Some(RowId::of(header)), &RowId::ALL)?;
            if rows.next().transpose()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Following parents and previous attempts from one execution leads to another, which may be about to be created.
    fn leads_to(&self, from: Option<RowId>, to: &Header) -> Result<bool, WriteError> {
        let mut todo: Vec<RowId> = from.into_iter().collect();
        let mut seen: HashSet<RowId> = todo.iter().copied().collect();
        while let Some(number) = todo.pop() {
            let Some(found) = self.tables.execution(number, &self.settings.lifecycle)? else { continue };
            for (kind, target) in links(&found.header) {
                let Some(target) = target else { continue };
                let leads = self.tables.link(kind, target.as_str(), number)?.target;
                if leads == RowId::of(to) && *target == to.id {
                    return Ok(true);
                }
                if leads != RowId::NONE && seen.insert(leads) {
                    todo.push(leads);
                }
            }
        }
        Ok(false)
    }

    /// The rows of the links that are new, and of those that are no more.
    pub(super) fn move_links(
        &mut self,
        before: Option<&Header>,
        after: &Header,
        number: RowId,
        targets: Targets,
    ) -> Result<(), StorageError> {
        let old = before.map(|before| links(before).map(|(_, target)| target));
        for (place, (kind, new)) in links(after).into_iter().enumerate() {
            let old = old.and_then(|old| old.get(place).copied().flatten());
            let target = targets.get(place).copied().flatten();
            if old == new && target.is_none() {
                continue;
            }
            if let Some(old) = old {
                self.leave_link(kind, old, number)?;
            }
            if let Some(new) = new {
                let target = target.unwrap_or(RowId::NONE);
                self.totals.unmet += u64::from(target == RowId::NONE);
                self.tables.put_link(kind, new.as_str(), number, &LinkTo { target, over: None })?;
            }
        }
        Ok(())
    }

    /// Removes a link with what hangs on it. Where it led cannot be told of a damaged one, which goes too.
    fn leave_link(&mut self, kind: LinkKind, id: &ExecutionId, number: RowId) -> Result<(), StorageError> {
        if kind == LinkKind::Previous || self.totals.unmet > 0 {
            match self.tables.link(kind, id.as_str(), number) {
                Ok(to) => {
                    self.totals.unmet = self.totals.unmet.saturating_sub(u64::from(to.target == RowId::NONE));
                    if let Some((over, _)) = to.over {
                        self.tables.remove_link(LinkKind::Over, &over, number)?;
                    }
                }
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => {}
            }
        }
        self.tables.remove_link(kind, id.as_str(), number).map(drop)
    }

    /// The links to an id that nobody had lead to its first execution from now on.
    pub(super) fn meet_links(&mut self, id: &ExecutionId, number: RowId) -> Result<(), StorageError> {
        if self.totals.unmet == 0 {
            return Ok(());
        }
        for kind in LinkKind::BOTH {
            let waiting =
                readable(self.tables.linked_to(kind, id.as_str(), Some(RowId::NONE), &RowId::ALL)?)?;
            for linked in waiting {
                self.tables.put_link(kind, id.as_str(), linked, &LinkTo { target: number, over: None })?;
                self.totals.unmet = self.totals.unmet.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// The links of an execution that goes. What replaced it is tied to what it replaced, so that the attempts stay one list.
    pub(super) fn leave_links(&mut self, last: &Header, number: RowId) -> Result<(), StorageError> {
        if let Some(previous) = &last.previous {
            match self.tables.link(LinkKind::Previous, previous.as_str(), number) {
                Ok(to) if to.target != RowId::NONE => {
                    let before = to.over.unwrap_or((previous.into(), to.target));
                    self.tie_over(last, number, &before)?;
                }
                Err(ReadError::Storage(error)) => return Err(error),
                _ => {}
            }
        }
        for (kind, target) in links(last) {
            if let Some(target) = target {
                self.leave_link(kind, target, number)?;
            }
        }
        Ok(())
    }

    fn tie_over(&mut self, last: &Header, number: RowId, before: &(Text, RowId)) -> Result<(), StorageError> {
        let id = last.id.as_str();
        let direct = readable(self.tables.linked_to(LinkKind::Previous, id, Some(number), &RowId::ALL)?)?;
        let mut tied: Vec<_> = direct.into_iter().map(|linked| (linked, id.to_owned(), number)).collect();
        let over = readable(self.tables.linked_to(LinkKind::Over, id, Some(number), &RowId::ALL)?)?;
        for linked in over {
            self.tables.remove_link(LinkKind::Over, id, linked)?;
            // Its own link names one that was deleted earlier.
            let found = match self.tables.execution(linked, &self.settings.lifecycle) {
                Ok(found) => found,
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => continue,
            };
            let Some(named) = found.and_then(|found| found.header.previous) else { continue };
            if let Ok(to) = self.tables.link(LinkKind::Previous, named.as_str(), linked) {
                tied.push((linked, named.into(), to.target));
            }
        }
        for (linked, named, target) in tied {
            let to = LinkTo { target, over: Some(before.clone()) };
            self.tables.put_link(LinkKind::Previous, &named, linked, &to)?;
            let over = LinkTo { target: before.1, over: None };
            self.tables.put_link(LinkKind::Over, &before.0, linked, &over)?;
        }
        Ok(())
    }
}

/// The rows that can be read; `verify` tells of the others, which keep nobody from being created or deleted.
fn readable(rows: impl Iterator<Item = Result<RowId, ReadError>>) -> Result<Vec<RowId>, StorageError> {
    let mut numbers = Vec::new();
    for row in rows {
        match row {
            Ok(number) => numbers.push(number),
            Err(ReadError::Storage(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(numbers)
}

fn cycle(header: &Header, target: &ExecutionId) -> WriteError {
    WriteError::Cycle { id: header.id.clone(), link: target.clone() }
}
