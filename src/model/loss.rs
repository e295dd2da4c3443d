//! What a damaged journal has lost, as a name that a caller can give back. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::id::ChangeSeq;
use crate::model::json::form::by_text;
use crate::model::limits::InputError;

/// The loss that [`OpenError::JournalDamaged`](crate::error::OpenError::JournalDamaged) tells of: everything that was acknowledged after a point,
/// and that the damaged journal alone had.
///
/// It names this very loss of this very file, and goes through text, so that a person can read it in a log and pass it to
/// [`Builder::accept_loss`](crate::Builder::accept_loss): another damage is another loss, and is not accepted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JournalLoss {
    pub(crate) file: u64,
    pub(crate) round: u32,
    pub(crate) version: u64,
    pub(crate) after: ChangeSeq,
}

impl JournalLoss {
    /// The last entry of the change log that can still be read. What was done after it and is not in the change log, an append to
    /// an output say, is lost too.
    pub fn after(&self) -> ChangeSeq {
        self.after
    }
}

impl fmt::Display for JournalLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, round, version, after } = self;
        write!(f, "loss-{file:016x}-{round}-{version}-{after}")
    }
}

impl FromStr for JournalLoss {
    type Err = InputError;

    fn from_str(text: &str) -> Result<Self, InputError> {
        let parts: Vec<&str> = text.split('-').collect();
        let parsed = match parts.as_slice() {
            ["loss", file, round, version, after] => u64::from_str_radix(file, 16)
                .ok()
                .zip(round.parse().ok())
                .zip(version.parse().ok().zip(after.parse().ok()))
                .map(|((file, round), (version, after))| Self {
                    file,
                    round,
                    version,
                    after: ChangeSeq(after),
                }),
            _ => None,
        };
        let canonical = parsed.filter(|loss| loss.to_string() == text);
        canonical.ok_or_else(|| InputError::Invalid { what: "loss", reason: "it is not one of ours".into() })
    }
}

by_text!(JournalLoss);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_goes_through_text() {
        let loss = JournalLoss { file: 0xabc, round: 7, version: u64::MAX, after: ChangeSeq(9) };
        assert_eq!(loss.to_string().parse::<JournalLoss>().unwrap(), loss);
        for bad in
            ["", "loss", "loss-1-2-3-4", "loss-0000000000000abc-7-1-+9", "loss-0000000000000abc-7-1-9-"]
        {
            assert!(bad.parse::<JournalLoss>().is_err(), "{bad}");
        }
    }
}
