//! What rows were before a part of a transaction, which can be taken back: for the group commit, where one closure may fail and the
//! others go on. redb gives back the former value of every row that it replaces or removes.

use super::redo_steps::{bad_redo, put_step, read_step};
use super::{Live, Tables};
use crate::format::Reader;
use crate::format::schema::Tag;
use crate::model::error::StorageError;
use crate::model::hash::Sum;

/// Former rows, oldest first: each as the step that puts it back.
#[derive(Debug, Default)]
pub(super) struct FormerRows {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// How much tables had written at a mark.
#[derive(Debug)]
pub(crate) struct TablesMark {
    redo: usize,
    redo_is_partial: bool,
    sum: Option<Sum>,
    written: (usize, u64),
    freed: usize,
    removed: (u64, usize),
}

impl FormerRows {
    /// What a row was, before it is written or removed; `None`: it was not there.
    pub(super) fn push(&mut self, tag: Tag, key: &[u8], was: Option<&[u8]>) {
        self.starts.push(self.bytes.len());
        put_step(&mut self.bytes, tag, key, was);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }
}

impl Tables<Live<'_>> {
    /// From here on a [`cut`](Self::cut) can go back to here: what is replaced or removed is kept in memory.
    pub(crate) fn mark(&mut self) -> TablesMark {
        self.former.get_or_insert_default().clear();
        if let Some(pending) = &mut self.pending {
            pending.mark();
        }
        TablesMark {
            redo: self.redo.as_ref().map_or(0, Vec::len),
            redo_is_partial: self.redo_is_partial,
            sum: self.sum,
            written: (self.written, self.rows_written),
            freed: self.freed,
            removed: self.removed,
        }
    }

    /// Takes back whatever was written since the last mark, which was this one.
    pub(crate) fn cut(&mut self, mark: &TablesMark) -> Result<(), StorageError> {
        let Some(FormerRows { bytes, starts }) = self.former.take() else { return Err(bad_redo()) };
        let mut pending = self.pending.take();
        if let Some(pending) = &mut pending {
            pending.cut();
        }
        for start in starts.into_iter().rev() {
            let mut row = Reader::new(bytes.get(start..).ok_or_else(bad_redo)?);
            let (tag, key, was) = read_step(&mut row).map_err(|_| bad_redo())?;
            self.redo_row(tag, key, was)?;
        }
        self.pending = pending;
        if let Some(redo) = &mut self.redo {
            redo.truncate(mark.redo);
        }
        self.redo_is_partial = mark.redo_is_partial;
        self.sum = mark.sum;
        (self.written, self.rows_written) = mark.written;
        (self.freed, self.removed) = (mark.freed, mark.removed);
        Ok(())
    }
}
