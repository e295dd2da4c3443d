//! The bytes of a journal: records, spread over sectors, each of which says whose it is and has a checksum of its own. So a sector that
//! was never written, one of an earlier round, and one that is damaged are told apart, and with them the end of the
//! journal from a hole in it.

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::file::SECTOR;

/// A sector in bytes.
pub(super) const WHOLE: usize = SECTOR as usize;
/// What a sector holds of a record; the rest is its tag, 4 bytes, and its checksum, 8.
pub(super) const DATA: usize = WHOLE - 12;
/// Bytes before a record's body: its length, the versions before and after, the version that was durable.
pub(super) const RECORD_HEADER: usize = 32;
/// Rounds are counted in so many bits.
const ROUND_BITS: u32 = 31;

/// How many sectors a body takes.
pub(super) fn sectors_of(body: usize) -> u64 {
    (RECORD_HEADER + body).div_ceil(DATA) as u64
}

/// The round after this one.
pub(super) fn next_round(round: u32) -> u32 {
    (round + 1) & ((1 << ROUND_BITS) - 1)
}

/// Whose sectors they are: the journal's, and of which round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) id: u64,
    pub(super) round: u32,
}

/// What a record says, but for its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    /// The store's version before, and after.
    pub(super) from: u64,
    pub(super) to: u64,
    /// Everything up to this version was durable before the record was written.
    pub(super) durable: u64,
}

/// What stands in a sector.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sector<'a> {
    /// Never written, or of another round.
    Free,
    /// Of this round; `starts`: a record begins here.
    Ours { starts: bool, data: &'a [u8] },
    /// Nothing that was ever written there.
    Damaged,
}

/// What stands at a place in the journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Record {
        versions: Versions,
        body: Vec<u8>,
        sectors: u64,
    },
    /// Nothing, or a record that was not written whole.
    End,
    /// Something that was written once, and is not what was written.
    Damaged {
        sector: u64,
    },
}

/// The same sector at another place, or of another journal, has another checksum.
fn checksum(id: u64, place: u64, covered: &[u8]) -> u64 {
    let mut mixed = id ^ place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    xxh3_64(covered) ^ mixed ^ (mixed >> 31)
}

/// Ends a sector of which the data is in place.
fn seal(owner: Owner, place: u64, starts: bool, sector: &mut [u8]) {
    let tag = owner.round << 1 | u32::from(starts);
    if let Some((covered, sum)) = sector.split_last_chunk_mut::<8>() {
        if let Some((_, last)) = covered.split_last_chunk_mut::<4>() {
            *last = tag.to_le_bytes();
        }
        *sum = checksum(owner.id, place, covered).to_le_bytes();
    }
}

/// Appends a record for the sectors from `place` on.
pub(super) fn frame(owner: Owner, place: u64, versions: Versions, body: &[u8], out: &mut Vec<u8>) {
    let Versions { from, to, durable } = versions;
    let numbers = [body.len() as u64, from, to, durable].map(u64::to_le_bytes);
    let (first, rest) = body.split_at(body.len().min(DATA - RECORD_HEADER));
    for (nth, part) in std::iter::once(first).chain(rest.chunks(DATA)).enumerate() {
        let start = out.len();
        if nth == 0 {
            out.extend(numbers.as_flattened());
        }
        out.extend_from_slice(part);
        out.resize(start + WHOLE, 0);
        if let Some(sector) = out.get_mut(start..) {
            seal(owner, place + nth as u64, nth == 0, sector);
        }
    }
}

/// Looks at a sector.
pub(super) fn sector(owner: Owner, place: u64, bytes: &[u8]) -> Sector<'_> {
    let Some((covered, sum)) = bytes.split_last_chunk::<8>() else { return Sector::Damaged };
    let Some((data, tag)) = covered.split_last_chunk::<4>() else { return Sector::Damaged };
    if checksum(owner.id, place, covered) != u64::from_le_bytes(*sum) {
        let never_written = bytes.iter().all(|byte| *byte == 0);
        return if never_written { Sector::Free } else { Sector::Damaged };
    }
    let tag = u32::from_le_bytes(*tag);
    if tag >> 1 != owner.round {
        return Sector::Free;
    }
    Sector::Ours { starts: tag & 1 == 1, data }
}

/// `true` of a damaged sector if one bit was flipped in what was not written in this round: then no record was there, acknowledged or not. That is no
/// guess, since of the sectors that differ in one bit only the one that was written has a good checksum.
fn was_free(owner: Owner, place: u64, bytes: &[u8]) -> bool {
    let Ok(tried) = <[u8; WHOLE]>::try_from(bytes) else { return false };
    let bits = |nth: usize| (0..8).map(move |bit| (nth, 1u8 << bit));
    (0..WHOLE).flat_map(bits).any(|(nth, bit)| {
        let mut flipped = tried;
        flipped.get_mut(nth).is_some_and(|byte| {
            *byte ^= bit;
            true
        }) && sector(owner, place, &flipped) == Sector::Free
    })
}

/// The length of the body and the versions of a record, from its first sector.
pub(super) fn header(data: &[u8]) -> Option<(u64, Versions)> {
    let mut numbers = data.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let (len, from, to, durable) = (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()?);
    Some((len, Versions { from, to, durable }))
}

/// Sectors in which records lie, from a place on.
#[derive(Clone, Copy)]
pub(super) struct Area<'a> {
    pub(super) start: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Area<'a> {
    /// The sectors from a place on, each with its own.
    pub(super) fn from(self, place: u64) -> impl Iterator<Item = (u64, &'a [u8; WHOLE])> {
        let skipped = place.saturating_sub(self.start) as usize;
        (self.start..).zip(self.bytes.as_chunks::<WHOLE>().0).skip(skipped)
    }

    fn at(self, place: u64) -> Option<&'a [u8]> {
        let nth = usize::try_from(place.checked_sub(self.start)?).ok()?;
        self.bytes.get(nth.checked_mul(WHOLE)?..)?.get(..WHOLE)
    }
}

/// Looks for a record at a place of the area in which they lie.
pub(super) fn find(owner: Owner, place: u64, area: Area<'_>) -> Found {
    let at = |place| area.at(place);
    let Some(bytes) = at(place) else { return Found::End };
    let (len, versions, first) = match sector(owner, place, bytes) {
        Sector::Free => return Found::End,
        Sector::Ours { starts: true, data } => match (header(data), data.get(RECORD_HEADER..)) {
            (Some((len, versions)), Some(first)) => (len, versions, first),
            _ => return Found::Damaged { sector: place },
        },
        Sector::Damaged if was_free(owner, place, bytes) => return Found::End,
        Sector::Ours { .. } | Sector::Damaged => return Found::Damaged { sector: place },
    };
    let Some(len) = usize::try_from(len).ok().filter(|len| *len <= area.bytes.len()) else {
        return Found::Damaged { sector: place };
    };
    let sectors = sectors_of(len);
    let mut body = first.to_vec();
    let mut torn = false;
    for place in place + 1..place + sectors {
        let Some(bytes) = at(place) else { return Found::Damaged { sector: place } };
        match sector(owner, place, bytes) {
            Sector::Ours { starts: false, data } => body.extend_from_slice(data),
            // Written once in this round only, so what stands there now was not written yet.
            Sector::Free => torn = true,
            Sector::Damaged if was_free(owner, place, bytes) => torn = true,
            Sector::Ours { .. } | Sector::Damaged => return Found::Damaged { sector: place },
        }
    }
    if torn {
        return Found::End;
    }
    body.truncate(len);
    Found::Record { versions, body, sectors }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { id: 0xfeed, round: 5 };
    const VERSIONS: Versions = Versions { from: 1, to: 2, durable: 1 };

    fn all(bytes: &[u8]) -> Area<'_> {
        Area { start: 0, bytes }
    }

    fn area(bodies: &[usize]) -> (Vec<u8>, Vec<u64>) {
        let (mut area, mut places) = (Vec::new(), Vec::new());
        for (nth, len) in bodies.iter().enumerate() {
            let body: Vec<u8> = (0..*len).map(|n| (n % 255) as u8 + 1).collect();
            let (start, place) = (area.len(), (area.len() / WHOLE) as u64);
            let versions = Versions { from: nth as u64, to: nth as u64 + 1, durable: 0 };
            frame(OWNER, place, versions, &body, &mut area);
            assert_eq!((area.len() - start) as u64, sectors_of(*len) * SECTOR);
            places.push(place);
        }
        area.resize(area.len() + 4 * WHOLE, 0);
        (area, places)
    }

    #[test]
    fn records_of_every_length_come_back() {
        let lens =
            [0, 1, DATA - RECORD_HEADER - 1, DATA - RECORD_HEADER, DATA - RECORD_HEADER + 1, 5_000, 70_000];
        let (area, places) = area(&lens);
        for (nth, (place, len)) in places.iter().zip(lens).enumerate() {
            let Found::Record { versions, body, sectors } = find(OWNER, *place, all(&area)) else {
                panic!("{len}")
            };
            assert_eq!((versions.from, body.len(), sectors), (nth as u64, len, sectors_of(len)));
            assert!(body.iter().zip((0..len).map(|n| (n % 255) as u8 + 1)).all(|(a, b)| *a == b));
        }
        assert_eq!(find(OWNER, (area.len() / WHOLE) as u64 - 4, all(&area)), Found::End);
        assert_eq!(find(OWNER, 1 << 40, all(&area)), Found::End);
        assert_eq!(find(Owner { round: 6, ..OWNER }, 0, all(&area)), Found::End, "of another round");
        assert_eq!(
            find(Owner { id: 1, ..OWNER }, 0, all(&area)),
            Found::Damaged { sector: 0 },
            "of another journal"
        );
    }

    #[test]
    fn what_was_not_written_whole_is_the_end_and_what_was_altered_is_damage() {
        let (whole, _) = area(&[2_000]);
        let sectors = sectors_of(2_000) as usize;
        for lost in 0..1u32 << sectors {
            let mut torn = whole.clone();
            for nth in (0..sectors).filter(|nth| lost >> nth & 1 == 1) {
                torn[nth * WHOLE..(nth + 1) * WHOLE].fill(0);
            }
            let found = find(OWNER, 0, all(&torn));
            assert_eq!(matches!(found, Found::Record { .. }), lost == 0);
            assert!(lost == 0 || found == Found::End, "{lost:b}: {found:?}");
        }
        for at in 0..sectors * WHOLE {
            for bit in [1, 128] {
                let mut flipped = whole.clone();
                flipped[at] ^= bit;
                let sector = (at / WHOLE) as u64;
                assert_eq!(find(OWNER, 0, all(&flipped)), Found::Damaged { sector }, "byte {at}");
            }
        }
        // In the place of another, a sector is none of this journal.
        let mut moved = whole.clone();
        moved.copy_within(WHOLE..2 * WHOLE, 2 * WHOLE);
        assert_eq!(find(OWNER, 0, all(&moved)), Found::Damaged { sector: 2 });
        assert!(frame_len_is_bounded());
    }

    #[test]
    fn a_bit_that_flipped_where_nothing_was_written_is_no_damage_and_two_are() {
        let older = Owner { round: 4, ..OWNER };
        let (mut dead, mut zeros) = (Vec::new(), vec![0; WHOLE]);
        frame(older, 0, VERSIONS, &[9; 300], &mut dead);
        for free in [&mut dead, &mut zeros] {
            for at in 0..WHOLE {
                free[at] ^= 1 << (at % 8);
                assert_eq!(find(OWNER, 0, all(free)), Found::End, "byte {at}");
                free[(at + 100) % WHOLE] ^= 1;
                assert_eq!(find(OWNER, 0, all(free)), Found::Damaged { sector: 0 }, "byte {at} and another");
                free[(at + 100) % WHOLE] ^= 1;
                free[at] ^= 1 << (at % 8);
            }
        }
        // Within a record that was not written whole; but not if another of its sectors is damaged.
        let (mut torn, _) = area(&[2_000]);
        torn[2 * WHOLE..3 * WHOLE].fill(0);
        torn[2 * WHOLE + 9] ^= 4;
        assert_eq!(find(OWNER, 0, all(&torn)), Found::End);
        torn[3 * WHOLE + 9] ^= 4;
        assert_eq!(find(OWNER, 0, all(&torn)), Found::Damaged { sector: 3 });
    }

    fn frame_len_is_bounded() -> bool {
        let mut out = Vec::new();
        frame(OWNER, 0, VERSIONS, &[], &mut out);
        out[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        seal(OWNER, 0, true, &mut out[..WHOLE]);
        find(OWNER, 0, all(&out)) == Found::Damaged { sector: 0 }
    }
}
