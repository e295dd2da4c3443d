//! A part of what a writer writes, which may be taken back: for the group commit, where one closure may fail and the others go on.

use super::Writer;
use crate::format::Totals;
use crate::storage::write_set::WriteSet;
use crate::storage::{Budget, TablesMark};

/// Where a writer stood.
pub(crate) struct Mark {
    tables: TablesMark,
    totals: Totals,
    owes_totals: bool,
    blobs: u64,
    at_once: Budget,
}

impl Writer<'_> {
    /// Where it stands; the one mark that [`cut`](Self::cut) can go back to.
    pub(crate) fn mark(&mut self) -> Mark {
        self.counters.mark();
        Mark {
            tables: self.tables.mark(),
            totals: self.totals.clone(),
            owes_totals: self.owes_totals,
            blobs: self.blobs,
            at_once: self.at_once.clone(),
        }
    }

    /// Takes back whatever was written since the mark. If that fails the transaction will not be committed.
    pub(crate) fn cut(&mut self, mark: Mark) {
        if let Err(error) = self.tables.cut(&mark.tables)
            && let Some(redo) = self.redo
        {
            WriteSet::fail(redo, &error.not_refused());
        }
        self.counters.cut();
        self.totals = mark.totals;
        self.owes_totals = mark.owes_totals;
        self.blobs = mark.blobs;
        self.at_once = mark.at_once;
    }
}
