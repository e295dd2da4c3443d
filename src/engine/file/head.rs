//! The first bytes of a store's file: what it is, and where the journal and redb's image lie. Written once,
//! when the file is made, and last of all.

use xxhash_rust::xxh3::xxh3_64;

use crate::format::schema::FORMAT;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR: u64 = 512;
/// The first bytes of every store that has a journal.
const MAGIC: &[u8; 12] = b"execstore\x1a\r\n";
/// The first bytes of a file in which a store is being made.
const UNFINISHED: &[u8; 12] = b"execstore\x1a..";
/// The first bytes of every redb file.
const REDB_MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// Where the copy of the head lies.
const COPY: u64 = 4096;
/// Where the journal's region begins.
const REGION: u64 = 8192;
/// The smallest region: a record of a small transaction, and room for a few hundred of them.
pub(crate) const MIN_REGION: u64 = 64 * 1024;
/// The largest region. Recovery reads it into memory.
pub(crate) const MAX_REGION: u64 = 64 * 1024 * 1024;
/// The image begins at a multiple of this.
const ALIGNED: u64 = 64 * 1024;

/// What a file's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Drawn when the file was made; the meta record and every sector of the journal carry it too.
    pub(crate) id: u64,
    /// Where redb's image begins.
    pub(crate) image: u64,
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A store with a journal.
    Journaled(Head),
    /// redb's file alone: a store without a journal, or somebody else's.
    Plain,
    /// Without a byte.
    Empty,
    /// A store was to be made in an empty file, and a crash came in between.
    Unfinished,
    /// A store of a newer format.
    Newer(u32),
    /// A store's head that is damaged, and its copy too.
    Damaged,
    /// Nothing of ours.
    Foreign,
}

impl Head {
    /// A head for a file whose journal has about so many bytes.
    pub(crate) fn new(id: u64, journal: u64) -> Self {
        let region = journal.clamp(MIN_REGION, MAX_REGION);
        Self { id, image: (REGION + region).next_multiple_of(ALIGNED) }
    }

    /// The journal's region: where it begins, and its length.
    pub(crate) fn region(&self) -> (u64, u64) {
        (REGION, self.image - REGION)
    }

    /// The places of the head and of its copy.
    pub(crate) fn places() -> [u64; 2] {
        [0, COPY]
    }

    /// How much of a file is to be read to know what it is.
    pub(crate) const LOOK: usize = (COPY + SECTOR) as usize;

    /// What stands in the place of a head until the rest of the file is made.
    pub(crate) fn unfinished() -> [u8; SECTOR as usize] {
        let mut sector = [0; SECTOR as usize];
        for (to, from) in sector.iter_mut().zip(UNFINISHED) {
            *to = *from;
        }
        sector
    }

    pub(crate) fn encode(&self) -> [u8; SECTOR as usize] {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.image.to_le_bytes());
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        let mut sector = [0; SECTOR as usize];
        for (to, from) in sector.iter_mut().zip(bytes) {
            *to = from;
        }
        sector
    }

    /// A head, or the format of one that is newer than ours.
    fn decode(bytes: &[u8]) -> Option<Result<Head, u32>> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (format, rest) = rest.split_first_chunk::<4>()?;
        let format = u32::from_le_bytes(*format);
        if format > FORMAT {
            return Some(Err(format));
        }
        let (id, rest) = rest.split_first_chunk::<8>()?;
        let (image, _) = rest.split_first_chunk::<8>()?;
        let head = Head { id: u64::from_le_bytes(*id), image: u64::from_le_bytes(*image) };
        let bounded = head.image >= REGION + MIN_REGION && head.image <= REGION + MAX_REGION + ALIGNED;
        (bounded && bytes == head.encode()).then_some(Ok(head))
    }
}

impl Kind {
    /// What a file is that begins with these bytes; `len` is that of the file.
    pub(crate) fn of(look: &[u8], len: u64) -> Kind {
        if look.starts_with(REDB_MAGIC) {
            return Kind::Plain;
        }
        let sector = |place: u64| {
            // What ends before has no head there.
            look.get(place as usize..).and_then(|rest| rest.get(..SECTOR as usize)).unwrap_or(&[])
        };
        let heads = Head::places().map(sector);
        let ours = heads.iter().any(|bytes| bytes.starts_with(MAGIC));
        let found = heads.map(Head::decode);
        let newer = found.into_iter().flatten().find_map(Result::err);
        match found.into_iter().flatten().find_map(Result::ok) {
            Some(head) => Kind::Journaled(head),
            None if ours => newer.map_or(Kind::Damaged, Kind::Newer),
            None if look.starts_with(UNFINISHED) => Kind::Unfinished,
            None if len == 0 => Kind::Empty,
            None => Kind::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(head: &Head) -> Vec<u8> {
        let mut bytes = vec![0; Head::LOOK];
        for place in Head::places() {
            let place = place as usize;
            bytes[place..place + 512].copy_from_slice(&head.encode());
        }
        bytes
    }

    #[test]
    fn a_file_is_known_by_its_head_or_by_the_copy_of_it() {
        for journal in [0, 1, 100_000, 1 << 20, u64::MAX] {
            let head = Head::new(7, journal);
            let (start, len) = head.region();
            assert!((MIN_REGION..=MAX_REGION + ALIGNED).contains(&len) && start + len == head.image);
            assert!(head.image.is_multiple_of(ALIGNED));
            let whole = file(&head);
            assert_eq!(Kind::of(&whole, 1 << 30), Kind::Journaled(head));
            // A flipped bit anywhere in one of the two leaves the other.
            for at in (0..512).chain(4096..4608) {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                assert_eq!(Kind::of(&flipped, 1 << 30), Kind::Journaled(head), "{at}");
            }
        }
    }

    #[test]
    fn what_is_no_store_is_told_apart() {
        let mut redb = REDB_MAGIC.to_vec();
        redb.resize(8192, 0);
        let mut both = file(&Head::new(1, 1));
        (both[40], both[4096 + 40]) = (1, 1);
        let mut newer = file(&Head::new(1, 1));
        (newer[12], newer[4096 + 12]) = (9, 9);
        let cases: [(&[u8], Kind); 8] = [
            (&redb, Kind::Plain),
            (b"", Kind::Empty),
            (&Head::unfinished(), Kind::Unfinished),
            (&[0; Head::LOOK], Kind::Foreign),
            (b"execstore", Kind::Foreign),
            (b"text", Kind::Foreign),
            (&both, Kind::Damaged),
            (&newer, Kind::Newer(9)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Kind::of(bytes, bytes.len() as u64), expected, "{:?}", &bytes[..bytes.len().min(20)]);
        }
    }
}
