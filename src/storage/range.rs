//! Rows of a table: looked up, and in ranges that are checked to lie where they should.

use std::ops::Bound;

use redb::{Key, Range, ReadableTable, Value as _};

use super::calls::catch_panics;
use super::ends::{Ends, Next, next_of};
use super::pending::{PendingRange, is_empty};
use super::slots::Stored;
use crate::format::Reason;
use crate::format::schema::{Tag, Value};
use crate::model::error::{Damage, ReadError, StorageError};

/// A damaged row of a table.
pub(crate) fn damaged(tag: Tag, key: &[u8], reason: impl Into<String>) -> Damage {
    let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Damage { table: tag.name().into(), key, reason: reason.into() }
}

/// A look-up: the row's value is decoded within [`catch_panics`], since redb may panic on its bounds too.
pub(super) fn look_up<T: ReadableTable<K, Value>, K: Key + 'static, R>(
    table: &T,
    key: K::SelfType<'_>,
    decode: impl FnOnce(&[u8]) -> R,
) -> Result<Option<R>, StorageError> {
    #[cfg(test)]
    counted::one();
    catch_panics(|| Ok::<_, redb::StorageError>(table.get(key)?.map(|value| decode(value.value()))))
}

/// The rows of a range, from either end, each of them checked to lie where it was looked for: on a damaged
/// page redb finds rows that are out of order. Ends after the first storage error, since redb may leave rows
/// out after one.
pub(crate) struct CheckedRange<'a, T: Stored, F> {
    range: Option<Ends<Range<'a, T::RedbKey, Value>>>,
    /// Rows that redb has not been given yet, if there may be some.
    pending: Option<PendingRange<'a>>,
    decode: F,
    span: Span,
}

/// Where the rows to come lie.
pub(super) struct Span {
    tag: Tag,
    low: Edge,
    high: Option<Edge>,
}

struct Edge {
    key: Vec<u8>,
    included: bool,
}

impl Edge {
    fn included(key: &[u8]) -> Self {
        Self { key: key.to_vec(), included: true }
    }

    fn of<K: AsRef<[u8]> + ?Sized>(bound: Bound<&K>) -> Option<Self> {
        match bound {
            Bound::Included(key) => Some(Self::included(key.as_ref())),
            Bound::Excluded(key) => Some(Self { included: false, ..Self::included(key.as_ref()) }),
            Bound::Unbounded => None,
        }
    }

    fn pass(&mut self, key: &[u8]) {
        self.included = false;
        self.key.clear();
        self.key.extend_from_slice(key);
    }
}

impl Span {
    /// That of a whole table.
    pub(super) fn all(tag: Tag) -> Self {
        Self { tag, low: Edge::included(&[]), high: None }
    }

    /// The last row from the front, if there was one that lay in its place.
    pub(super) fn last(&self) -> Option<&[u8]> {
        (!self.low.included).then_some(&self.low.key)
    }

    /// Checks that a row lies between those before it and those to come.
    pub(super) fn place(&mut self, key: &[u8], from_front: bool) -> Result<(), Damage> {
        let above = key > self.low.key.as_slice() || (self.low.included && key == self.low.key);
        let below = match &self.high {
            Some(high) => key < high.key.as_slice() || (high.included && key == high.key),
            None => true,
        };
        if !(above && below) {
            return Err(damaged(self.tag, key, "the row is out of its place"));
        }
        if from_front {
            self.low.pass(key);
        } else {
            self.high.get_or_insert_with(|| Edge::included(key)).pass(key);
        }
        Ok(())
    }
}

impl<'a, T: Stored, F> CheckedRange<'a, T, F> {
    /// `decode` takes key and value.
    pub(super) fn new<R: ReadableTable<T::RedbKey, Value>>(
        table: &'a R,
        pending: Option<PendingRange<'a>>,
        (low, high): (Bound<&T::Key>, Bound<&T::Key>),
        decode: F,
    ) -> Result<Self, StorageError> {
        // redb panics on one that ends before it begins.
        let range = match is_empty(low.map(AsRef::as_ref), high.map(AsRef::as_ref)) {
            true => None,
            false => {
                let ends = (low.map(T::lend), high.map(T::lend));
                let range = catch_panics(|| table.range::<<T::RedbKey as redb::Value>::SelfType<'_>>(ends))?;
                Some(Ends::new(range))
            }
        };
        let low = Edge::of(low).unwrap_or_else(|| Edge::included(&[]));
        let span = Span { tag: T::TAG, low, high: Edge::of(high) };
        Ok(Self { range, pending, decode, span })
    }

    fn step<R>(&mut self, from_front: bool) -> Option<Result<R, ReadError>>
    where
        F: FnMut(&T::Key, &[u8]) -> Result<R, Reason>,
    {
        #[cfg(test)]
        counted::one();
        let Self { range, pending, decode, span } = self;
        let found = range.as_mut()?;
        let mut decoded = |key: &T::Key, value: &[u8]| match span.place(key.as_ref(), from_front) {
            Ok(()) => decode(key, value).map_err(|reason| damaged(T::TAG, key.as_ref(), reason).into()),
            Err(damage) => Err(damage.into()),
        };
        let row = catch_panics(|| match pending {
            None => {
                let Some((key, value)) = found.take(from_front).transpose()? else { return Ok(None) };
                Ok::<_, redb::StorageError>(Some(decoded(T::lent(key.value()), value.value())))
            }
            Some(pending) => merged::<T, _>(found, pending, from_front, decoded),
        });
        match row {
            Ok(row) => row,
            Err(error) => {
                *range = None;
                Some(Err(error.into()))
            }
        }
    }
}

/// The next row of redb's and of those that are pending, of which a pending one stands for redb's own of the same key.
fn merged<'a, T: Stored, R>(
    range: &mut Ends<Range<'a, T::RedbKey, Value>>,
    pending: &mut PendingRange<'a>,
    from_front: bool,
    mut decoded: impl FnMut(&T::Key, &[u8]) -> Result<R, ReadError>,
) -> Result<Option<Result<R, ReadError>>, redb::StorageError> {
    loop {
        let waiting = pending.near(from_front);
        let found = range.try_near(from_front)?.map(|(key, _)| T::lent(key.value()).as_ref());
        match next_of(found, waiting, from_front) {
            None => return Ok(None),
            Some(Next::First) => {
                let row = range.take(from_front).transpose()?;
                return Ok(row.map(|(key, value)| decoded(T::lent(key.value()), value.value())));
            }
            Some(Next::Both) => drop(range.take(from_front)),
            Some(Next::Second) => {}
        }
        if let Some(key) = waiting
            && let Some(value) = pending.take(key, from_front)
        {
            return Ok(Some(decoded(T::lent(T::RedbKey::from_bytes(key)), value)));
        }
    }
}

impl<T: Stored, R, F: FnMut(&T::Key, &[u8]) -> Result<R, Reason>> Iterator for CheckedRange<'_, T, F> {
    type Item = Result<R, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

impl<T: Stored, R, F: FnMut(&T::Key, &[u8]) -> Result<R, Reason>> DoubleEndedIterator
    for CheckedRange<'_, T, F>
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

/// How many rows this thread has read, for tests of what something costs.
#[cfg(test)]
pub(crate) mod counted {
    use std::cell::Cell;

    thread_local! {
        static ROWS: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn one() {
        ROWS.set(ROWS.get() + 1);
    }

    /// What a call reads.
    pub(crate) fn rows<T>(call: impl FnOnce() -> T) -> (u64, T) {
        let before = ROWS.get();
        let value = call();
        (ROWS.get() - before, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_lies_between_those_before_it_and_those_to_come() {
        let span = || Span { tag: Tag::Jobs, low: Edge::included(b"b"), high: Some(Edge::included(b"y")) };
        // The ends of the range belong to it, from either end.
        for from_front in [true, false] {
            for key in ["b", "m", "y"] {
                assert!(span().place(key.as_bytes(), from_front).is_ok(), "{key}");
            }
            for key in ["", "a", "azz", "yy", "z"] {
                assert!(span().place(key.as_bytes(), from_front).is_err(), "{key}");
            }
        }
        // None comes twice, none after one behind it, and where both ends meet nothing is left.
        let mut met = span();
        assert_eq!(met.last(), None);
        for (key, from_front, is_placed) in [
            ("d", true, true),
            ("d", true, false),
            ("c", true, false),
            ("w", false, true),
            ("w", false, false),
            ("x", false, false),
            ("x", true, false),
            ("m", true, true),
            ("m", false, false),
            ("l", false, false),
            ("n", false, true),
            ("o", true, false),
        ] {
            assert_eq!(met.place(key.as_bytes(), from_front).is_ok(), is_placed, "{key}, {from_front}");
        }
        assert_eq!(met.last(), Some(b"m".as_slice()));
        // A whole table has no end, until something was taken from it.
        let mut all = Span::all(Tag::Jobs);
        assert!(all.place(b"", true).is_ok() && all.place(&[0xff; 40], false).is_ok());
        assert!(all.place(&[0xff; 41], true).is_err());
    }
}
