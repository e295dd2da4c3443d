//! A stored row that is not what was written.

/// A stored row that is not what was written: it is lost, its neighbours are not. Restore a backup, or go on without it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a row of the table {table} is damaged (key {key}): {reason}")]
pub struct Damage {
    /// The table.
    pub table: &'static str,
    /// The row's key, in hexadecimal.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}
