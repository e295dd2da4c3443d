//! How much of the change log is kept. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much of the change log [`Store::maintain`](crate::Store::maintain) keeps. Without any bound it keeps
/// everything.
///
/// An entry is trimmed when it is beyond one of the bounds and every checkpoint is at it or after it. A checkpoint
/// holds the log back from the moment it is set, at 0 included; delete it if its consumer will not come back,
/// or set [`max_lag`](Self::max_lag).
///
/// ```
/// use std::time::Duration;
/// use execstore::Store;
/// use execstore::options::LogRetention;
/// let keep = LogRetention::new().max_age(Duration::from_secs(7 * 86_400)).max_count(1_000_000);
/// let store = Store::builder().set_log_retention(keep.max_lag(5_000_000)).in_memory()?;
/// let done = store.maintain()?;
/// assert_eq!(done.trimmed, 0);
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct LogRetention {
    #[serde(
        rename = "max_age_ns",
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::model::json::nanos::optional"
    )]
    pub(crate) max_age: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    pub(crate) max_count: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    pub(crate) max_lag: Option<u64>,
}

impl LogRetention {
    /// No bound.
    pub const fn new() -> Self {
        Self { max_age: None, max_count: None, max_lag: None }
    }

    /// Entries older than this go, by the store's clock. They go in order: one that is young enough keeps
    /// those after it, whatever their times.
    ///
    /// A time that cannot be right is no reason to forget an entry: one before 2025 while the clock stands after it, one before the store's own last
    /// time when the entry was written, one after now. Such an entry is as old as those after it, and goes with them.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Keeps this many entries.
    pub const fn max_count(mut self, entries: u64) -> Self {
        self.max_count = Some(entries);
        self
    }

    /// A checkpoint that is more than this many entries behind the head does not hold the log back any more.
    /// Its consumer finds out with [`PositionError::Trimmed`](crate::error::PositionError::Trimmed). Without it, a
    /// checkpoint holds the log back forever.
    pub const fn max_lag(mut self, entries: u64) -> Self {
        self.max_lag = Some(entries);
        self
    }
}
