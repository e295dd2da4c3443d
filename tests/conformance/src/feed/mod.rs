//! What follows the log: watchers, consumers, waiting and waking.

pub mod consumers;
pub mod waking;
pub mod watching;
