//! The identities and counters of the store's records. Pure.

use std::borrow::Borrow;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::hash::hex;
use crate::model::limits::{InputError, check_id};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// What the ids begin with that stand for texts which cannot be ids.
const HASHED: &str = "sha256:";

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Text);

        impl $name {
            /// Checks and takes an id: 1 to 128 bytes of UTF-8, without control characters and without
            /// white space at its ends. It is kept exactly as given.
            pub fn new(id: impl AsRef<str>) -> Result<Self, InputError> {
                check_id($what, id.as_ref())?;
                Ok(Self(id.as_ref().into()))
            }

            /// The id of any text whatever, also one that is too long to be an id itself, is empty, or has control characters: what
            /// can be an id is its own, and anything else has `sha256:` and the SHA-256 of its bytes in hexadecimal. So has what
            /// begins with `sha256:`, so that no two texts have the same id. The text cannot be read from the id:
            /// where it is wanted again, keep it with the execution, in the payload for instance, or in a label if it
            /// has up to 256 bytes and is searched for.
            ///
            /// ```
            #[doc = concat!("# use execstore::", stringify!($name), ";")]
            #[doc = concat!("assert_eq!(", stringify!($name), "::from_any(\"short\"), \"short\");")]
            #[doc = concat!("let long = ", stringify!($name), "::from_any(&\"x\".repeat(10_000));")]
            /// assert_eq!(long.as_str().len(), 71);
            /// ```
            pub fn from_any(text: impl AsRef<str>) -> Self {
                let text = text.as_ref();
                match check_id($what, text) {
                    Ok(()) if !text.starts_with(HASHED) => Self(text.into()),
                    _ => Self(format!("{HASHED}{}", hex(&Sha256::digest(text).into())).into()),
                }
            }

            pub(crate) fn checked(id: Text) -> Result<Self, InputError> {
                check_id($what, &id)?;
                Ok(Self(id))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(crate) fn from_stored(id: Text) -> Self {
                Self(id)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == **other
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl From<&$name> for String {
            fn from(id: &$name) -> String {
                (&id.0).into()
            }
        }

        impl From<$name> for Text {
            fn from(id: $name) -> Text {
                id.0
            }
        }

        impl From<&$name> for Text {
            fn from(id: &$name) -> Text {
                id.0.clone()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InputError;
            fn try_from(id: String) -> Result<Self, InputError> {
                Self::new(id)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InputError;
            fn from_str(id: &str) -> Result<Self, InputError> {
                Self::new(id)
            }
        }
    };
}

text_id! {
    /// The id of an execution, given by the caller or made by the store. Cheap to clone.
    ExecutionId, "execution id"
}
text_id! {
    /// The id of the job that an execution belongs to. Cheap to clone.
    JobId, "job id"
}

impl ExecutionId {
    /// A new time-ordered id: a UUID of version 7 (RFC 9562) as text, by the system's clock, in the order of the calls in this
    /// process. The ids that a store makes are by its own [clock](crate::Builder::set_clock).
    pub fn generate() -> Self {
        static MAKER: IdMaker = IdMaker(Mutex::new((0, 0)));
        MAKER.next(Timestamp::now())
    }
}

/// Makes ids that are ordered by time, and by the order in which they were made where the time stands still or goes back.
#[derive(Debug, Default)]
pub(crate) struct IdMaker(Mutex<(u64, u128)>);

impl IdMaker {
    /// The milliseconds of a UUID have 48 bits, what follows has 74 but for version and variant.
    const MAX_MILLIS: u64 = (1 << 48) - 1;
    const TAIL: u128 = 1 << 74;

    /// A new id. No time is refused; those before 1970 count as 1970.
    pub(crate) fn next(&self, now: Timestamp) -> ExecutionId {
        let millis = u64::try_from(now.as_nanos().div_euclid(1_000_000)).unwrap_or(0).min(Self::MAX_MILLIS);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut at, mut tail) = *last;
        // An odd step of up to 32 bits, so that ids cannot be counted on.
        tail += 1 + u128::from(xxh3_64(&tail.to_le_bytes()) & 0xffff_ffff);
        if millis > at || *last == (0, 0) || tail >= Self::TAIL {
            at = if millis > at || *last == (0, 0) { millis } else { (at + 1).min(Self::MAX_MILLIS) };
            // Half of them are left for those of the same millisecond.
            tail = uuid::Uuid::new_v4().as_u128() % (Self::TAIL / 2);
        }
        *last = (at, tail);
        drop(last);
        let (high, low) = (tail >> 62, tail & ((1 << 62) - 1));
        let uuid = uuid::Uuid::from_u128(u128::from(at) << 80 | 7 << 76 | high << 64 | 2 << 62 | low);
        let mut text = [0; 36];
        ExecutionId(Text::from(&*uuid.hyphenated().encode_lower(&mut text)))
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// In JSON a number up to 2^53 - 1, which JavaScript reads exactly, and a text beyond; both are read.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "crate::model::json::count")] pub u64);

        impl $name {
            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl From<$name> for u64 {
            fn from(number: $name) -> u64 {
                number.0
            }
        }
    };
}

counter! {
    /// Distinguishes an execution from others with the same id: a number that the store assigned when it was created, from 1 and
    /// never reused. An id that is deleted and created again gets another. 0 means none. It has no meaning in another store.
    Incarnation
}
counter! {
    /// Tells a store from what it was before an older copy of it was put back: a number drawn at random when the store is
    /// created, and again when a [restore is declared](crate::Builder::declare_restored) or a
    /// [loss accepted](crate::Builder::accept_loss).
    StoreIncarnation
}
counter! {
    /// Counts the updates of one execution: 1 when created, one more with each update. Used for optimistic locking.
    Revision
}
counter! {
    /// The place of an event in its execution's history, from 1 without gaps.
    EventSeq
}
counter! {
    /// The place of a change in the store-wide change log, from 1, without gaps, never reused. 0 is "before
    /// the first".
    ChangeSeq
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_are_valid_and_ordered() {
        let ids: Vec<_> = (0..100).map(|_| ExecutionId::generate()).collect();
        assert!(ids.iter().all(|id| ExecutionId::new(id).is_ok()));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn any_text_has_an_id_of_its_own() {
        let long = "x".repeat(129);
        let hashed = ExecutionId::from_any(&long);
        let texts = ["a", "a b", "", " a", "a\n", &long, &long[..128], "sha256:", hashed.as_str()];
        let ids: std::collections::BTreeSet<_> = texts.iter().map(ExecutionId::from_any).collect();
        assert_eq!(ids.len(), texts.len());
        assert!(ids.iter().all(|id| ExecutionId::new(id).is_ok()));
        assert_eq!(JobId::from_any(&long[..128]).as_str(), &long[..128]);
        let known = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ExecutionId::from_any(""), known);
    }

    #[test]
    fn ids_are_of_their_time_and_ordered_whatever_the_clock_says() {
        let millis = |id: &ExecutionId| u64::from_str_radix(&id.as_str().replace('-', "")[..12], 16).unwrap();
        for (nanos, expected) in [
            (i64::MIN, 0),
            (-1, 0),
            (0, 0),
            (1_700_000_000_123_456_789, 1_700_000_000_123),
            (i64::MAX, 9_223_372_036_854),
        ] {
            let id = IdMaker::default().next(Timestamp::from_nanos(nanos));
            let uuid = uuid::Uuid::parse_str(id.as_str()).unwrap();
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(millis(&id), expected);
        }
        let (maker, mut last) = (IdMaker::default(), None);
        for nanos in [5_000_000, 5_000_000, 1, -7, i64::MAX, 0, i64::MIN].repeat(300) {
            let id = maker.next(Timestamp::from_nanos(nanos));
            assert!(last < Some(id.clone()), "{last:?} {id}");
            last = Some(id);
        }
    }

    #[test]
    fn ids_refuse_what_the_limits_refuse_through_every_door() {
        assert!(ExecutionId::new("").is_err());
        assert!("a\nb".parse::<JobId>().is_err());
        assert!(serde_json::from_str::<JobId>("\" x\"").is_err());
        assert_eq!(serde_json::from_str::<JobId>("\"x\"").unwrap(), "x");
    }

    #[test]
    fn counters_are_exact_in_every_language() {
        for (number, json) in [
            (0, "0"),
            ((1 << 53) - 1, "9007199254740991"),
            (1 << 53, "\"9007199254740992\""),
            (u64::MAX, "\"18446744073709551615\""),
        ] {
            assert_eq!(serde_json::to_string(&Revision(number)).unwrap(), json);
            assert_eq!(serde_json::from_str::<Revision>(json).unwrap(), Revision(number));
            assert_eq!(serde_json::from_str::<ChangeSeq>(&format!("\"{number}\"")).unwrap().get(), number);
            assert_eq!(serde_json::from_str::<EventSeq>(&number.to_string()).unwrap().get(), number);
            let map = std::collections::BTreeMap::from([(ChangeSeq(number), 1)]);
            let text = serde_json::to_string(&map).unwrap();
            assert_eq!(
                serde_json::from_str::<std::collections::BTreeMap<ChangeSeq, i32>>(&text).unwrap(),
                map
            );
        }
        for bad in ["-1", "1.5", "\"\"", "\"+1\"", "\"18446744073709551616\"", "null", "1e30"] {
            assert!(serde_json::from_str::<Revision>(bad).is_err(), "{bad}");
        }
    }
}
