//! Timestamps and the clock they come from. Pure, but for [`SystemClock`].

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::model::json::form::by_text;
use crate::model::limits::InputError;

/// Nanoseconds since 1970-01-01T00:00:00Z, from about the year 1677 to 2262.
///
/// `Display` writes RFC 3339 in UTC with nine fraction digits, and so does JSON; [`FromStr`](std::str::FromStr) and JSON read that
/// back exactly, and other RFC 3339 with up to nine digits. Timestamps are kept exactly as given. They
/// do not order anything in the store: sequence numbers do.
///
/// ```
/// use execstore::Timestamp;
/// let time = Timestamp::from_nanos(1_709_164_800_123_456_789);
/// assert_eq!(serde_json::to_string(&time)?, r#""2024-02-29T00:00:00.123456789Z""#);
/// assert_eq!("2024-02-29T01:00:00.123456789+01:00".parse(), Ok(time));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// A [`Duration`] can be added and subtracted, and [`SystemTime`] converted both ways. What 64 bits of nanoseconds cannot hold
/// becomes the first or the last timestamp there is, also with `+` and `-`: a duration may come from a configuration, and
/// "older than a thousand years" is nothing rather than a panic. [`checked_add`](Timestamp::checked_add) and
/// [`checked_sub`](Timestamp::checked_sub) say so instead.
///
/// ```
/// use std::time::Duration;
/// use execstore::{Query, Readable, Store, Timestamp};
/// const DAY: Duration = Duration::from_secs(86_400);
///
/// # let store = Store::in_memory()?;
/// let older_than_7_days = Query::new().completed(..Timestamp::now() - 7 * DAY);
/// # assert_eq!(store.begin_read()?.query(&older_than_7_days).count()?, 0);
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

    /// The first that there is, in the year 1677.
    pub const MIN: Self = Self(i64::MIN);

    /// The last that there is, in the year 2262.
    pub const MAX: Self = Self(i64::MAX);

    /// The system's time now.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// This much later; `None` after [`MAX`](Self::MAX).
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add_unsigned(u64::try_from(duration.as_nanos()).ok()?).map(Self)
    }

    /// This much earlier; `None` before [`MIN`](Self::MIN).
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub_unsigned(u64::try_from(duration.as_nanos()).ok()?).map(Self)
    }

    /// This much later, [`MAX`](Self::MAX) at the latest; the same as `+`.
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// This much earlier, [`MIN`](Self::MIN) at the earliest; the same as `-`.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).unwrap_or(Self::MIN)
    }

    /// How much later this is than `earlier`, exactly; `None` if it is earlier.
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        (self >= earlier).then(|| Duration::from_nanos(self.0.abs_diff(earlier.0)))
    }

    /// How much later this is than `earlier`; zero if it is earlier, since clocks go back.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.checked_duration_since(earlier).unwrap_or_default()
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

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Stops at [`Timestamp::MAX`].
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Stops at [`Timestamp::MIN`].
    fn sub(self, duration: Duration) -> Self {
        self.saturating_sub(duration)
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl SubAssign<Duration> for Timestamp {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl From<Timestamp> for SystemTime {
    /// Exact where the system's clock counts nanoseconds, as on Linux; elsewhere as near as it can be.
    fn from(time: Timestamp) -> Self {
        let distance = Duration::from_nanos(time.0.unsigned_abs());
        let moved = match time.0 < 0 {
            true => UNIX_EPOCH.checked_sub(distance),
            false => UNIX_EPOCH.checked_add(distance),
        };
        // Every system's clock goes from before 1677 to after 2262.
        moved.unwrap_or(UNIX_EPOCH)
    }
}

impl From<SystemTime> for Timestamp {
    /// Times that 64 bits of nanoseconds cannot hold become [`Timestamp::MIN`] or [`Timestamp::MAX`].
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

impl fmt::Debug for Timestamp {
    /// As people read it, too: all nine digits are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

by_text!(Timestamp);

impl std::str::FromStr for Timestamp {
    type Err = InputError;

    /// Reads RFC 3339, with an offset or `Z`, and up to nine fraction digits.
    fn from_str(text: &str) -> Result<Self, InputError> {
        read(text)
            .map_err(|reason| InputError::Invalid { what: "time", reason: format!("{text:?}: {reason}") })
    }
}

fn read(text: &str) -> Result<Timestamp, &'static str> {
    const FORM: &str = "it is not like 2024-02-29T23:59:59.123456789Z (RFC 3339)";
    let mut rest = text;
    let mut part = |digits: usize, ends: &[char]| -> Option<i64> {
        let (number, behind) = rest.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        rest = if ends.is_empty() { behind } else { behind.strip_prefix(ends)? };
        number.parse().ok()
    };
    let date = (part(4, &['-']), part(2, &['-']), part(2, &['T', 't']));
    let (Some(year), Some(month), Some(day)) = date else { return Err(FORM) };
    let time = (part(2, &[':']), part(2, &[':']), part(2, &[]));
    let (Some(hour), Some(minute), Some(second)) = time else { return Err(FORM) };
    let mut nanos = 0;
    if let Some(behind) = rest.strip_prefix('.') {
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (fraction, behind) = behind.split_at_checked(digits).ok_or(FORM)?;
        if digits > 9 {
            return Err("it has more than nine fraction digits");
        }
        nanos = format!("{fraction:0<9}").parse::<i64>().ok().filter(|_| digits > 0).ok_or(FORM)?;
        rest = behind;
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), hour @ .., b':', tens, ones] if hour.len() == 2 => {
            let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<i64>().ok();
            let unsigned = hour.iter().chain([tens, ones]).all(u8::is_ascii_digit);
            let (hours, minutes) = (number(hour), number(&[*tens, *ones]));
            let (true, Some(hours @ 0..24), Some(minutes @ 0..60)) = (unsigned, hours, minutes) else {
                return Err(FORM);
            };
            if *sign == b'-' { -(hours * 60 + minutes) } else { hours * 60 + minutes }
        }
        _ => return Err(FORM),
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return Err("there is no such time");
    }
    // A proleptic Gregorian date to days: the same source as the way back.
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
    let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    i64::try_from(nanos).map(Timestamp).map_err(|_| "it is beyond what 64 bits of nanoseconds hold")
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
    fn what_is_debugged_can_be_read_and_has_every_nanosecond() {
        let shown = format!("{:?}", Some(Timestamp::from_nanos(1_767_323_045_000_000_006)));
        assert_eq!(shown, "Some(Timestamp(2026-01-02T03:04:05.000000006Z))");
    }

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
    fn durations_are_added_up_to_the_ends() {
        let at = Timestamp::from_nanos;
        let nanos = Duration::from_nanos;
        assert_eq!((at(5) + nanos(3), at(5) - nanos(9)), (at(8), at(-4)));
        let mut moved = at(0);
        moved += Duration::from_secs(2);
        moved -= nanos(1);
        assert_eq!(moved, at(1_999_999_999));
        // From one end to the other, and a nanosecond beyond.
        let whole = nanos(u64::MAX);
        assert_eq!(Timestamp::MIN.checked_add(whole), Some(Timestamp::MAX));
        assert_eq!(Timestamp::MAX.checked_sub(whole), Some(Timestamp::MIN));
        assert_eq!(at(0).checked_sub(nanos(1 << 63)), Some(Timestamp::MIN));
        for (beyond, above) in [(nanos(1 << 63), at(0)), (Duration::MAX, Timestamp::MIN), (whole, at(-1))] {
            assert_eq!(above.checked_add(beyond), None, "{beyond:?}");
            assert_eq!(above + beyond, Timestamp::MAX);
        }
        for (beyond, below) in
            [(nanos((1 << 63) + 1), at(0)), (Duration::MAX, Timestamp::MAX), (whole, at(0))]
        {
            assert_eq!(below.checked_sub(beyond), None, "{beyond:?}");
            assert_eq!(below - beyond, Timestamp::MIN);
        }
        assert_eq!(at(9).checked_duration_since(at(-1)), Some(nanos(10)));
        assert_eq!(Timestamp::MAX.checked_duration_since(Timestamp::MIN), Some(whole));
        assert_eq!(at(-1).checked_duration_since(at(0)), None);
        assert_eq!(at(-1).saturating_duration_since(at(0)), Duration::ZERO);
    }

    #[test]
    fn times_of_the_system_come_back() {
        for nanos in [0, 1, -1, 1_709_164_800_123_456_789, -1_000_000_001, i64::MAX, i64::MIN, i64::MIN + 1] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(Timestamp::from(SystemTime::from(time)), time, "{time}");
        }
        let later = SystemTime::from(Timestamp::from_nanos(-7)).duration_since(UNIX_EPOCH);
        assert_eq!(later.unwrap_err().duration(), Duration::from_nanos(7));
        // Beyond both ends.
        let second = Duration::from_secs(1);
        assert_eq!(Timestamp::from(SystemTime::from(Timestamp::MAX) + second), Timestamp::MAX);
        assert_eq!(Timestamp::from(SystemTime::from(Timestamp::MIN) - second), Timestamp::MIN);
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
            assert_eq!(text.parse(), Ok(Timestamp::from_nanos(nanos)));
            let json = serde_json::to_string(&Timestamp::from_nanos(nanos)).unwrap();
            assert_eq!(json, format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap().as_nanos(), nanos);
        }
    }

    #[test]
    fn reads_rfc_3339_and_nothing_else() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00.5z", 500_000_000),
            ("1970-01-01T00:00:00.123-00:01", 60_123_000_000),
            ("1969-12-31T23:00:00-01:00", 0),
            ("2000-02-29T23:59:59.000000001+23:59", 951_782_459_000_000_001),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp::from_nanos(nanos)), "{text}");
        }
        for text in [
            "",
            "5",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-02-29T00:00:00Z",
            "1970-13-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00+24:00",
            "1970-01-01T00:00:00+1:000",
            "1970-01-01T00:00:00+01:0é",
            "+970-01-01T00:00:00Z",
            "1970-01-01T00:00:00ZZ",
            "2262-04-11T23:47:16.854775808Z",
            "0000-01-01T00:00:00Z",
            "é970-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Timestamp>("5").is_err());
    }

    #[test]
    fn every_day_comes_back() {
        for day in (-106_751..106_751).step_by(7) {
            let time = Timestamp::from_nanos(day * 86_400_000_000_000 + 86_399_999_999_999);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
