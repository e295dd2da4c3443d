//! The checks of where links lead.

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{LinkKind, LinkTo, decode, link_row, linked_id, number_at_end};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::id::ExecutionId;
use crate::model::row_id::RowId;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    /// Each link leads to an execution of the id that it names, be it there or deleted. The rows lie in the order of these ids, so
    /// that looking them up goes from one end of their table to the other.
    pub(super) fn links(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Links;
        self.walk::<table::Links>(|verifier, key, value| {
            verifier.indexed.find_row(tag);
            match decode::<table::Links>(key, value).and_then(|to| Ok((number_at_end(key)?, to))) {
                Ok((number, to)) => verifier.link_row(key, number, &to),
                Err(reason) => {
                    verifier.problem(tag, format!("key {}: {reason}", hex(key)));
                    Ok(())
                }
            }
        })
    }

    fn link_row(&mut self, key: &[u8], number: RowId, to: &LinkTo) -> Result<(), StorageError> {
        let bytes = number.to_be_bytes();
        let kind = LinkKind::BOTH.into_iter().find(|kind| key.first() == Some(&(*kind as u8)));
        if key.first() == Some(&(LinkKind::Over as u8)) {
            let is_last = u8::from(to.over.is_none());
            self.sums.find(Group::Ties, number, &[key, &to.target.to_be_bytes(), &[is_last]]);
            return Ok(());
        }
        self.sums.find(Group::Links, number, &[key, &bytes]);
        match &to.over {
            Some((over, nearest)) if kind == Some(LinkKind::Previous) => {
                self.indexed.expect_row(Tag::Links);
                let tie = link_row(LinkKind::Over, over, number);
                self.sums.expect(Group::Ties, number, &[&tie, &nearest.to_be_bytes(), &[1]]);
            }
            Some(_) => self.sums.doubt(Group::Links, number),
            None => {}
        }
        if kind.is_some() {
            self.indexed.unmet += u64::from(to.target == RowId::NONE);
            if !self.leads_right(key, to)? {
                self.sums.doubt(Group::Links, number);
            }
        }
        Ok(())
    }

    /// `true` if a link leads to the execution that has its id, to one that is not there, or to nobody if nobody has it.
    fn leads_right(&mut self, key: &[u8], to: &LinkTo) -> Result<bool, StorageError> {
        let has_it = match self.tables.number_of_key(linked_id(key)) {
            Ok(number) => number,
            Err(ReadError::Storage(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        match has_it {
            Some(number) => Ok(number == to.target || to.target != RowId::NONE && !self.is_row(to.target)?),
            None => Ok(to.target == RowId::NONE || !self.is_row(to.target)?),
        }
    }

    fn is_row(&self, number: RowId) -> Result<bool, StorageError> {
        self.tables.has::<table::Executions>(&number.to_be_bytes())
    }

    /// What is wrong with the links of a record.
    pub(super) fn links_of(&mut self, header: &Header, number: RowId) -> Result<(), StorageError> {
        for (kind, id) in [(LinkKind::Parent, &header.parent), (LinkKind::Previous, &header.previous)] {
            let Some(id) = id else { continue };
            let to = self.tables.link(kind, id.as_str(), number);
            // The walk through the table tells of a damaged row.
            let Ok(to) = to else { continue };
            self.link(&header.id, id, &to)?;
            let Some((over, nearest)) = &to.over else { continue };
            let row = self.tables.link(LinkKind::Over, over, number);
            let matches = row.is_ok_and(|row| row.target == *nearest && row.over.is_none());
            if !matches || kind != LinkKind::Previous {
                self.problem(Tag::Links, format!("{}: it is not tied to {over}", header.id));
            }
        }
        Ok(())
    }

    fn link(&mut self, of: &ExecutionId, id: &ExecutionId, to: &LinkTo) -> Result<(), StorageError> {
        if to.target == RowId::NONE {
            let number = self.tables.number(id.as_str());
            if self.row(Tag::Ids, number)?.flatten().is_some() {
                self.problem(Tag::Links, format!("{of}: its link leads past {id}, which is there"));
            }
            return Ok(());
        }
        let target = self.tables.execution(to.target, self.lifecycle);
        let target = self.row(Tag::Executions, target)?.flatten();
        if target.is_some_and(|target| target.header.id != *id) {
            self.problem(Tag::Links, format!("{of}: its link to {id} leads to another"));
        }
        Ok(())
    }

    /// The row that ties an attempt over those that were deleted, if it has one.
    pub(super) fn tie_of(&self, header: &Header, number: RowId) -> Option<Vec<u8>> {
        let previous = header.previous.as_ref()?;
        let to = self.tables.link(LinkKind::Previous, previous.as_str(), number).ok()?;
        to.over.map(|(over, _)| link_row(LinkKind::Over, &over, number).to_vec())
    }

    pub(super) fn unmet(&mut self) {
        let (counted, kept) = (self.indexed.unmet, self.totals.unmet);
        if counted != kept {
            self.problem(Tag::Totals, format!("{kept} links lead to nobody yet, not {counted}"));
        }
    }
}
