//! A position in the change log that leaves the store. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fingerprint::{with_check, without_check};
use crate::model::id::{ChangeSeq, StoreIncarnation};
use crate::model::json::form::by_text;
use crate::model::limits::InputError;

/// A position in the change log, to be kept outside the store: after which change, and of which incarnation of which store.
///
/// A bare [`ChangeSeq`] means another change once an older copy of the store was put back, or in another store. A
/// bookmark says what it was made for, and is refused elsewhere with [`PositionError`]. As text it is safe in a URL, and refused if it was
/// cut or altered:
///
/// ```
/// # use std::time::Duration;
/// # use execstore::log::Bookmark;
/// # use execstore::watch::WatchFrom;
/// # use execstore::{Filter, NewExecution, Store};
/// # let store = Store::in_memory()?;
/// # store.create(NewExecution::new("j"))?;
/// let mut watcher = store.watch(WatchFrom::Oldest, Filter::new())?;
/// let changes = watcher.next_batch(100, Duration::ZERO)?;
/// let kept = watcher.bookmark().to_string(); // beside what became of the changes
///
/// let bookmark: Bookmark = kept.parse()?;
/// let mut watcher = store.watch(WatchFrom::Bookmark(bookmark), Filter::new())?;
/// # assert_eq!((changes.len(), watcher.next_batch(100, Duration::ZERO)?.len()), (1, 0));
/// # let other = Store::in_memory()?;
/// # assert!(other.watch(WatchFrom::Bookmark(bookmark), Filter::new()).is_err());
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bookmark {
    incarnation: StoreIncarnation,
    seq: ChangeSeq,
}

impl Bookmark {
    /// Puts one together from its parts, as they were kept. [`Watcher::bookmark`](crate::watch::Watcher::bookmark) and
    /// [`Log::bookmark`](crate::log::Log::bookmark) make those of a store.
    pub const fn new(incarnation: StoreIncarnation, seq: ChangeSeq) -> Self {
        Self { incarnation, seq }
    }

    /// Which incarnation of which store it belongs to.
    pub const fn incarnation(&self) -> StoreIncarnation {
        self.incarnation
    }

    /// The change that it is after; 0 is before the first.
    pub const fn seq(&self) -> ChangeSeq {
        self.seq
    }

    /// The change that it is after, in this incarnation of a store whose log has this head.
    pub(crate) fn resolve(&self, incarnation: StoreIncarnation, head: u64) -> Result<u64, PositionError> {
        match self.incarnation == incarnation {
            true => within(self.seq.0, incarnation, head),
            false => {
                Err(PositionError::OtherIncarnation { bookmark: *self, incarnation, head: ChangeSeq(head) })
            }
        }
    }
}

/// That what was asked for begins with this entry, while so many are trimmed.
pub(crate) fn trimmed(requested: u64, trimmed: u64) -> PositionError {
    PositionError::Trimmed { requested: ChangeSeq(requested), oldest: ChangeSeq(trimmed + 1) }
}

/// A position that the log has come to.
pub(crate) fn within(seq: u64, incarnation: StoreIncarnation, head: u64) -> Result<u64, PositionError> {
    match seq <= head {
        true => Ok(seq),
        false => Err(PositionError::BeyondHead { seq: ChangeSeq(seq), incarnation, head: ChangeSeq(head) }),
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_check(&format!("2-{:016x}-{}-", self.incarnation.0, self.seq)))
    }
}

by_text!(Bookmark);

impl std::str::FromStr for Bookmark {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let read = || {
            let (incarnation, seq) =
                without_check(text)?.strip_prefix("2-")?.strip_suffix('-')?.split_once('-')?;
            let whole = incarnation.len() == 16 && incarnation.bytes().all(|b| b.is_ascii_hexdigit());
            let seq = Some(seq).filter(|seq| seq.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
            let incarnation = u64::from_str_radix(incarnation, 16).ok().filter(|_| whole)?;
            Some(Self::new(StoreIncarnation(incarnation), ChangeSeq(seq)))
        };
        let reason = || format!("{text:?} is not whole, was altered, or is not one of this release");
        read().ok_or_else(|| InputError::Invalid { what: "bookmark", reason: reason() })
    }
}

/// A position that is none in this store. What is kept under it elsewhere is of another store, or of this one as it was before an
/// older copy was put back: read the present records, and go on from there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// The change log has not come that far. An older copy of the store may have been put back, which
    /// [`Builder::declare_restored`](crate::Builder::declare_restored) should say.
    #[error(
        "position {seq} is beyond the head of the change log, {head} (incarnation {:016x}): it is of another store, or an older copy of this one was put back",
        .incarnation.0
    )]
    BeyondHead {
        /// The position that was given.
        seq: ChangeSeq,
        /// The incarnation of the store that was asked.
        incarnation: StoreIncarnation,
        /// The head of its change log.
        head: ChangeSeq,
    },
    /// The change log does not go back that far any more: it was trimmed, and changes are missing in between.
    #[error(
        "the change log was trimmed: {requested} was asked for, and the oldest entry that is kept is {oldest}; read the present records and go on from there"
    )]
    Trimmed {
        /// The first entry that was asked for, or that what comes after the position begins with.
        requested: ChangeSeq,
        /// The oldest entry that is kept; one beyond the head if none is.
        oldest: ChangeSeq,
    },
    /// The bookmark is of another store, or of this one before a restore was declared.
    #[error(
        "the bookmark {bookmark} is of another incarnation than the store, which is {:016x} with the head {head}: it is of another store, or an older copy of this one was put back",
        .incarnation.0
    )]
    OtherIncarnation {
        /// The bookmark that was given.
        bookmark: Bookmark,
        /// The incarnation of the store that was asked.
        incarnation: StoreIncarnation,
        /// The head of its change log.
        head: ChangeSeq,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fingerprint::altered;

    #[test]
    fn bookmarks_go_through_text() {
        for (incarnation, seq) in [(0, 0), (1, u64::MAX), (u64::MAX, 7)] {
            let bookmark = Bookmark::new(StoreIncarnation(incarnation), ChangeSeq(seq));
            assert_eq!(bookmark.to_string().parse::<Bookmark>().unwrap(), bookmark);
            let json = serde_json::to_string(&bookmark).unwrap();
            assert_eq!(serde_json::from_str::<Bookmark>(&json).unwrap(), bookmark);
        }
        let whole = Bookmark::new(StoreIncarnation(255), ChangeSeq(120)).to_string();
        for other in altered(&whole) {
            assert!(other.parse::<Bookmark>().is_err(), "{other} for {whole}");
        }
        for bad in
            ["1", "12", "2-ff-12", "1-00000000000000ff-12", "2-00000000000000ff-", "2-00000000000000ff-+1"]
        {
            assert!(bad.parse::<Bookmark>().is_err(), "{bad}");
            assert!(with_check(bad).parse::<Bookmark>().is_err(), "{bad}");
        }
    }
}
