//! The table `chunks`: a blob and an offset in it to bytes.

use std::ops::{Bound, Range};

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{chunk_of, chunk_row, decode};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::BlobId;

impl<S: Source> Tables<S> {
    /// The chunk that begins there.
    pub(crate) fn chunk(&self, blob: BlobId, offset: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let key = chunk_row(blob, offset);
        self.look_up::<table::Chunks, _>(&key, |value| {
            decode::<table::Chunks>(&key, value).map(<[u8]>::to_vec)
        })
    }

    /// Appends all chunks of a blob to `bytes`, copying each once.
    pub(crate) fn read_blob(&self, blob: BlobId, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        let (low, high) = (chunk_row(blob, 0), chunk_row(blob, u64::MAX));
        let rows = self.range::<table::Chunks, _, _>(&low, &high, |key: &[u8; 16], value: &[u8]| {
            let chunk = decode::<table::Chunks>(key, value)?;
            if chunk_of(key).1 != bytes.len() as u64 {
                return Err("bytes before it are missing".into());
            }
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        rows.collect()
    }

    /// The chunks of a blob that begin in a range of offsets, with these.
    pub(crate) fn chunk_rows(
        &self,
        blob: BlobId,
        offsets: Range<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, Vec<u8>), ReadError>> + use<'_, S>, StorageError>
    {
        let (low, high) = (chunk_row(blob, offsets.start), chunk_row(blob, offsets.end));
        let row = |key: &[u8; 16], value: &[u8]| {
            Ok((chunk_of(key).1, decode::<table::Chunks>(key, value)?.to_vec()))
        };
        self.between::<table::Chunks, _, _>(Bound::Included(&low), Bound::Excluded(&high), row)
    }
}

/// What redb allocates within a durable commit at most, of a file of a few gigabytes: what it keeps beside the tables.
const COMMIT: usize = 256 * 1024;

impl Tables<Live<'_>> {
    /// Has redb lengthen its file for what its commit will allocate, where that can still be refused: a row that is there for a moment.
    pub(crate) fn lengthen(&mut self) -> Result<(), StorageError> {
        let key = chunk_row(BlobId(u64::MAX), u64::MAX);
        self.insert::<table::Chunks>(&key, &vec![0; COMMIT])?;
        self.remove::<table::Chunks>(&key).map(drop)
    }

    /// Writes a chunk out of two parts that follow each other.
    pub(crate) fn put_chunk(
        &mut self,
        blob: BlobId,
        offset: u64,
        parts: [&[u8]; 2],
    ) -> Result<(), StorageError> {
        self.put::<table::Chunks>(&chunk_row(blob, offset), parts)
    }

    pub(crate) fn remove_chunk(&mut self, blob: BlobId, offset: u64) -> Result<bool, StorageError> {
        self.remove::<table::Chunks>(&chunk_row(blob, offset))
    }
}
