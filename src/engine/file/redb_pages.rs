//! What redb's header and pages say, as far as is needed to know what each page must hold: format 3, as redb
//! 4.6.0 reads and writes it (`docs/architecture.md` lists what is relied on, and where redb says it).
//!
//! No byte is trusted: what lies beyond its page, or cannot be, is `None`.

use xxhash_rust::xxh3::xxh3_128;

/// The bytes that redb's header has.
pub(super) const HEADER: usize = 320;
/// The smallest page, and the place of the first.
pub(super) const PAGE: u64 = 4096;

const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const VERSION: u8 = 3;
const SECOND_SLOT: u8 = 1;
const TWO_PHASES: u8 = 4;
const SLOT: usize = 128;
const SLOT_CHECKED: usize = 112;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
const PLAIN_TABLE: u8 = 3;
/// The greatest index of a page in its region has so many bits, and so has the number of a region.
const INDEX_BITS: u32 = 20;
const ORDER_BITS: u32 = 59;

/// A page, named by another: its number, and the checksum of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    number: u64,
    checksum: u128,
}

/// How long keys and values of a tree are, where all of them are of one length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Widths {
    key: Option<u64>,
    value: Option<u64>,
}

/// Where the pages of an image lie, and the roots of the list of redb's own tables and of that of all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    region: u64,
    before_pages: u64,
    pub(super) own: Named,
    /// `None` as long as there are none.
    pub(super) others: Option<Named>,
}

fn part<const N: usize>(bytes: &[u8], at: u64) -> Option<[u8; N]> {
    bytes.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
}

fn short(bytes: &[u8], at: u64) -> Option<u64> {
    part(bytes, at).map(u32::from_le_bytes).map(u64::from)
}

fn named(bytes: &[u8], number: u64, checksum: u64) -> Option<Named> {
    let (number, checksum) = (part(bytes, number)?, part(bytes, checksum)?);
    Some(Named { number: u64::from_le_bytes(number), checksum: u128::from_le_bytes(checksum) })
}

impl Header {
    /// `None` where redb refuses the image or checks all of it by itself, and where it has no tables of its own yet: of a format that
    /// is not known here, of a slot that does not match its checksum, and of a last commit that was not in two phases.
    pub(super) fn of(bytes: &[u8; HEADER]) -> Option<Header> {
        let [flags] = part(bytes, 9)?;
        if !bytes.starts_with(MAGIC) || flags & TWO_PHASES == 0 || short(bytes, 12)? != PAGE {
            return None;
        }
        let (before, pages) = (short(bytes, 16)?, short(bytes, 20)?);
        if before > 1 << INDEX_BITS || !(1..=1 << INDEX_BITS).contains(&pages) {
            return None;
        }
        let at = 64 + if flags & SECOND_SLOT == 0 { 0 } else { SLOT };
        let slot = bytes.get(at..at + SLOT)?;
        let sound = xxh3_128(slot.get(..SLOT_CHECKED)?).to_le_bytes() == slot.get(SLOT_CHECKED..)?;
        let [version, has_others, has_own] = part(slot, 0)?;
        if !sound || version != VERSION || has_own == 0 {
            return None;
        }
        Some(Header {
            region: (before + pages) * PAGE,
            before_pages: before * PAGE,
            own: named(slot, 40, 48)?,
            others: if has_others == 0 { None } else { Some(named(slot, 8, 16)?) },
        })
    }

    /// Where a page begins, and its length. `None` for a number that no page has.
    pub(super) fn place(&self, page: Named) -> Option<(u64, u64)> {
        const MASK: u64 = (1 << INDEX_BITS) - 1;
        let order = page.number >> ORDER_BITS;
        if order > u64::from(INDEX_BITS) {
            return None;
        }
        let (index, region) = (page.number & (MASK >> order), (page.number >> INDEX_BITS) & MASK);
        let inside = self.before_pages + index * (PAGE << order);
        (inside < self.region).then_some((PAGE + region * self.region + inside, PAGE << order))
    }
}

/// How many entries or keys a page has.
fn count(bytes: &[u8]) -> Option<u64> {
    part(bytes, 2).map(u16::from_le_bytes).map(u64::from)
}

/// Where the table of contents of a leaf ends, and its keys begin.
fn keys_of_leaf(n: u64, widths: Widths) -> u64 {
    let lists = u64::from(widths.key.is_none()) + u64::from(widths.value.is_none());
    4 + 4 * n * lists
}

/// Where a key of a leaf ends, of one with so many entries; and where a value does.
fn end_of_key(bytes: &[u8], n: u64, widths: Widths, which: u64) -> Option<u64> {
    match widths.key {
        Some(width) => Some(keys_of_leaf(n, widths) + width * (which + 1)),
        None => short(bytes, 4 + 4 * which),
    }
}

fn end_of_value(bytes: &[u8], n: u64, widths: Widths, which: u64) -> Option<u64> {
    match widths.value {
        Some(width) => Some(end_of_key(bytes, n, widths, n.checked_sub(1)?)? + width * (which + 1)),
        None => short(bytes, 4 + 4 * which + if widths.key.is_none() { 4 * n } else { 0 }),
    }
}

/// How much of a page redb uses, and its checksum is of.
fn used(bytes: &[u8], widths: Widths) -> Option<&[u8]> {
    let n = count(bytes)?;
    let last = n.checked_sub(1)?;
    let end = match *bytes.first()? {
        LEAF => end_of_value(bytes, n, widths, last)?,
        BRANCH => {
            let lists = 8 + 24 * (n + 1);
            widths.key.map_or_else(|| short(bytes, lists + 4 * last), |width| Some(lists + width * n))?
        }
        _ => return None,
    };
    bytes.get(..usize::try_from(end).ok()?)
}

impl Named {
    /// The part of the checksum that is compared.
    pub(super) fn sum(&self) -> u64 {
        self.checksum as u64
    }

    /// What it is of the bytes of a page; `None` if they are none.
    pub(super) fn sum_of(bytes: &[u8], widths: Widths) -> Option<u64> {
        used(bytes, widths).map(|used| xxh3_128(used) as u64)
    }

    /// Whether a page holds what it is named for.
    pub(super) fn is(&self, bytes: &[u8], widths: Widths) -> bool {
        used(bytes, widths).is_some_and(|used| xxh3_128(used) == self.checksum)
    }
}

/// Whether these bytes say that they are a leaf.
pub(super) fn is_leaf(bytes: &[u8]) -> bool {
    bytes.first() == Some(&LEAF)
}

/// Whether these bytes say that they are a leaf, and that it has rows. redb writes none without.
pub(super) fn is_leaf_with_rows(bytes: &[u8]) -> bool {
    is_leaf(bytes) && count(bytes).is_some_and(|rows| rows > 0)
}

/// The pages that a branch names; none for a leaf.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = Named> {
    let many = if bytes.first() == Some(&BRANCH) { count(bytes).map_or(0, |keys| keys + 1) } else { 0 };
    (0..many).filter_map(move |which| named(bytes, 8 + 16 * many + 8 * which, 8 + 16 * which))
}

/// The tables that a leaf of the list names: each one's name, how long its keys and values are, and its root. None for a branch.
pub(super) fn tables(bytes: &[u8]) -> impl Iterator<Item = (String, Widths, Named)> {
    let any = Widths::default();
    let n = if bytes.first() == Some(&LEAF) { count(bytes).unwrap_or(0) } else { 0 };
    (0..n).filter_map(move |which| {
        let from = |end: fn(&[u8], u64, Widths, u64) -> Option<u64>, first: Option<u64>| {
            if which == 0 { first } else { end(bytes, n, any, which - 1) }
        };
        let slice = |from: u64, to: u64| bytes.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
        let name = slice(from(end_of_key, Some(keys_of_leaf(n, any)))?, end_of_key(bytes, n, any, which)?)?;
        let value = slice(
            from(end_of_value, end_of_key(bytes, n, any, n - 1))?,
            end_of_value(bytes, n, any, which)?,
        )?;
        // A kind, a length, whether there is a root, the root with its checksum and length; then the widths.
        let has_root = value.first() == Some(&PLAIN_TABLE) && *value.get(9)? != 0;
        let width = |at: u64| -> Option<Option<u64>> {
            let [given] = part(value, at)?;
            Some(if given == 0 { None } else { Some(short(value, at + 1)?) })
        };
        let widths = Widths { key: width(42)?, value: width(47)? };
        has_root.then_some((String::from_utf8_lossy(name).into_owned(), widths, named(value, 10, 18)?))
    })
}
