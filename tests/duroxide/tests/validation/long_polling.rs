//! The validations of polling. The provider waits for work, so it is held to those of long polling; the two of short polling
//! (`test_short_poll_returns_immediately`, `test_short_poll_work_item_returns_immediately`) want the opposite, and say that they are for
//! providers that do not wait.

use duroxide::provider_validations::long_polling as validation;

use crate::factory::Factory;

#[tokio::test]
async fn test_fetch_respects_timeout_upper_bound() {
    validation::test_fetch_respects_timeout_upper_bound(&Factory::new(true).provider()).await;
}

#[tokio::test]
async fn test_long_poll_waits_for_timeout() {
    validation::test_long_poll_waits_for_timeout(&Factory::new(true).provider()).await;
}

#[tokio::test]
async fn test_long_poll_work_item_waits_for_timeout() {
    validation::test_long_poll_work_item_waits_for_timeout(&Factory::new(true).provider()).await;
}
