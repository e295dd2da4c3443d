//! A page of the file that is not what was written there.

/// A page of redb's that is not what redb wrote there. What it names would lead redb anywhere, so nothing is read through it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the page of {len} bytes at byte {start} of redb's image, of {part}, is not what redb wrote there")]
#[non_exhaustive]
pub struct DamagedPage {
    /// What the page is a part of, in words: a table of the store or of somebody else's in the same file, one of redb's own, or the list of tables.
    pub part: String,
    /// Where it begins, in redb's image. That begins behind the journal, if the file has one.
    pub start: u64,
    /// How long it is.
    pub len: u64,
}
