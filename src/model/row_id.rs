//! The numbers by which a store knows things internally: each a type of its own, so that none is taken for another.

use std::fmt;
use std::ops::RangeInclusive;

use super::execution::Header;

macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) u64);

        impl From<$name> for u64 {
            fn from(number: $name) -> u64 {
                number.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

numbers! {
    /// By which the file knows an execution: given at creation, in order from 1, and never again. 0 is none.
    RowId;
    /// Of a large value in rows of the table `chunks`, never given again. 0 is none.
    BlobId;
    /// Of a bucket, never given again. 0 is the one that the others lie in.
    BucketId;
    /// Counts the payloads that an execution has had, from 1.
    PayloadVersion;
}

impl BucketId {
    /// What the buckets of a store lie in that lie in no other.
    pub(crate) const ROOT: BucketId = BucketId(0);
}

impl RowId {
    /// No execution.
    pub(crate) const NONE: RowId = RowId(0);
    pub(crate) const MAX: RowId = RowId(u64::MAX);
    /// Every number.
    pub(crate) const ALL: RangeInclusive<RowId> = RowId::NONE..=RowId::MAX;

    /// As a part of a key: keys sort as their numbers do.
    pub(crate) const fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// An execution's own: its incarnation shows it.
    pub(crate) fn of(header: &Header) -> Self {
        Self(header.incarnation.0)
    }
}

impl PayloadVersion {
    pub(crate) const FIRST: PayloadVersion = PayloadVersion(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
