//! The way to the candidates of a query.

use crate::model::query::QueryPlan;
use crate::model::text::Text;

/// A plan with what its making has found.
pub(super) struct Way {
    pub(super) plan: QueryPlan,
    /// Where the rows of its label lie.
    pub(super) lists: Vec<LabelList>,
}

/// The rows of one label in one group of states.
pub(super) struct LabelList {
    pub(super) value: Text,
    pub(super) group: u8,
    pub(super) rows: u64,
    /// How many of them are in the states that are asked for. At least one.
    pub(super) wanted: u64,
}
