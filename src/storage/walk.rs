//! A walk through a whole table, for `verify`: every row in the order of the keys, and whether look-ups find them all.

use redb::{AccessGuard, ReadableTable, Value as _};

use super::calls::catch_panics;
use super::range::{Span, look_up};
use super::slots::Stored;
use crate::format::schema::Value;
use crate::model::error::{Damage, StorageError};

/// Takes each row, key and value; or the damage of one that is out of its place.
pub(crate) type Visit<'v, K> = dyn FnMut(Result<(&K, &[u8]), Damage>) -> Result<(), StorageError> + 'v;

/// Damage to the inner pages of a tree may hide rows from look-ups that a walk finds. A look-up of every row would show that, at
/// twice the cost of the walk. But a look-up compares its key with the keys of the inner pages on its way alone. Where it takes the
/// way to one page for the first and for the last row of that page, it has made the same decisions for both, and makes them for
/// every row between; and within the page rows that are in order are found. So two look-ups for each page are enough.
pub(super) fn walk<T: Stored, R: ReadableTable<T::RedbKey, Value>>(
    table: &R,
    visit: &mut Visit<'_, T::Key>,
) -> Result<bool, StorageError> {
    let is_found =
        |key: &[u8]| Ok::<_, StorageError>(look_up(table, T::RedbKey::from_bytes(key), |_| ())?.is_some());
    let mut range = catch_panics(|| table.iter())?;
    let (mut span, mut all_found) = (Span::all(T::TAG), true);
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
    }
    if let Some(last) = span.last() {
        all_found &= is_found(last)?;
    }
    Ok(all_found)
}

/// `true` if a value begins in memory where another ends. Then both are in one page: redb keeps each page for itself, and begins
/// it with other things than values. Where it does not lay them out like this, every row is looked up.
fn is_behind(value: &[u8], before: &[u8]) -> bool {
    before.as_ptr_range().end == value.as_ptr()
}
