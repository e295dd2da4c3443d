//! Where an activity that can be fetched stands, and the token of whoever has it.

use std::fmt;
use std::str::FromStr;

use super::mailbox::Place;
use crate::buckets::key;

/// The rows of one tag: whether there is one, and which.
pub(super) type Tag = (bool, String);

pub(super) fn tag_of(tag: Option<&str>) -> Tag {
    (tag.is_some(), tag.unwrap_or_default().to_owned())
}

pub(super) fn at(tag: &Tag, (when, number): Place) -> Vec<u8> {
    key(&(tag.0, tag.1.as_str(), when, number))
}

/// Says which row somebody has, and that it is he who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lease: u64,
    pub(super) at: Place,
    pub(super) tag: Tag,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lease, at: (when, number), tag: (tagged, tag) } = self;
        write!(f, "{lease}.{when}.{number}.{}{tag}", if *tagged { "=" } else { "" })
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(4, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(());
        let (lease, when, number) = (number()?, number()?, number()?);
        let tag = tag_of(match parts.next().ok_or(())? {
            "" => None,
            tag => Some(tag.strip_prefix('=').ok_or(())?),
        });
        Ok(Self { lease, at: (when, number), tag })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        for tag in [None, Some(""), Some("gpu"), Some("a.b=c")] {
            let token = Token { lease: 7, at: (u64::MAX, 3), tag: tag_of(tag) };
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        for broken in ["", "1", "1.2", "1.2.3", "1.2.x.", "1.2.3.gpu", "invalid-token"] {
            assert_eq!(broken.parse::<Token>(), Err(()), "{broken}");
        }
    }
}
