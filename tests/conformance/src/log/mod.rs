//! The change log: its entries, positions, checkpoints and trimming.

pub mod change_log;
pub mod checkpoints;
pub mod positions;
pub mod trimming;
