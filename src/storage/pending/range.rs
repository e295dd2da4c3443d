//! Pending rows of a range, from either end, the newest of each key.

use super::rows::Sorted;

/// Something sorted, of which both ends can be looked at.
pub(in crate::storage) struct Peeked<I: Iterator> {
    between: I,
    front: Option<I::Item>,
    back: Option<I::Item>,
}

impl<I: Iterator> Peeked<I> {
    pub(in crate::storage) fn new(between: I) -> Self {
        Self { between, front: None, back: None }
    }

    /// The next one from an end, which stays until it is taken. `next` takes one from between.
    pub(in crate::storage) fn peek_with(
        &mut self,
        from_front: bool,
        next: impl FnOnce(&mut I) -> Option<I::Item>,
    ) -> Option<&I::Item> {
        let (near, far) = match from_front {
            true => (&mut self.front, &mut self.back),
            false => (&mut self.back, &mut self.front),
        };
        if near.is_none() {
            *near = next(&mut self.between).or_else(|| far.take());
        }
        near.as_ref()
    }

    /// Takes the next one from an end.
    pub(in crate::storage) fn next_with(
        &mut self,
        from_front: bool,
        next: impl FnOnce(&mut I) -> Option<I::Item>,
    ) -> Option<I::Item> {
        let (near, far) = match from_front {
            true => (&mut self.front, &mut self.back),
            false => (&mut self.back, &mut self.front),
        };
        near.take().or_else(|| next(&mut self.between)).or_else(|| far.take())
    }
}

/// Rows of the layers, the newest first.
pub(in crate::storage) struct PendingRange<'p> {
    layers: Vec<Peeked<Sorted<'p>>>,
}

impl<'p> PendingRange<'p> {
    /// None where there is nothing.
    pub(super) fn of(rows: impl Iterator<Item = Sorted<'p>>) -> Option<Self> {
        let peeked = rows.map(Peeked::new).filter_map(|mut rows| {
            rows.peek_with(true, Iterator::next)?;
            Some(rows)
        });
        let layers: Vec<_> = peeked.collect();
        (!layers.is_empty()).then_some(Self { layers })
    }

    /// The next key from an end.
    pub(in crate::storage) fn peek(&mut self, from_front: bool) -> Option<&'p [u8]> {
        let peek = |rows: &mut Peeked<Sorted<'p>>| {
            rows.peek_with(from_front, |rows| next(rows, from_front)).map(|(key, _)| *key)
        };
        let keys = self.layers.iter_mut().filter_map(peek);
        if from_front { keys.min() } else { keys.max() }
    }

    /// What becomes of the row of this key, which was looked at.
    pub(in crate::storage) fn take(&mut self, key: &[u8], from_front: bool) -> Option<&'p [u8]> {
        let mut newest = None;
        for rows in &mut self.layers {
            if rows
                .peek_with(from_front, |rows| next(rows, from_front))
                .is_some_and(|(found, _)| *found == key)
                && let Some((_, row)) = rows.next_with(from_front, |_| None)
            {
                newest.get_or_insert(row);
            }
        }
        newest.and_then(|row| row.value.as_deref())
    }
}

fn next<I: DoubleEndedIterator>(rows: &mut I, from_front: bool) -> Option<I::Item> {
    if from_front { rows.next() } else { rows.next_back() }
}
