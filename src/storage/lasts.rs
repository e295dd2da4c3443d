//! The table `lasts`: which changes of each full block are the last ones of their executions.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, fixed, look_up, shield};
use crate::format::schema::{Number, Tag};
use crate::format::{Lasts, decode_lasts, encode_lasts, number_of};
use crate::model::error::{ReadError, StorageError};

/// The row of a block; or its damage, which does not say which changes they are.
type Row = (u64, Result<Lasts, ReadError>);

impl<S: Source> Tables<S> {
    /// The rows of a range of blocks. One that has no such change has no row.
    pub(crate) fn lasts_rows(
        &self,
        blocks: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Row, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (blocks.start().to_be_bytes(), blocks.end().to_be_bytes());
        let table = self.lasts.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::Lasts, &start, Some(&end), |key, value| {
            let lasts = decode_lasts(Tag::Lasts as u8, key, value);
            let lasts = lasts.map_err(|reason| damaged(Tag::Lasts, key, reason).into());
            Ok((number_of(fixed(key)?), lasts))
        }))
    }

    pub(crate) fn lasts(&self, block: u64) -> Result<Option<Lasts>, ReadError> {
        let key = block.to_be_bytes();
        let table = self.lasts.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_lasts(Tag::Lasts as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Lasts, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    /// A row of nothing is no row.
    pub(crate) fn put_lasts(&mut self, block: u64, lasts: &Lasts) -> Result<(), StorageError> {
        if lasts.is_empty() {
            return self.remove_lasts(block).map(drop);
        }
        self.put(Tag::Lasts, &block.to_be_bytes(), |table, key, out| encode_lasts(table, key, lasts, out))
    }

    pub(crate) fn remove_lasts(&mut self, block: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Lasts, &block.to_be_bytes())
    }
}
