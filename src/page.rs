//! Pages of executions and the cursors between them. Pure.

use std::fmt;

use crate::error::ReadError;
use crate::execution::Execution;

/// The order of a page: by creation, which is a total order that never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The newest first. The default.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Asks for one page of executions.
///
/// ```
/// # use execstore::{NewExecution, PageRequest, Readable, Store};
/// # let store = Store::in_memory()?;
/// # for n in 0..5 { store.write(|w| w.create(NewExecution::new("j").name(n.to_string()), &[]))?; }
/// let r = store.begin_read()?;
/// let first = r.page(&PageRequest::newest_first(3))?;
/// assert_eq!(first.executions.len(), 3);
/// if let Some(cursor) = first.next {
///     let second = r.page(&PageRequest::newest_first(3).after(cursor))?;
///     assert_eq!((second.executions.len(), second.next), (2, None));
/// }
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PageRequest {
    pub(crate) order: Order,
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
}

impl PageRequest {
    /// The newest executions, at most `limit` (1 to 10,000) of them.
    pub const fn newest_first(limit: usize) -> Self {
        Self { order: Order::NewestFirst, limit, after: None }
    }

    /// The oldest executions, at most `limit` (1 to 10,000) of them.
    pub const fn oldest_first(limit: usize) -> Self {
        Self { order: Order::OldestFirst, limit, after: None }
    }

    /// Goes on where the page that gave this cursor ended.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }
}

/// One page of executions.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The executions, in the order that was asked for.
    pub executions: Vec<Execution>,
    /// The rows of this page that could not be read. They count towards the limit.
    pub damaged: Vec<ReadError>,
    /// Where the next page begins; `None` if there was nothing more when this page was read.
    pub next: Option<Cursor>,
}

/// Where a page ended: an opaque text, safe in a URL, that stays right while others insert and delete.
///
/// It names a place between executions, so nothing that is there throughout is missed or given twice. It
/// belongs to one store and one order; elsewhere it is refused. It does not expire.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(crate) store: u64,
    pub(crate) order: Order,
    pub(crate) number: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::NewestFirst => 'n',
            Order::OldestFirst => 'o',
        };
        write!(f, "1{order}{:016x}{:x}", self.store, self.number)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

impl std::str::FromStr for Cursor {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let bad = || ReadError::InvalidCursor { reason: "it is not one of ours" };
        let order = match text.get(..2) {
            Some("1n") => Order::NewestFirst,
            Some("1o") => Order::OldestFirst,
            _ => return Err(bad()),
        };
        let hex = |part: Option<&str>| {
            let part = part.filter(|part| part.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(bad)?;
            u64::from_str_radix(part, 16).map_err(|_| bad())
        };
        Ok(Self { store: hex(text.get(2..18))?, order, number: hex(text.get(18..))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_go_through_text() {
        for cursor in [
            Cursor { store: 0, order: Order::NewestFirst, number: 0 },
            Cursor { store: u64::MAX, order: Order::OldestFirst, number: u64::MAX },
        ] {
            assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }
        for text in ["", "1n", "1x00000000000000001", "1n0000000000000000", "1n0000000000000000+1", "1nß"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
