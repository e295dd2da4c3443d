//! Conditions on times: ranges, both ends included. Pure.

use std::ops::{Bound, RangeBounds};

use crate::model::time::Timestamp;

/// Both ends included.
pub(crate) type Times = Option<(Timestamp, Timestamp)>;

/// The times that lie in both ranges.
pub(super) fn both(known: Times, (least, greatest): (Timestamp, Timestamp)) -> Times {
    let (from, to) = known.unwrap_or((least, greatest));
    Some(ends(&(from.max(least)..=to.min(greatest))))
}

/// The ends of a range, both included. A range that is empty becomes one that holds nothing.
pub(super) fn ends(times: &impl RangeBounds<Timestamp>) -> (Timestamp, Timestamp) {
    let nothing = (Timestamp::from_nanos(i64::MAX), Timestamp::from_nanos(i64::MIN));
    let least = match times.start_bound() {
        Bound::Unbounded => Some(i64::MIN),
        Bound::Included(time) => Some(time.as_nanos()),
        Bound::Excluded(time) => time.as_nanos().checked_add(1),
    };
    let greatest = match times.end_bound() {
        Bound::Unbounded => Some(i64::MAX),
        Bound::Included(time) => Some(time.as_nanos()),
        Bound::Excluded(time) => time.as_nanos().checked_sub(1),
    };
    match least.zip(greatest) {
        Some((least, greatest)) if least <= greatest => {
            (Timestamp::from_nanos(least), Timestamp::from_nanos(greatest))
        }
        _ => nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_times_have_the_ends_that_they_say() {
        let at = Timestamp::from_nanos;
        let end = |times: (Timestamp, Timestamp)| (times.0.as_nanos(), times.1.as_nanos());
        assert_eq!(end(ends(&(at(3)..at(5)))), (3, 4));
        assert_eq!(end(ends(&(at(3)..=at(5)))), (3, 5));
        assert_eq!(end(ends(&(..at(5)))), (i64::MIN, 4));
        assert_eq!(end(ends(&(at(5)..))), (5, i64::MAX));
        for empty in [ends(&(at(5)..at(5))), ends(&(..at(i64::MIN)))] {
            assert!(empty.0 > empty.1);
        }
    }
}
