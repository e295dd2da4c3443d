//! Iterators over numbered rows: a gap in the numbers is an error, and sorted lists can be merged.

use crate::format::schema::Tag;
use crate::model::error::{Damage, ReadError};
use crate::storage::ends::Ends;

/// Something with a sequence number.
pub(crate) trait Numbered {
    fn number(&self) -> u64;
}

/// Rows whose numbers have no gaps. Where one is missing, an error stands in its place, once for each gap;
/// the rows after it follow.
pub(crate) struct Gapless<I, T> {
    rows: I,
    table: Tag,
    /// The number before the next row from the front, once that is known.
    front: Option<u64>,
    /// The number after the next row from the back, once that is known.
    back: Option<u64>,
    /// A row that waits behind the error of its gap, and the number that comes after it.
    held_front: Option<T>,
    held_back: Option<T>,
}

impl<I, T> Gapless<I, T> {
    /// `before_first` and `after_last` say where the rows must begin and end, as far as that is known.
    pub(crate) fn new(rows: I, table: Tag, before_first: Option<u64>, after_last: Option<u64>) -> Self {
        Self { rows, table, front: before_first, back: after_last, held_front: None, held_back: None }
    }

    /// The gap that is left when there are no rows any more: its first number, and its last.
    fn rest(&self) -> Option<(u64, u64)> {
        let (first, last) = (self.front?.checked_add(1)?, self.back?.checked_sub(1)?);
        (first <= last).then_some((first, last))
    }

    fn missing(&self, number: u64) -> ReadError {
        let reason = format!("number {number} is missing");
        Damage { table: self.table.name().into(), key: format!("{number:016x}"), reason }.into()
    }
}

impl<I: Iterator<Item = Result<T, ReadError>>, T: Numbered> Iterator for Gapless<I, T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.held_front.take() {
            return Some(Ok(row));
        }
        match self.rows.next() {
            Some(Ok(row)) => {
                let before = self.front.replace(row.number());
                match before.map(|before| before.saturating_add(1)) {
                    Some(expected) if row.number() != expected => {
                        self.held_front = Some(row);
                        Some(Err(self.missing(expected)))
                    }
                    _ => Some(Ok(row)),
                }
            }
            Some(Err(error)) => {
                self.front = self.front.map(|number| number.saturating_add(1));
                Some(Err(error))
            }
            None => {
                if let Some(row) = self.held_back.take() {
                    return Some(Ok(row));
                }
                let (first, last) = self.rest()?;
                self.front = Some(last);
                Some(Err(self.missing(first)))
            }
        }
    }
}

impl<I: DoubleEndedIterator<Item = Result<T, ReadError>>, T: Numbered> DoubleEndedIterator for Gapless<I, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.held_back.take() {
            return Some(Ok(row));
        }
        match self.rows.next_back() {
            Some(Ok(row)) => {
                let after = self.back.replace(row.number());
                match after.map(|after| after.saturating_sub(1)) {
                    Some(expected) if row.number() != expected => {
                        self.held_back = Some(row);
                        Some(Err(self.missing(expected)))
                    }
                    _ => Some(Ok(row)),
                }
            }
            Some(Err(error)) => {
                self.back = self.back.map(|number| number.saturating_sub(1));
                Some(Err(error))
            }
            None => {
                if let Some(row) = self.held_front.take() {
                    return Some(Ok(row));
                }
                let (first, last) = self.rest()?;
                self.back = Some(first);
                Some(Err(self.missing(last)))
            }
        }
    }
}

/// Sorted lists of numbers as one sorted list, from either end. Errors come as soon as they are met.
pub(crate) struct Merged<I: Iterator> {
    lists: Vec<Ends<I>>,
}

impl<I: DoubleEndedIterator<Item = Result<T, ReadError>>, T: Copy + Ord> Merged<I> {
    pub(crate) fn new(lists: Vec<I>) -> Self {
        Self { lists: lists.into_iter().map(Ends::new).collect() }
    }

    fn step(&mut self, from_front: bool) -> Option<Result<T, ReadError>> {
        let comes_first = |a: T, b: T| if from_front { a < b } else { a > b };
        let mut next: Option<(&mut Ends<I>, T)> = None;
        for list in &mut self.lists {
            match list.try_near(from_front).map(Option::<&T>::copied) {
                Err(error) => return Some(Err(error)),
                Ok(Some(number)) if next.as_ref().is_none_or(|(_, next)| comes_first(number, *next)) => {
                    next = Some((list, number));
                }
                Ok(_) => {}
            }
        }
        next?.0.take(from_front)
    }
}

impl<I: DoubleEndedIterator<Item = Result<T, ReadError>>, T: Copy + Ord> Iterator for Merged<I> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

impl<I: DoubleEndedIterator<Item = Result<T, ReadError>>, T: Copy + Ord> DoubleEndedIterator for Merged<I> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Numbered for u64 {
        fn number(&self) -> u64 {
            *self
        }
    }

    fn rows(numbers: &[u64]) -> impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<> {
        Vec::from(numbers).into_iter().map(Ok)
    }

    #[test]
    fn gaps_are_errors_from_both_ends() {
        let show = |rows: Vec<Result<u64, ReadError>>| -> Vec<Option<u64>> {
            rows.into_iter().map(Result::ok).collect()
        };
        let gapless = |numbers: &[u64], before| Gapless::new(rows(numbers), Tag::Events, before, None);
        assert_eq!(show(gapless(&[1, 2, 4, 5], None).collect()), [Some(1), Some(2), None, Some(4), Some(5)]);
        assert_eq!(
            show(gapless(&[1, 2, 4, 5], None).rev().collect()),
            [Some(5), Some(4), None, Some(2), Some(1)]
        );
        assert_eq!(show(gapless(&[2], Some(0)).collect()), [None, Some(2)]);
        let mut both = gapless(&[1, 3], Some(0));
        assert_eq!(both.next().unwrap().unwrap(), 1);
        assert!(both.next().unwrap().is_err());
        assert_eq!(both.next_back().unwrap().unwrap(), 3);
        assert!(both.next_back().is_none() && both.next().is_none());
    }

    #[test]
    fn rows_that_are_missing_at_an_end_are_an_error_too() {
        let show = |rows: Vec<Result<u64, ReadError>>| -> Vec<Option<u64>> {
            rows.into_iter().map(Result::ok).collect()
        };
        for (numbers, expected) in [
            (&[1, 2, 3][..], &[Some(1), Some(2), Some(3)][..]),
            (&[1, 2], &[Some(1), Some(2), None]),
            (&[2, 3], &[None, Some(2), Some(3)]),
            (&[1], &[Some(1), None]),
            (&[], &[None]),
        ] {
            let gapless = || Gapless::new(rows(numbers), Tag::Changes, Some(0), Some(4));
            assert_eq!(show(gapless().collect()), expected);
            let mut back = show(gapless().rev().collect());
            back.reverse();
            assert_eq!(back, expected);
            // From both ends in turn, nothing comes twice.
            let (mut both, mut seen) = (gapless(), Vec::new());
            while let Some(row) = both.next() {
                seen.push(row.ok());
                seen.extend(both.next_back().map(Result::ok));
            }
            let whole = |seen: &[Option<u64>]| {
                let mut rows: Vec<_> = seen.iter().flatten().copied().collect();
                rows.sort_unstable();
                (rows, seen.iter().any(Option::is_none))
            };
            assert_eq!(whole(&seen), whole(expected), "{numbers:?}");
        }
    }

    #[test]
    fn merged_lists_are_sorted_from_both_ends() {
        let lists = || Merged::new([&[1, 4, 9][..], &[], &[2, 3, 10]].map(rows).into());
        let all = [1, 2, 3, 4, 9, 10];
        assert_eq!(lists().map(Result::unwrap).collect::<Vec<_>>(), all);
        assert_eq!(lists().rev().map(Result::unwrap).collect::<Vec<_>>(), [10, 9, 4, 3, 2, 1]);
        // Every way to take from the two ends gives each number once.
        for choice in 0u32..64 {
            let mut merged = lists();
            let (mut front, mut back) = (Vec::new(), Vec::new());
            for turn in 0..6 {
                match choice >> turn & 1 {
                    0 => front.push(merged.next().unwrap().unwrap()),
                    _ => back.push(merged.next_back().unwrap().unwrap()),
                }
            }
            back.reverse();
            front.extend(back);
            assert_eq!(front, all, "choice {choice:06b}");
            assert!(merged.next().is_none() && merged.next_back().is_none());
        }
    }
}
