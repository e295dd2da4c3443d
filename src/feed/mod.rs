//! Following what happens: watchers, consumers, followers of outputs, and what trims the log.

pub(crate) mod consumer;
pub(crate) mod follow;
pub(crate) mod maintain;
pub(crate) mod tracker;
pub(crate) mod watch;
