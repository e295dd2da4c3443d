//! Timestamps and the clock they come from. Pure, but for [`SystemClock`].

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Nanoseconds since 1970-01-01T00:00:00Z, from about the year 1677 to 2262.
///
/// `Display` writes RFC 3339 in UTC with nine fraction digits. Timestamps are kept exactly as given. They
/// do not order anything in the store: sequence numbers do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The system's time now. Times that an `i64` of nanoseconds cannot hold become its ends.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }
}

/// The start of 2025, before this store's format was: no clock that is right has given an earlier time to be written down.
const FORMAT_BEGINS: Timestamp = Timestamp(1_735_689_600_000_000_000);

/// When something was written at the earliest, by the times that were noted as it was, as far as they can be right. `None` if nothing is
/// known: then it is never taken for old.
///
/// A time after now cannot be right, and neither can one before the format was, unless the clock stands there still, as in tests.
pub(crate) fn at_the_earliest(
    noted: impl IntoIterator<Item = Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let can_be = |time: &Timestamp| *time <= now && (*time >= FORMAT_BEGINS || now < FORMAT_BEGINS);
    noted.into_iter().filter(can_be).max()
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map(i64::wrapping_neg).unwrap_or(i64::MIN)
            }
        };
        Self(nanos)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to a proleptic Gregorian date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

/// Where the store takes its times from.
///
/// Any `Fn() -> Timestamp` is a clock, so a test can count by itself:
///
/// ```
/// # use std::sync::atomic::{AtomicI64, Ordering};
/// # use execstore::{Store, Timestamp};
/// let ticks = AtomicI64::new(0);
/// let store = Store::builder()
///     .set_clock(move || Timestamp::from_nanos(ticks.fetch_add(1, Ordering::Relaxed)))
///     .in_memory()?;
/// # Ok::<(), execstore::Error>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time now. It may stand still or go back: the store never lets an execution's own times go back.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The system's clock, the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_right_says_nothing() {
        let at = Timestamp::from_nanos;
        let now = at(1_800_000_000_000_000_000);
        let earliest = |noted: &[i64], now| at_the_earliest(noted.iter().copied().map(at), now);
        let real = 1_790_000_000_000_000_000;
        assert_eq!(earliest(&[real], now), Some(at(real)));
        assert_eq!(earliest(&[real - 9, real, i64::MAX], now), Some(at(real)));
        // From a clock that began in 1970, or before, or that is ahead.
        for wrong in [0, 60_000_000_000, -1, i64::MIN, now.as_nanos() + 1, i64::MAX] {
            assert_eq!(earliest(&[wrong], now), None);
            assert_eq!(earliest(&[wrong, real], now), Some(at(real)));
        }
        // A clock that stands at the beginning counts from there.
        assert_eq!(earliest(&[5, 7, 9], at(8)), Some(at(7)));
        assert_eq!(earliest(&[-5], at(i64::MAX)), None);
        assert_eq!(earliest(&[], now), None);
    }

    #[test]
    fn displays_rfc_3339() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (1_709_164_800_123_456_789, "2024-02-29T00:00:00.123456789Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(Timestamp::from_nanos(nanos).to_string(), text);
        }
    }
}
