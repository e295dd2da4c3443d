//! The tables of one row: `totals` and `meta`.

use std::borrow::Cow;

use super::{Live, Source, Tables, damaged};
use crate::format::schema::{META_KEY, TOTALS_KEY, Tag, table};
use crate::format::{Meta, Totals};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The totals, decoded once for a source that stands still.
    pub(crate) fn totals_seen(&self) -> Result<Cow<'_, Totals>, ReadError> {
        if !S::STANDS_STILL {
            return self.totals().map(Cow::Owned);
        }
        // What is remembered is still nothing to a child of the process that read it.
        self.source.process().check()?;
        match self.seen_totals.get() {
            Some(totals) => Ok(Cow::Borrowed(totals)),
            None => {
                let totals = Box::new(self.totals()?);
                Ok(Cow::Borrowed(self.seen_totals.get_or_init(|| totals)))
            }
        }
    }

    pub(crate) fn totals(&self) -> Result<Totals, ReadError> {
        let totals = self.get::<table::Totals, _>(TOTALS_KEY)?;
        totals.ok_or_else(|| damaged(Tag::Totals, TOTALS_KEY, "the row is missing").into())
    }

    /// The meta record, or its format if that is newer than ours; `None` if there is none.
    pub(crate) fn meta(&self) -> Result<Option<Result<Meta, u32>>, ReadError> {
        self.get::<table::Meta, _>(META_KEY)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_totals(&mut self, totals: &Totals) -> Result<(), StorageError> {
        self.put::<table::Totals>(TOTALS_KEY, totals)
    }

    pub(crate) fn put_meta(&mut self, meta: &Meta) -> Result<(), StorageError> {
        self.put::<table::Meta>(META_KEY, meta)
    }
}
