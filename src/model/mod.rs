//! Values: what a caller gives and gets, and its rules. No redb, no I/O, no clock.

pub(crate) mod attachments;
pub(crate) mod bookmark;
pub(crate) mod bucket_keys;
pub(crate) mod buckets;
#[deny(clippy::disallowed_methods)]
pub(crate) mod change;
#[deny(clippy::disallowed_methods)]
mod change_json;
#[deny(clippy::disallowed_methods)]
pub(crate) mod entry;
pub(crate) mod error;
#[deny(clippy::disallowed_methods)]
pub(crate) mod events;
pub(crate) mod execution;
pub(crate) mod expect;
pub(crate) mod filter;
mod filter_json;
#[deny(clippy::disallowed_methods)]
pub(crate) mod fingerprint;
#[deny(clippy::disallowed_methods)]
pub(crate) mod hash;
pub(crate) mod id;
pub(crate) mod identity;
#[deny(clippy::disallowed_methods)]
pub(crate) mod integrity;
#[deny(clippy::disallowed_methods)]
pub(crate) mod json;
pub(crate) mod lifecycle;
pub mod limits;
pub(crate) mod loss;
pub(crate) mod outputs;
pub(crate) mod panics;
pub(crate) mod part;
#[deny(clippy::disallowed_methods)]
pub(crate) mod payload_policy;
pub(crate) mod query;
pub(crate) mod report;
pub(crate) mod retention;
pub(crate) mod row_id;
pub(crate) mod sampling;
pub(crate) mod tasks;
#[deny(clippy::disallowed_methods)]
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod touch;
#[deny(clippy::disallowed_methods)]
pub(crate) mod undo;
pub(crate) mod visits;
