//! Executions: their creation, updates, payloads, events, deletion, conditions and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod alternatives;
mod clocks;
mod combinations;
mod conditions;
mod create;
mod delete;
mod ends;
mod events;
mod identity;
mod incarnations;
mod json_limits;
mod json_types;
mod large_values;
mod lifecycle;
mod limits;
mod merge_properties;
mod moved_values;
mod namesakes;
mod odd_text;
mod payloads;
mod policy_properties;
mod recorded_lifecycle;
mod refusals;
mod reports;
mod update;
