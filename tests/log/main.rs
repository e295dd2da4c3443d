//! The change log: its entries, positions, checkpoints, trimming and size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod log_size;
mod positions;
mod trimming;
