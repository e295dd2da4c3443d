//! Sorted lists that are read from both ends: what comes next is looked at before it is taken, and two lists can go on as one.

use std::cmp::Ordering;

/// A list with what was looked at from either end and not taken.
pub(crate) struct Ends<I: Iterator> {
    between: I,
    front: Option<I::Item>,
    back: Option<I::Item>,
}

impl<I: DoubleEndedIterator> Ends<I> {
    pub(crate) const fn new(between: I) -> Self {
        Self { between, front: None, back: None }
    }

    /// What comes next from an end, to be taken or left.
    #[inline]
    pub(crate) fn near(&mut self, from_front: bool) -> &mut Option<I::Item> {
        let Self { between, front, back } = self;
        let (near, far) = if from_front { (front, back) } else { (back, front) };
        if near.is_none() {
            *near = step(between, from_front).or_else(|| far.take());
        }
        near
    }

    /// Takes what comes next from an end.
    #[inline]
    pub(crate) fn take(&mut self, from_front: bool) -> Option<I::Item> {
        let Self { between, front, back } = self;
        let (near, far) = if from_front { (front, back) } else { (back, front) };
        near.take().or_else(|| step(between, from_front)).or_else(|| far.take())
    }
}

impl<T, E: 'static, I: DoubleEndedIterator<Item = Result<T, E>>> Ends<I> {
    /// What comes next from an end, to be taken or left. An error is taken at once.
    pub(crate) fn try_near(&mut self, from_front: bool) -> Result<Option<&T>, E> {
        let near = self.near(from_front);
        match near.take_if(|row| row.is_err()) {
            Some(Err(error)) => Err(error),
            _ => Ok(near.as_ref().and_then(|row| row.as_ref().ok())),
        }
    }
}

fn step<I: DoubleEndedIterator>(rows: &mut I, from_front: bool) -> Option<I::Item> {
    if from_front { rows.next() } else { rows.next_back() }
}

/// Which of two lists goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    First,
    Second,
    /// They have the same key.
    Both,
}

/// The next one of two sorted lists from an end, by the keys that come next in them; `None` if both have ended.
pub(crate) fn next_of<K: Ord>(first: Option<K>, second: Option<K>, from_front: bool) -> Option<Next> {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (Some(_), None) => return Some(Next::First),
        (None, Some(_)) => return Some(Next::Second),
        (None, None) => return None,
    };
    Some(match (first.cmp(&second), from_front) {
        (Ordering::Equal, _) => Next::Both,
        (Ordering::Less, true) | (Ordering::Greater, false) => Next::First,
        (Ordering::Greater, true) | (Ordering::Less, false) => Next::Second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_taken_once_whichever_end_comes_to_it() {
        // For each of four turns: from which end, and whether it is looked at first.
        for turns in 0..1_u32 << 8 {
            let (mut ends, mut front, mut back) = (Ends::new([1, 2, 3].into_iter()), Vec::new(), Vec::new());
            for turn in 0..4 {
                let from_front = turns >> (2 * turn) & 1 == 0;
                let seen = (turns >> (2 * turn + 1) & 1 == 0).then(|| *ends.near(from_front));
                let taken = ends.take(from_front);
                assert!(seen.is_none_or(|seen| seen == taken), "turns {turns:b}");
                if from_front {
                    front.extend(taken)
                } else {
                    back.extend(taken)
                }
                // Looked at from the other end, and left.
                ends.near(!from_front);
            }
            front.extend(back.into_iter().rev());
            assert_eq!(front, [1, 2, 3], "turns {turns:b}");
        }
    }

    #[test]
    fn an_error_comes_once_and_the_rows_behind_it_follow() {
        let mut ends = Ends::new([Ok(1), Err("wrong"), Ok(2)].into_iter());
        assert_eq!(ends.try_near(false), Ok(Some(&2)));
        assert_eq!(ends.take(true), Some(Ok(1)));
        assert_eq!(ends.try_near(true), Err("wrong"));
        assert_eq!(ends.try_near(true), Ok(Some(&2)));
        assert_eq!(ends.take(false), Some(Ok(2)));
        assert_eq!(ends.try_near(true), Ok(None));
    }
}
