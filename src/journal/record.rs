//! The bytes of a journal: a header in the first sector, then records, each a whole number of sectors, so
//! that writing one never touches a sector of another.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;
/// Bytes before a record's body: checksum, length of the body, version before, version after, round.
pub(super) const RECORD_HEADER: usize = 40;

const MAGIC: &[u8; 8] = b"execjrnl";
const FORMAT: u32 = 1;

/// Whose journal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store_id: u128,
    pub(super) id: u64,
}

impl Header {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(self.store_id.to_le_bytes());
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes.resize(SECTOR as usize, 0);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Header> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (format, rest) = rest.split_first_chunk::<4>()?;
        let (store_id, rest) = rest.split_first_chunk::<16>()?;
        let (id, _) = rest.split_first_chunk::<8>()?;
        let header = Header { store_id: u128::from_le_bytes(*store_id), id: u64::from_le_bytes(*id) };
        let same = magic == MAGIC && *format == FORMAT.to_le_bytes() && bytes == header.encode();
        same.then_some(header)
    }
}

/// A record that was found whole.
pub(super) struct Record<'a> {
    pub(super) from: u64,
    pub(super) to: u64,
    /// The round that it was written in.
    pub(super) round: u64,
    pub(super) body: &'a [u8],
    /// Bytes that it takes, to the next sector.
    pub(super) len: usize,
}

/// The checksum is seeded with the journal's id: records that another journal left in the file are none.
fn checksum(id: u64, rest: &[u8]) -> [u8; 8] {
    xxh3_64_with_seed(rest, id).to_le_bytes()
}

pub(super) fn frame_record(id: u64, round: u64, from: u64, to: u64, body: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend([0; 8]);
    out.extend((body.len() as u64).to_le_bytes());
    out.extend(from.to_le_bytes());
    out.extend(to.to_le_bytes());
    out.extend(round.to_le_bytes());
    out.extend_from_slice(body);
    if let Some((sum, rest)) = out.split_first_chunk_mut::<8>() {
        *sum = checksum(id, rest);
    }
    out.resize(out.len().next_multiple_of(SECTOR as usize), 0);
}

pub(super) fn parse_record(bytes: &[u8], id: u64) -> Option<Record<'_>> {
    let (sum, rest) = bytes.split_first_chunk::<8>()?;
    let (body_len, numbers) = rest.split_first_chunk::<8>()?;
    let (from, numbers) = numbers.split_first_chunk::<8>()?;
    let (to, numbers) = numbers.split_first_chunk::<8>()?;
    let (round, _) = numbers.split_first_chunk::<8>()?;
    let whole = usize::try_from(u64::from_le_bytes(*body_len)).ok()?.checked_add(RECORD_HEADER)?;
    let covered = bytes.get(8..whole)?;
    if *sum != checksum(id, covered) {
        return None;
    }
    Some(Record {
        from: u64::from_le_bytes(*from),
        to: u64::from_le_bytes(*to),
        round: u64::from_le_bytes(*round),
        body: bytes.get(RECORD_HEADER..whole)?,
        len: whole.next_multiple_of(SECTOR as usize),
    })
}
