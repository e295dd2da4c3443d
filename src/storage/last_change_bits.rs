//! The table `last_change_bits`: which changes of each full block are the last ones of their executions.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables, damaged};
use crate::format::schema::{Tag, table};
use crate::format::{LastChangeBits, decode, number_of};
use crate::model::error::{ReadError, StorageError};

/// The row of a block; or its damage, which does not say which changes they are.
type Row = (u64, Result<LastChangeBits, ReadError>);

impl<S: Source> Tables<S> {
    /// The rows of a range of blocks. One that has no such change has no row.
    pub(crate) fn last_change_bits_rows(
        &self,
        blocks: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Row, ReadError>> + use<'_, S>, StorageError> {
        let (low, high) = (blocks.start().to_be_bytes(), blocks.end().to_be_bytes());
        self.range::<table::LastChangeBits, _, _>(&low, &high, |key: &[u8; 8], value: &[u8]| {
            let bits = decode::<table::LastChangeBits>(key, value);
            let bits = bits.map_err(|reason| damaged(Tag::LastChangeBits, key, reason).into());
            Ok((number_of(key), bits))
        })
    }

    pub(crate) fn last_change_bits(&self, block: u64) -> Result<Option<LastChangeBits>, ReadError> {
        self.get::<table::LastChangeBits, _>(&block.to_be_bytes())
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
        self.put::<table::LastChangeBits>(&block.to_be_bytes(), last_change_bits)
    }

    pub(crate) fn remove_last_change_bits(&mut self, block: u64) -> Result<bool, StorageError> {
        self.remove::<table::LastChangeBits>(&block.to_be_bytes())
    }
}
