//! Reports that come late: what became of an execution or a task, told by somebody who may have been overtaken. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::execution::Header;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// Why a report was not applied: something newer is known already. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Late {
    /// It is of an attempt before the one that is known.
    OlderAttempt {
        /// The attempt that reported.
        #[serde(with = "crate::model::json::count")]
        reported: u64,
        /// The last attempt that is known.
        #[serde(with = "crate::model::json::count")]
        known: u64,
    },
    /// It names a time before that of the last report of the same attempt.
    OlderTime {
        /// The time that it names.
        reported: Timestamp,
        /// The time of the last report.
        known: Timestamp,
    },
    /// It says what is known already.
    Repeated,
    /// What it is about has ended already. The first end stands.
    Ended {
        /// The state that it ended in.
        state: Text,
    },
    /// A task cannot start any more, since its execution has ended.
    ExecutionEnded {
        /// The state that the execution ended in.
        state: Text,
    },
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Late::OlderAttempt { reported, known } => {
                write!(f, "it is of attempt {reported}, and attempt {known} is known")
            }
            Late::OlderTime { reported, known } => {
                write!(f, "it is of {reported}, and one of {known} is known")
            }
            Late::Repeated => f.write_str("it says what is known already"),
            Late::Ended { state } => write!(f, "the first end stands: {state}"),
            Late::ExecutionEnded { state } => write!(f, "the execution ended in {state}"),
        }
    }
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported<T> {
    /// It was applied; this is what there is now.
    Applied(T),
    /// It came late, and nothing was written.
    Ignored {
        /// Why.
        why: Late,
        /// What there is, as it was and stays; `None` if there is nothing.
        #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
        current: Option<T>,
    },
}

impl<T> Reported<T> {
    /// `true` if it was applied.
    pub fn is_applied(&self) -> bool {
        matches!(self, Reported::Applied(_))
    }

    /// Why it was ignored; `None` if it was applied.
    pub fn why_ignored(&self) -> Option<&Late> {
        match self {
            Reported::Applied(_) => None,
            Reported::Ignored { why, .. } => Some(why),
        }
    }

    /// What there is now, whether the report was applied or not; `None` if there is nothing.
    pub fn current(&self) -> Option<&T> {
        match self {
            Reported::Applied(current) => Some(current),
            Reported::Ignored { current, .. } => current.as_ref(),
        }
    }

    /// The same, taken.
    pub fn into_current(self) -> Option<T> {
        match self {
            Reported::Applied(current) => Some(current),
            Reported::Ignored { current, .. } => current,
        }
    }
}

/// Who reports of an execution, and of when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reporter {
    /// It is a report at all.
    pub(crate) reports: bool,
    pub(crate) attempt: Option<u64>,
    pub(crate) at: Option<Timestamp>,
}

impl Reporter {
    /// Why a report of this execution is late.
    pub(crate) fn is_late(self, header: &Header) -> Option<Late> {
        let ended = header.state.is_terminal().then(|| Late::Ended { state: header.state.as_str().into() });
        self.is_overtaken(header).or(ended)
    }

    /// Why a newer report of this execution is known.
    pub(crate) fn is_overtaken(self, header: &Header) -> Option<Late> {
        if let Some(reported) = self.attempt.filter(|attempt| *attempt < header.attempt) {
            return Some(Late::OlderAttempt { reported, known: header.attempt });
        }
        let newer = self.attempt.is_some_and(|attempt| attempt > header.attempt);
        if let (Some(reported), Some(known), false) = (self.at, header.reported_at, newer)
            && reported < known
        {
            return Some(Late::OlderTime { reported, known });
        }
        None
    }

    /// Notes the report in the header. Of an attempt that is new, a time that it does not name is not known.
    pub(crate) fn note(self, header: &mut Header) {
        if self.attempt.is_some_and(|attempt| attempt > header.attempt) {
            header.reported_at = None;
        }
        header.attempt = self.attempt.unwrap_or(header.attempt);
        header.reported_at = self.at.or(header.reported_at);
    }
}
