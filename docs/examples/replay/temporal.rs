//! What is Temporal's own in a history: RFC 3339 times, and two spellings of the event types.

use execstore::Timestamp;
use serde_json::value::RawValue;

/// The member of an event that holds its time.
pub const TIME: &str = "eventTime";

/// Reads `eventTime`: 0 to 9 fraction digits, to the nanosecond.
pub fn time(raw: &RawValue) -> Result<Timestamp, String> {
    let text: String = serde_json::from_str(raw.get()).map_err(|_| format!("{TIME} is {raw}, not a text"))?;
    parse(&text).ok_or_else(|| format!("{TIME} is {text:?}, not a time from 1677 to 2262"))
}

/// Reads a time with a zone in RFC 3339 or ISO 8601.
pub fn parse(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// `EVENT_TYPE_TIMER_FIRED` and `TimerFired` are the same type: the second spelling.
pub fn plain_type(event_type: &str) -> String {
    let Some(words) = event_type.strip_prefix("EVENT_TYPE_") else {
        return event_type.to_owned();
    };
    let mut plain = String::new();
    for word in words.split('_') {
        let mut letters = word.chars();
        plain.extend(letters.next());
        plain.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_nanosecond() {
        for (text, nanos) in [
            ("2020-01-01T00:00:00Z", 1_577_836_800_000_000_000),
            ("2020-01-01T00:00:00.9Z", 1_577_836_800_900_000_000),
            ("2020-01-01T00:00:00.123456789Z", 1_577_836_800_123_456_789),
            ("1969-12-31T23:59:59.999999999Z", -1),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_nanos(nanos)), "{text}");
        }
        assert_eq!(parse("2300-01-01T00:00:00Z"), None);
    }

    #[test]
    fn both_spellings_of_a_type_are_one() {
        let long = "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW";
        assert_eq!(plain_type(long), "WorkflowExecutionContinuedAsNew");
        assert_eq!(plain_type("TimerFired"), "TimerFired");
    }
}
