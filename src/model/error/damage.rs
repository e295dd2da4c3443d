//! A stored row that is not what was written.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A stored row that is not what was written: it is lost, its neighbours are not. Restore a backup, or go on without it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[error("a row of the table {table} is damaged (key {key}): {reason}")]
pub struct Damage {
    /// The table.
    pub table: Cow<'static, str>,
    /// The row's key, in hexadecimal.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}
