//! The checks of where links lead.

use super::checks::Verifier;
use crate::codec::{LinkKind, LinkTo, Totals, link_row};
use crate::error::StorageError;
use crate::id::ExecutionId;
use crate::schema::Tag;
use crate::tables::{Found, Source};

impl<S: Source> Verifier<'_, S> {
    /// The links of a record lead to executions of the ids that it names, be they there or deleted.
    pub(super) fn links_of(&mut self, found: &Found) -> Result<(), StorageError> {
        let header = &found.header;
        for (kind, id) in [(LinkKind::Parent, &header.parent), (LinkKind::Previous, &header.previous)] {
            let Some(id) = id else { continue };
            let to = self.tables.link(kind, id.as_str(), found.number);
            // The walk through the table tells of a damaged row.
            let Ok(to) = to else { continue };
            self.link(&header.id, id, &to)?;
            let Some((over, number)) = &to.over else { continue };
            self.indexed.expect_row(Tag::Links);
            let row = self.tables.link(LinkKind::Over, over, found.number);
            let matches = row.is_ok_and(|row| row.target == *number && row.over.is_none());
            if !matches || kind != LinkKind::Previous {
                self.problem(Tag::Links, format!("{}: it is not tied to {over}", header.id));
            }
        }
        Ok(())
    }

    fn link(&mut self, of: &ExecutionId, id: &ExecutionId, to: &LinkTo) -> Result<(), StorageError> {
        if to.target == 0 {
            self.indexed.unmet += 1;
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
    pub(super) fn tie_of(&self, found: &Found) -> Option<Vec<u8>> {
        let previous = found.header.previous.as_ref()?;
        let to = self.tables.link(LinkKind::Previous, previous.as_str(), found.number).ok()?;
        to.over.map(|(over, _)| link_row(LinkKind::Over, &over, found.number).to_vec())
    }

    pub(super) fn unmet(&mut self, totals: &Totals) {
        let counted = self.indexed.unmet;
        if counted != totals.unmet {
            let what = format!("{} links lead to nobody yet, not {counted}", totals.unmet);
            self.problem(Tag::Totals, what);
        }
    }
}
