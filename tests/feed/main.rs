//! What follows the log: watchers, consumers, waiting and waking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod consumer_errors;
mod consumers;
mod futures;
mod waking;
mod watch_properties;
mod watching;
