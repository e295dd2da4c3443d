//! How the group commit gathers.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::model::json::count::size;

/// The settings of the group commit: see [`Store::batch`](crate::Store::batch) and
/// [`Builder::set_group_commit`](crate::Builder::set_group_commit).
///
/// ```
/// use std::time::Duration;
/// use execstore::Store;
/// use execstore::options::GroupCommitOptions;
/// let store = Store::builder()
///     .set_group_commit(GroupCommitOptions::new().max_queue(256).max_delay(Duration::from_micros(200)))
///     .in_memory()?;
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct GroupCommitOptions {
    #[serde(
        serialize_with = "crate::model::json::count::size::serialize",
        deserialize_with = "at_least_one"
    )]
    pub(crate) max_queue: usize,
    #[serde(with = "crate::model::json::count::size")]
    pub(crate) max_queue_bytes: usize,
    #[serde(
        serialize_with = "crate::model::json::count::size::serialize",
        deserialize_with = "at_least_one"
    )]
    pub(crate) max_members: usize,
    #[serde(with = "crate::model::json::count::size")]
    pub(crate) max_bytes: usize,
    #[serde(rename = "max_delay_ns", with = "crate::model::json::nanos")]
    pub(crate) max_delay: Duration,
}

impl Default for GroupCommitOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl GroupCommitOptions {
    /// The defaults: a queue of 4,096, up to 1,024 members and 768 KiB a commit, no delay.
    pub const fn new() -> Self {
        Self {
            max_queue: 4_096,
            max_queue_bytes: 64 * 1024 * 1024,
            max_members: 1_024,
            // What the journal takes in one record, with room for the member that goes beyond it.
            max_bytes: 768 * 1024,
            max_delay: Duration::ZERO,
        }
    }

    /// How many may wait to be committed, at least 1. Who comes when the queue is full waits until there is room, or with
    /// [`refuse_when_full`](crate::group_commit::GroupCommit::refuse_when_full) is refused at once.
    pub const fn max_queue(mut self, members: usize) -> Self {
        self.max_queue = if members == 0 { 1 } else { members };
        self
    }

    /// How many bytes may wait to be committed, as far as callers say how much their closures hold, with
    /// [`GroupCommit::bytes`](crate::group_commit::GroupCommit::bytes); 64 MiB by default. What is larger than that by itself goes
    /// alone. What other closures hold is not known, and is bounded by number only.
    pub const fn max_queue_bytes(mut self, bytes: usize) -> Self {
        self.max_queue_bytes = bytes;
        self
    }

    /// The most members of one commit, at least 1.
    pub const fn max_members(mut self, members: usize) -> Self {
        self.max_members = if members == 0 { 1 } else { members };
        self
    }

    /// How much one commit may write, in bytes of keys and values. The member that reaches it is its last,
    /// so a commit is larger by one member at most.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long a commit waits for further members before it begins; not at all by default. A commit
    /// gathers those who came during the one before it anyway, so that a delay only helps where callers are
    /// many and come one by one.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    match size::deserialize(deserializer)? {
        0 => Err(D::Error::custom("invalid value: 0, expected a number of at least 1")),
        number => Ok(number),
    }
}
