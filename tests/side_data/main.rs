//! What lies beside an execution: attachments, outputs, tasks, visits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod attachments;
mod large_deletions;
mod outputs;
