//! The caller's own rows, in buckets.

pub mod deleting;
pub mod logged;
pub mod rows;
pub mod sequences;
pub mod transactions;
pub mod waiting;
