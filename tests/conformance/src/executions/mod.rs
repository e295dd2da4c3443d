//! Executions: their creation, updates, payloads, events, deletion, conditions and ends.

pub mod alternatives;
pub mod clocks;
pub mod combinations;
pub mod conditions;
pub mod create;
pub mod delete;
pub mod ends;
pub mod events;
pub mod identity;
pub mod incarnations;
pub mod json_limits;
pub mod large_values;
pub mod lifecycle;
pub mod limits;
pub mod moved_values;
pub mod namesakes;
pub mod odd_text;
pub mod payloads;
pub mod reports;
pub mod update;
