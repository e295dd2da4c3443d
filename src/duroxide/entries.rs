//! Where an activity stands while it waits or is lent, and the token of whoever has it.

use std::fmt;
use std::str::FromStr;

use duroxide::providers::TagFilter;
use serde::{Deserialize, Serialize};

use super::mailbox::Place;
use super::records::{LENT, READY, decode};
use crate::buckets::{BucketRow, key, parse_key};
use crate::{Error, Readable};

/// What stands for an activity: among those that are ready, or among those that are lent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) instance: String,
    pub(super) execution: u64,
    pub(super) activity: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    pub(super) attempts: u32,
    /// Who has it; 0 for nobody.
    pub(super) lease: u64,
    /// When the lease ends, if that is later than where it stands.
    pub(super) until: u64,
}

impl Entry {
    /// The key of the activity itself.
    pub(super) fn activity(&self, number: u64) -> Vec<u8> {
        key(&(self.instance.as_str(), self.execution, self.activity, number))
    }

    /// Its key among those that are ready: the ones of a tag stand together.
    pub(super) fn ready(&self, at: Place) -> Vec<u8> {
        ready(self.tag.as_deref(), at)
    }

    pub(super) fn suits(&self, filter: &TagFilter) -> bool {
        filter.matches(self.tag.as_deref())
    }
}

pub(super) fn ready(tag: Option<&str>, (when, number): Place) -> Vec<u8> {
    key(&(tag.is_some(), tag.unwrap_or_default(), when, number))
}

/// Where a row of [`READY`] or [`LENT`] stands, and what it holds.
pub(super) fn read(row: &BucketRow, is_lent: bool) -> Result<(Place, Entry), Error> {
    let place = match is_lent {
        true => parse_key(&row.key),
        false => parse_key(&row.key).map(|(_, _, when, number): (bool, String, u64, u64)| (when, number)),
    };
    Ok((place.map_err(Error::caller)?, decode(&row.value)?))
}

/// The tags that somebody waits with, `None` for none.
pub(super) fn tags(r: &impl Readable) -> Result<Vec<Option<String>>, Error> {
    let all = r.bucket(READY)?;
    let mut tags: Vec<Option<String>> = Vec::new();
    loop {
        let behind = tags.last().map_or_else(Vec::new, |tag| ready(tag.as_deref(), (u64::MAX, u64::MAX)));
        let Some(row) = all.range(behind..)?.next().transpose()? else { return Ok(tags) };
        let (is_tagged, tag, ..): (bool, String, u64, u64) = parse_key(&row.key).map_err(Error::caller)?;
        tags.push(is_tagged.then_some(tag));
    }
}

/// All of them.
pub(super) fn all(r: &impl Readable) -> Result<Vec<(Place, Entry)>, Error> {
    let ready = r.bucket(READY)?.iter()?.map(|row| read(&row?, false));
    let lent = r.bucket(LENT)?.iter()?.map(|row| read(&row?, true));
    ready.chain(lent).collect()
}

/// Says which row somebody has, and that it is he who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lease: u64,
    pub(super) at: Place,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lease, at: (until, number) } = self;
        write!(f, "{lease}.{until}.{number}")
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.').map(|part| part.parse().map_err(drop));
        let mut number = || parts.next().unwrap_or(Err(()));
        let token = Self { lease: number()?, at: (number()?, number()?) };
        if parts.next().is_none() { Ok(token) } else { Err(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        let token = Token { lease: 7, at: (u64::MAX, 3) };
        assert_eq!(token.to_string().parse(), Ok(token));
        for broken in ["", "1", "1.2", "1.2.", "1.2.x", "1.2.3.4", "invalid-token"] {
            assert_eq!(broken.parse::<Token>(), Err(()), "{broken}");
        }
    }
}
