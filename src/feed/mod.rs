//! Following what happens: watchers, consumers, followers of outputs, and what trims the log.

pub(crate) mod buckets;
pub(crate) mod consumer;
pub(crate) mod outputs;
pub(crate) mod retention;
#[cfg(feature = "stream")]
mod stream;
pub(crate) mod visits;
pub(crate) mod watch;
