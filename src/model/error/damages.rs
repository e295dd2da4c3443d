//! The JSON of the rows of a page that could not be read: of each where it is and why.

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Damage, ReadError};

pub(crate) fn serialize<S: Serializer>(errors: &[ReadError], serializer: S) -> Result<S::Ok, S::Error> {
    let damages = errors.iter().map(|error| match error {
        ReadError::Damaged(damage) => Ok(damage),
        other => {
            Err(S::Error::custom(format!("a page has damaged rows alone, and no error such as: {other}")))
        }
    });
    damages.collect::<Result<Vec<&Damage>, _>>()?.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ReadError>, D::Error> {
    Ok(Vec::<Damage>::deserialize(deserializer)?.into_iter().map(ReadError::Damaged).collect())
}
