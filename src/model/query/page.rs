//! Pages of executions and the cursors between them. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::order::OrderBy;
use crate::model::error::ReadError;
use crate::model::fingerprint::{with_check, without_check};
use crate::model::id::StoreIncarnation;
use crate::model::limits::InputError;

/// One page of executions, or of their [headers](crate::Header).
///
/// ```
/// # use execstore::{NewExecution, Query, Readable, Store};
/// # let store = Store::in_memory()?;
/// # for n in 0..5 { store.create(NewExecution::new("j").name(n.to_string()))?; }
/// let r = store.begin_read()?;
/// let first = r.query(&Query::new().limit(3)).page()?;
/// assert_eq!(first.executions.len(), 3);
/// if let Some(cursor) = first.next {
///     let second = r.query(&Query::new().limit(3).after(cursor)).page()?;
///     assert_eq!((second.executions.len(), second.next), (2, None));
/// }
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The executions, in the order that was asked for.
    pub executions: Vec<T>,
    /// The rows of this page that could not be read. They count towards the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::model::error::damages")]
    pub damaged: Vec<ReadError>,
    /// Where the next page begins; `None` if there was nothing more when this page was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

/// A place in an order: a time, or 0 where the order has none, and what orders those of the same time, the number of an execution's
/// row, or in the order of modification that of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub(crate) time: i64,
    pub(crate) key: u64,
}

/// Where a page ended: an opaque text, safe in a URL, that stays right while others insert, change and delete.
///
/// It names a place between executions, so nothing that stays as it is throughout is missed or given twice. In the
/// order of modification an execution that changes meanwhile moves to the end of the order. A cursor
/// belongs to one query, with its order, in one [incarnation](crate::StoreIncarnation) of one store: with anything else it is refused
/// with [`InputError::InvalidCursor`], and so is a text that was cut or altered. It does not expire.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    pub(crate) store: StoreIncarnation,
    /// Of the query that it was made for.
    pub(crate) query: u64,
    pub(crate) order: OrderBy,
    pub(crate) newest_first: bool,
    pub(crate) place: Position,
}

/// The letter of each order and direction.
const LETTERS: [(OrderBy, bool, char); 6] = [
    (OrderBy::Created, true, 'n'),
    (OrderBy::Created, false, 'o'),
    (OrderBy::Modified, true, 'm'),
    (OrderBy::Modified, false, 'l'),
    (OrderBy::Completed, true, 'c'),
    (OrderBy::Completed, false, 'b'),
];

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, query, order, newest_first, place } = self;
        let known = LETTERS.iter().find(|(by, newest, _)| (by, newest) == (order, newest_first));
        let letter = known.map_or('n', |(_, _, letter)| *letter);
        let mut text = format!("3{letter}{:016x}{query:016x}{:x}", store.0, place.key);
        // Only the order of completion has a time.
        if *order == OrderBy::Completed {
            text.push_str(&format!("-{:x}", place.time));
        }
        f.write_str(&with_check(&text))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

impl std::str::FromStr for Cursor {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let bad = || InputError::InvalidCursor { reason: "it is not one of ours" };
        let hex = |part: Option<&str>| {
            let part = part.filter(|part| part.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(bad)?;
            u64::from_str_radix(part, 16).map_err(|_| bad())
        };
        if text.starts_with(['1', '2']) {
            return Err(InputError::InvalidCursor { reason: "it has the form of an earlier release" });
        }
        let altered = || InputError::InvalidCursor { reason: "it is not whole, or was altered" };
        let text = text.strip_prefix('3').map_or(Err(bad()), |_| without_check(text).ok_or_else(altered))?;
        let letter = text.strip_prefix('3').and_then(|text| text.chars().next());
        let known = LETTERS.iter().find(|(_, _, known)| letter == Some(*known)).ok_or_else(bad)?;
        let (order, newest_first, _) = *known;
        let store = StoreIncarnation(hex(text.get(2..18))?);
        let query = hex(text.get(18..34))?;
        let rest = text.get(34..).ok_or_else(bad)?;
        let (key, time) = match (order, rest.split_once('-')) {
            (OrderBy::Completed, Some((key, time))) => (key, hex(Some(time))?.cast_signed()),
            (OrderBy::Completed, None) => return Err(bad()),
            _ => (rest, 0),
        };
        Ok(Self { store, query, order, newest_first, place: Position { time, key: hex(Some(key))? } })
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> String {
        cursor.to_string()
    }
}

impl TryFrom<String> for Cursor {
    type Error = <Cursor as std::str::FromStr>::Err;

    fn try_from(text: String) -> Result<Self, <Cursor as std::str::FromStr>::Err> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fingerprint::altered;

    #[test]
    fn cursors_go_through_text() {
        for (order, newest_first, _) in LETTERS {
            for (store, time, number) in [(0, 0, 0), (u64::MAX, i64::MIN, u64::MAX), (7, i64::MAX, 9)] {
                let time = if order == OrderBy::Completed { time } else { 0 };
                let (store, query) = (StoreIncarnation(store), !store);
                let cursor =
                    Cursor { store, query, order, newest_first, place: Position { time, key: number } };
                assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
            }
        }
        for text in [
            "",
            "3n",
            "3x000000000000000000000000000000001",
            "3n00000000000000000000000000000000",
            "3n00000000000000000000000000000000+1",
            "3nß",
            "3c000000000000000000000000000000001",
            "3c000000000000000000000000000000001-",
            "3n000000000000000000000000000000001-1",
            "1n000000000000000000000000000000001",
            "2n000000000000000000000000000000001",
            "4n000000000000000000000000000000001",
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
            assert!(with_check(text).parse::<Cursor>().is_err(), "{text}");
        }
        let place = Position { time: 77, key: 0x1234 };
        for (order, newest_first, _) in LETTERS {
            let place = Position { time: if order == OrderBy::Completed { 77 } else { 0 }, ..place };
            let text =
                Cursor { store: StoreIncarnation(5), query: 6, order, newest_first, place }.to_string();
            for other in altered(&text) {
                assert!(other.parse::<Cursor>().is_err(), "{other} for {text}");
            }
        }
    }
}
