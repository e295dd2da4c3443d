//! The table `last_change_bits`: which changes of each full block are the last ones of their executions.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed, look_up};
use crate::format::schema::{Number, Tag};
use crate::format::{LastChangeBits, decode_last_change_bits, encode_last_change_bits, number_of};
use crate::model::error::{ReadError, StorageError};

/// The row of a block; or its damage, which does not say which changes they are.
type Row = (u64, Result<LastChangeBits, ReadError>);

impl<S: Source> Tables<S> {
    /// The rows of a range of blocks. One that has no such change has no row.
    pub(crate) fn last_change_bits_rows(
        &self,
        blocks: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Row, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (blocks.start().to_be_bytes(), blocks.end().to_be_bytes());
        let table = self.slots.last_change_bits.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::LastChangeBits, &start, Some(&end), |key, value| {
            let last_change_bits = decode_last_change_bits(Tag::LastChangeBits as u8, key, value);
            let last_change_bits =
                last_change_bits.map_err(|reason| damaged(Tag::LastChangeBits, key, reason).into());
            Ok((number_of(fixed(key)?), last_change_bits))
        }))
    }

    pub(crate) fn last_change_bits(&self, block: u64) -> Result<Option<LastChangeBits>, ReadError> {
        let key = block.to_be_bytes();
        let table = self.slots.last_change_bits.get(&self.source)?;
        let found =
            look_up(table, &key, |value| decode_last_change_bits(Tag::LastChangeBits as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::LastChangeBits, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    /// A row of nothing is no row.
    pub(crate) fn put_last_change_bits(
        &mut self,
        block: u64,
        last_change_bits: &LastChangeBits,
    ) -> Result<(), StorageError> {
        if last_change_bits.is_empty() {
            return self.remove_last_change_bits(block).map(drop);
        }
        self.put(Tag::LastChangeBits, &block.to_be_bytes(), |table, key, out| {
            encode_last_change_bits(table, key, last_change_bits, out)
        })
    }

    pub(crate) fn remove_last_change_bits(&mut self, block: u64) -> Result<bool, StorageError> {
        self.remove(Tag::LastChangeBits, &block.to_be_bytes())
    }
}
