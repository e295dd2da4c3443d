//! The table `chunks`: a blob and an offset in it to bytes.

use std::ops::Range;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed, look_up};
use crate::format::schema::{Pair, Tag};
use crate::format::{decode_chunk, encode_chunk, pair, pair_of};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// The chunk that begins there.
    pub(crate) fn chunk(&self, blob: u64, offset: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let key = pair(blob, offset);
        let table = self.slots.chunks.get(&self.source)?;
        let found =
            look_up(table, &key, |value| decode_chunk(Tag::Chunks as u8, &key, value).map(<[u8]>::to_vec))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Chunks, &key, reason))?)
    }

    /// Appends all chunks of a blob to `bytes`, copying each once.
    pub(crate) fn read_blob(&self, blob: u64, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        let (start, end) = (pair(blob, 0), pair(blob, u64::MAX));
        let table = self.slots.chunks.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 16]>(&start..=&end))?;
        let rows = Rows::<Pair, _>::new(range, Tag::Chunks, &start, Some(&end), |key, value| {
            let wrong = |reason: &str| ReadError::from(damaged(Tag::Chunks, key, reason));
            let chunk = decode_chunk(Tag::Chunks as u8, key, value).map_err(|reason| wrong(&reason))?;
            if pair_of(fixed(key)?).1 != bytes.len() as u64 {
                return Err(wrong("bytes before it are missing"));
            }
            bytes.extend_from_slice(chunk);
            Ok(())
        });
        rows.collect()
    }

    /// The chunks of a blob that begin in a range of offsets, with these.
    pub(crate) fn chunk_rows(
        &self,
        blob: u64,
        offsets: Range<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, Vec<u8>), ReadError>> + use<'_, S>, StorageError>
    {
        let (start, end) = (pair(blob, offsets.start), pair(blob, offsets.end));
        let table = self.slots.chunks.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 16]>(&start..&end))?;
        Ok(Rows::<Pair, _>::new(range, Tag::Chunks, &start, Some(&end), |key, value| {
            let offset = pair_of(fixed(key)?).1;
            let bytes = decode_chunk(Tag::Chunks as u8, key, value);
            let bytes = bytes.map_err(|reason| damaged(Tag::Chunks, key, reason))?;
            Ok((offset, bytes.to_vec()))
        }))
    }
}

impl Tables<Live<'_>> {
    /// Writes a chunk out of two parts that follow each other.
    pub(crate) fn put_chunk(
        &mut self,
        blob: u64,
        offset: u64,
        parts: [&[u8]; 2],
    ) -> Result<(), StorageError> {
        self.put(Tag::Chunks, &pair(blob, offset), |table, key, out| encode_chunk(table, key, parts, out))
    }

    pub(crate) fn remove_chunk(&mut self, blob: u64, offset: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Chunks, &pair(blob, offset))
    }
}
