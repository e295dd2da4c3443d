//! Durations in JSON: nanoseconds, as a number up to 2^53 - 1 (104 days) and as a text beyond.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

const NANOS: u128 = 1_000_000_000;

pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match u64::try_from(duration.as_nanos()) {
        Ok(nanos) => super::count::serialize(&nanos, serializer),
        Err(_) => serializer.collect_str(&duration.as_nanos()),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "invalid duration, expected nanoseconds as a number, or as a text of one")]
    enum Nanos {
        Number(u64),
        Text(String),
    }
    let text = match Nanos::deserialize(deserializer)? {
        Nanos::Number(nanos) => return Ok(Duration::from_nanos(nanos)),
        Nanos::Text(text) => text,
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let nanos = digits.then(|| text.parse::<u128>().ok()).flatten();
    let duration = nanos.and_then(|nanos| {
        let seconds = u64::try_from(nanos / NANOS).ok()?;
        Some(Duration::new(seconds, u32::try_from(nanos % NANOS).ok()?))
    });
    duration.ok_or_else(|| D::Error::custom(format!("invalid duration {text:?}, expected nanoseconds")))
}

super::form::optional!(std::time::Duration);
