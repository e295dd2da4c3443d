//! The orders of a query's answer. Pure.

use serde::{Deserialize, Serialize};

/// By what executions are ordered. Each order is total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderBy {
    /// In the order in which the store created them. It never changes. The default.
    #[default]
    Created,
    /// In the order of their last changes in the change log. An execution that changes goes to the end.
    Modified,
    /// By the time at which they ended, those of the same time in the order of creation. Executions that have
    /// not ended are left out.
    Completed,
}
