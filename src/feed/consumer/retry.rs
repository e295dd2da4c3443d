//! What a consumer does when its handler fails. Pure, but for the jitter.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a consumer tries again: after a delay that doubles up to a ceiling, with jitter.
///
/// ```
/// use std::time::Duration;
/// use execstore::consumer::Retry;
/// let retry = Retry::new().initial(Duration::from_millis(50)).ceiling(Duration::from_secs(10)).attempts(5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct Retry {
    #[serde(rename = "initial_ns", with = "crate::model::json::nanos")]
    initial: Duration,
    #[serde(rename = "ceiling_ns", with = "crate::model::json::nanos")]
    ceiling: Duration,
    #[serde(
        default,
        deserialize_with = "crate::model::json::form::given",
        skip_serializing_if = "Option::is_none"
    )]
    attempts: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl Retry {
    /// The defaults: from 200 milliseconds to 3 minutes, without end.
    pub const fn new() -> Self {
        Self { initial: Duration::from_millis(200), ceiling: Duration::from_secs(180), attempts: None }
    }

    /// The delay before the second attempt.
    pub const fn initial(mut self, delay: Duration) -> Self {
        self.initial = delay;
        self
    }

    /// The longest delay.
    pub const fn ceiling(mut self, delay: Duration) -> Self {
        self.ceiling = delay;
        self
    }

    /// How often the handler is called for the same changes before [`OnFailure`] decides; at least once.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    pub(super) fn is_over(&self, failures: u32) -> bool {
        self.attempts.is_some_and(|attempts| failures >= attempts)
    }

    /// The delay after this number of failures: a random part of it between a half and the whole, so that consumers that
    /// failed together do not come back together.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let doubled = self.initial.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let whole = doubled.min(self.ceiling);
        let share = (RandomState::new().hash_one(failures) % 1_000) as u32;
        whole / 2 + whole / 2_000 * share
    }
}

/// What a consumer does once its [`Retry`] has no attempts left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Goes on trying. Nothing is lost, and nothing after it is delivered. The default.
    #[default]
    Block,
    /// Delivers the changes of the batch one by one, and leaves out those that still fail, after as many attempts each.
    Skip,
    /// Stops, with its checkpoint before the batch.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_ceiling() {
        let retry = Retry::new().initial(Duration::from_millis(10)).ceiling(Duration::from_millis(50));
        for (failures, whole) in [(1, 10), (2, 20), (3, 40), (4, 50), (30, 50), (u32::MAX, 50)] {
            let delay = retry.delay(failures);
            let whole = Duration::from_millis(whole);
            assert!(delay >= whole / 2 && delay <= whole, "{failures}: {delay:?}");
        }
        let delays: std::collections::HashSet<_> = (0..20).map(|_| retry.delay(4)).collect();
        assert!(delays.len() > 1, "there is jitter");
    }
}
