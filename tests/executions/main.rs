//! Executions: their creation, updates, payloads, events, deletion, conditions and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod combinations;
mod delete;
mod ends;
mod identity;
mod incarnations;
mod json_forms;
mod json_hostile;
mod json_limits;
mod json_round_trips;
mod json_types;
mod lifecycle;
mod limits;
mod merge_properties;
mod namesakes;
mod odd_text;
mod policy_properties;
