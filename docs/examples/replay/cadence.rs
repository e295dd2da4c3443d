//! What is Cadence's own in a history: times as integer nanoseconds, beyond what a float can hold.

use execstore::Timestamp;
use serde_json::value::RawValue;

/// The member of an event that holds its time.
pub const TIME: &str = "timestamp";

/// Reads `timestamp` from its digits.
pub fn time(raw: &RawValue) -> Result<Timestamp, String> {
    let digits = raw.get().trim_matches('"');
    let nanos = digits.parse();
    nanos.map(Timestamp::from_nanos).map_err(|_| format!("{TIME} is {raw}, not nanoseconds in 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_do_not_go_through_a_float() {
        let read = |text: &str| serde_json::from_str::<&RawValue>(text).map(time);
        let odd = 1_600_000_000_000_000_001;
        assert_eq!(read("1600000000000000001").unwrap(), Ok(Timestamp::from_nanos(odd)));
        assert!(read("1.6e18").unwrap().is_err());
    }
}
