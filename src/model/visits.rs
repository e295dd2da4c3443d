//! How often an execution was visited. Pure.

use serde::{Deserialize, Serialize};

use crate::model::time::Timestamp;

/// How often an execution was visited, and when last: see [`VisitTracker`](crate::visits::VisitTracker).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Visits {
    /// How often.
    #[serde(with = "crate::model::json::count")]
    pub count: u64,
    /// When last.
    pub last: Timestamp,
}

impl Visits {
    /// So many visits, the last of them then: for [`add_visits`](crate::Writer::add_visits).
    pub fn new(count: u64, last: Timestamp) -> Self {
        Self { count, last }
    }

    /// Both together.
    pub(crate) fn and(self, other: Visits) -> Visits {
        if self.count == 0 {
            return other;
        }
        Visits { count: self.count.saturating_add(other.count), last: self.last.max(other.last) }
    }
}
