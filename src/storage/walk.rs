//! A walk through a whole table, for `verify`: every row in the order of the keys, whether look-ups find them all, and whether they are as many
//! as redb says that the table has.

use redb::{AccessGuard, ReadableTable, Value as _};

use super::calls::catch_panics;
use super::range::{Span, look_up};
use super::slots::Stored;
use crate::format::schema::Value;
use crate::model::error::{Damage, StorageError};

/// Takes each row, key and value; or the damage of one that is out of its place.
pub(crate) type Visit<'v, K> = dyn FnMut(Result<(&K, &[u8]), Damage>) -> Result<(), StorageError> + 'v;

/// What a walk has shown.
pub(crate) struct Walked {
    /// How many rows there were.
    pub(crate) rows: u64,
    /// How many the table has, as redb notes where it names the table's root. In a page that holds fewer than were written to it all may be
    /// sound.
    pub(crate) noted: u64,
    /// Look-ups find them all.
    pub(crate) all_found: bool,
}

impl Walked {
    pub(crate) fn is_whole(&self) -> bool {
        self.all_found && self.rows == self.noted
    }
}

/// Damage to the inner pages of a tree may hide rows from look-ups that a walk finds. A look-up of every row would show that, at
/// twice the cost of the walk. But a look-up compares its key with the keys of the inner pages on its way alone. Where it takes the
/// way to one page for the first and for the last row of that page, it has made the same decisions for both, and makes them for
/// every row between; and within the page rows that are in order are found. So two look-ups for each page are enough.
pub(super) fn walk<T: Stored, R: ReadableTable<T::RedbKey, Value>>(
    table: &R,
    visit: &mut Visit<'_, T::Key>,
) -> Result<Walked, StorageError> {
    let is_found =
        |key: &[u8]| Ok::<_, StorageError>(look_up(table, T::RedbKey::from_bytes(key), |_| ())?.is_some());
    let mut range = catch_panics(|| table.iter())?;
    let (mut span, mut all_found, mut rows) = (Span::all(T::TAG), true, 0);
    // Held, so that its page cannot give its place in memory to another.
    let mut before: Option<AccessGuard<'_, Value>> = None;
    loop {
        #[cfg(test)]
        super::counted::one();
        let more = catch_panics(|| {
            let Some((key, value)) = range.next().transpose()? else { return Ok(false) };
            let begins = !before.as_ref().is_some_and(|before| is_behind(value.value(), before.value()));
            if begins && let Some(last) = span.last() {
                all_found &= is_found(last)?;
            }
            let key = T::lent(key.value());
            match span.place(key.as_ref(), true) {
                Ok(()) => {
                    all_found &= !begins || is_found(key.as_ref())?;
                    visit(Ok((key, value.value())))?;
                }
                Err(damage) => visit(Err(damage))?,
            }
            before = Some(value);
            Ok::<_, StorageError>(true)
        })?;
        if !more {
            break;
        }
        rows += 1;
    }
    if let Some(last) = span.last() {
        all_found &= is_found(last)?;
    }
    let noted = catch_panics(|| table.len())?;
    Ok(Walked { rows, noted, all_found })
}

/// `true` if a value begins in memory where another ends. Then both are in one page: redb keeps each page for itself, and begins
/// it with other things than values. Where it does not lay them out like this, every row is looked up.
fn is_behind(value: &[u8], before: &[u8]) -> bool {
    before.as_ptr_range().end == value.as_ptr()
}
