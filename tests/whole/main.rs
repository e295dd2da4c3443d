//! The whole: the model, stress, the defects of other systems, the examples, and the rules of the house.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bacalhau_defects;
mod bacalhau_watch_defects;
#[cfg(unix)]
mod follow_example;
mod forms;
mod imports;
mod model;
#[cfg(unix)]
mod node_example;
mod replay_example;
mod stress;
mod tidy;
