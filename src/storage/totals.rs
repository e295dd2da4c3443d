//! The tables of one row: `totals` and `meta`.

use std::borrow::Cow;

use super::{Live, Source, Tables, damaged, look_up};
use crate::format::schema::{FORMAT, META_KEY, TOTALS_KEY, Tag};
use crate::format::{Meta, Totals, decode_meta, decode_totals, encode_meta, encode_totals};
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
        let table = self.slots.totals.get(&self.source)?;
        match look_up(table, TOTALS_KEY, |value| decode_totals(Tag::Totals as u8, TOTALS_KEY, value))? {
            Some(totals) => Ok(totals.map_err(|reason| damaged(Tag::Totals, TOTALS_KEY, reason))?),
            None => Err(damaged(Tag::Totals, TOTALS_KEY, "the row is missing").into()),
        }
    }

    /// The meta record, or its format if that is newer than ours; `None` if there is none.
    pub(crate) fn meta(&self) -> Result<Option<Result<Meta, u32>>, ReadError> {
        let table = self.slots.meta.get(&self.source)?;
        let meta = look_up(table, META_KEY, |value| decode_meta(Tag::Meta as u8, META_KEY, value, FORMAT))?;
        Ok(meta.transpose().map_err(|reason| damaged(Tag::Meta, META_KEY, reason))?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_totals(&mut self, totals: &Totals) -> Result<(), StorageError> {
        self.put(Tag::Totals, TOTALS_KEY, |table, key, out| encode_totals(table, key, totals, out))
    }

    pub(crate) fn put_meta(&mut self, meta: &Meta) -> Result<(), StorageError> {
        self.put(Tag::Meta, META_KEY, |table, key, out| encode_meta(table, key, meta, out))
    }
}
