//! Transactions: the caller's own, joined ones, group commit, and what ends or waits within them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod current_thread;
mod group_commit;
mod group_commit_errors;
mod handles;
mod moments;
mod panics;
mod poisoned;
mod reentrance;
mod rollback;
mod stopping;
mod thread_locals;
mod transactions;
