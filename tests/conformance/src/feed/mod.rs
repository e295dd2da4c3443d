//! What follows the log: watchers, consumers, waiting and waking.

pub mod consumers;
pub mod waiting;
pub mod waking;
pub mod watching;
