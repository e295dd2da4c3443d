//! Transactions and threads: handles, the group commit, and what waits or ends within them.

pub mod current_thread;
pub mod group_commit;
pub mod handles;
pub mod leaving;
pub mod panics;
pub mod queue_size;
pub mod reentrance;
pub mod status;
pub mod transactions;
