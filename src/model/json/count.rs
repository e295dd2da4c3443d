//! Numbers of 64 bits in JSON, where every reader reads them exactly: as numbers up to 2^53 - 1, as texts beyond.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

const MAX_SAFE: u64 = (1 << 53) - 1;

pub(crate) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match serializer.is_human_readable() && *number > MAX_SAFE {
        true => serializer.collect_str(number),
        false => serializer.serialize_u64(*number),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match deserializer.is_human_readable() {
        true => deserializer.deserialize_any(Number),
        false => deserializer.deserialize_u64(Number),
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 2^64 - 1, or a text of one")
    }

    fn visit_u64<E>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        number.try_into().map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A number as a value of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Count(#[serde(with = "crate::model::json::count")] pub(crate) u64);

super::form::optional!(u64);

/// A number of things in memory.
pub(crate) mod size {
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        super::serialize(&(*number as u64), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        let number = super::deserialize(deserializer)?;
        usize::try_from(number).map_err(|_| D::Error::custom(format!("{number} is more than fits in memory")))
    }
}
