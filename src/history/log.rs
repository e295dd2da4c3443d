//! The change log, and the positions in it that were saved.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::{Bound, RangeBounds};

use crate::format::schema::Tag;
use crate::model::bookmark::{Bookmark, trimmed, within};
use crate::model::change::{Change, ChangeKind};
use crate::model::error::{Error, ReadError};
use crate::model::execution::Execution;
use crate::model::id::ChangeSeq;
use crate::model::integrity::ChainHead;
use crate::model::json::Json;
use crate::read::lookup::{inclusive, join, payload_version};
use crate::read::sequence::Gapless;
use crate::read::{List, View};

/// The change log of a store, with its checkpoints: see [`Readable::log`](crate::Readable::log).
pub struct Log<'r, R: ?Sized> {
    reader: &'r R,
}

impl<R: ?Sized> std::fmt::Debug for Log<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl<'r, R: View + ?Sized> Log<'r, R> {
    pub(crate) fn new(reader: &'r R) -> Self {
        Self { reader }
    }

    /// The entries with sequence numbers in a range, in order; `rev()` gives the last first. A range without a start begins
    /// at the oldest entry that is kept; one that starts before that is [`PositionError::Trimmed`](crate::error::PositionError::Trimmed), and one that starts further
    /// than right behind the head is [`ReadError::Position`].
    pub fn range(&self, range: impl RangeBounds<ChangeSeq>) -> Result<List<'r, Change>, ReadError> {
        let seqs = inclusive(range.start_bound().map(|seq| seq.0), range.end_bound().map(|seq| seq.0));
        let Some(seqs) = seqs else {
            return Ok(List::empty());
        };
        let totals = self.reader.totals()?;
        let oldest = totals.trimmed + 1;
        let start = match range.start_bound() {
            Bound::Unbounded => oldest,
            _ if *seqs.start() < oldest => {
                return Err(trimmed(*seqs.start(), totals.trimmed).into());
            }
            _ => *seqs.start(),
        };
        within(start.saturating_sub(1), self.reader.settings().incarnation, totals.head)?;
        let end = totals.head.min(*seqs.end());
        if start > end {
            return Ok(List::empty());
        }
        let rows = self.reader.tables().change_rows(start..=end, &self.reader.settings().lifecycle)?;
        Ok(List::new(Gapless::new(rows, Tag::Changes, Some(start - 1), end.checked_add(1))))
    }

    /// The sequence number of the last change ever made; 0 before the first. Constant time.
    pub fn head(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.reader.totals()?.head))
    }

    /// The oldest change that the log still has; one beyond the head if it has none. Constant time.
    pub fn oldest(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.reader.totals()?.trimmed + 1))
    }

    /// A position to be kept outside the store, which [`resolve`](Log::resolve) and
    /// [`WatchFrom::Bookmark`](crate::watch::WatchFrom::Bookmark) take back. One beyond the head is [`ReadError::Position`].
    pub fn bookmark(&self, after: ChangeSeq) -> Result<Bookmark, ReadError> {
        let incarnation = self.reader.settings().incarnation;
        let seq = within(after.0, incarnation, self.reader.totals()?.head)?;
        Ok(Bookmark::new(incarnation, ChangeSeq(seq)))
    }

    /// The change that a bookmark is after. One of another store, of another incarnation of this one, or beyond the head is
    /// [`ReadError::Position`], which says what there is.
    pub fn resolve(&self, bookmark: &Bookmark) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(bookmark.resolve(self.reader.settings().incarnation, self.reader.totals()?.head)?))
    }

    /// The payload right after a change; `None` if the change deleted the execution, or is about none.
    pub fn payload_after(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        match change.of_execution().filter(|_| change.kind != ChangeKind::Deleted) {
            Some(of) => payload_version(self.reader, of.number, of.payload_version).map(Some),
            None => Ok(None),
        }
    }

    /// The payload right before a change; `None` if the change created the execution, or is about none.
    pub fn payload_before(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        match change.of_execution().filter(|_| change.kind != ChangeKind::Created) {
            Some(of) => payload_version(self.reader, of.number, of.payload_version_before()).map(Some),
            None => Ok(None),
        }
    }

    /// The execution right after a change, payload included; `None` if the change deleted it, or is about none.
    pub fn execution_after(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_after(change)?;
        Ok(join(change.after().cloned(), payload))
    }

    /// The execution right before a change, payload included; `None` if the change created it, or is about none.
    pub fn execution_before(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_before(change)?;
        Ok(join(change.before(), payload))
    }

    /// The position that was saved under a name.
    pub fn checkpoint(&self, name: impl AsRef<str>) -> Result<Option<ChangeSeq>, ReadError> {
        self.reader.tables().checkpoint(name.as_ref())
    }

    /// Every checkpoint. An error if one of them is damaged.
    pub fn checkpoints(&self) -> Result<BTreeMap<String, ChangeSeq>, ReadError> {
        self.reader.tables().checkpoint_rows()?.collect()
    }

    /// Writes the entries of a range as lines of JSON, with what [`LogProof::check`](crate::integrity::LogProof::check) needs if the
    /// store is tamper-evident: `{"change": {..}, "hash": ".."}`. Returns the number of lines. A damaged entry is a line
    /// that says so, `{"damaged": [..]}`; the others follow, and the call ends with [`Error::Incomplete`]. An error of
    /// `out` comes back as [`Error::Caller`].
    pub fn export(&self, range: impl RangeBounds<ChangeSeq>, out: &mut dyn Write) -> Result<u64, Error> {
        super::export::export_changes(self.range(range)?, out)
    }

    /// The last place of the chain of a tamper-evident store, to be noted elsewhere; `None` for another store. Constant time.
    pub fn chain_head(&self) -> Result<Option<ChainHead>, ReadError> {
        let totals = self.reader.totals()?;
        Ok(totals.seal.map(|seal| ChainHead { seq: ChangeSeq(totals.head), hash: seal.head }))
    }

    /// The place of the chain before the oldest entry that the log still has; `None` for a store that is not tamper-evident.
    pub fn chain_anchor(&self) -> Result<Option<ChainHead>, ReadError> {
        let totals = self.reader.totals()?;
        Ok(totals.seal.map(|seal| ChainHead { seq: ChangeSeq(totals.trimmed), hash: seal.anchor }))
    }

    /// The hash over everything in a tamper-evident store, to be noted elsewhere: over the [head](Log::chain_head) of the
    /// log, the sum of all rows, and the counters. `None` for another store. Two copies of a store with the same fingerprint
    /// hold the same. Every operation changes it, and so does the removal of what a large deletion left: let
    /// [`Store::maintain`](crate::Store::maintain) end that before it is noted. Constant time.
    pub fn fingerprint(&self) -> Result<Option<[u8; 32]>, ReadError> {
        Ok(crate::format::fingerprint(&*self.reader.totals()?))
    }
}
