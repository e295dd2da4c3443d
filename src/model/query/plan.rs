//! How a query is answered. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::text::Text;

/// A way to find executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Access {
    /// Every execution is looked at, but those whose block of 1,024 cannot hold the times asked for.
    Scan,
    /// Those in the states.
    States,
    /// Those of the job.
    Job,
    /// Those with one of the labels: if states are named, in those; but the pending states count as one, and the live states as
    /// one, so that others of them are looked at and left out.
    Label,
    /// Those that have the parent.
    Parent,
    /// Those that replace the attempt.
    Previous,
    /// Those whose ids begin so.
    Id,
    /// All, in the order of their last changes.
    Modified,
    /// All that have ended, in the order of that.
    Completed,
}

/// How a [`Query`](crate::Query) is answered: see [`Selection::explain`](crate::query::Selection::explain).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueryPlan {
    /// The way that finds the candidates. What else the query asks is checked on each of them.
    pub access: Access,
    /// The label's key, if the way is one by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Text>,
    /// How many candidates there are at most; exact but for [`Access::Scan`] with times, and not known for what has
    /// too many to be counted in passing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    pub rows: Option<u64>,
    /// First the order that was asked for is walked, until more of it was looked at than to sort the candidates of the way costs.
    pub walks: bool,
    /// The candidates do not come in the order that was asked for: all of them are looked at before the first, or the first after the
    /// walk, is given.
    pub sorts: bool,
    /// The query has conditions that the way does not answer, so that candidates may be looked at and left out.
    pub filters: bool,
}

impl QueryPlan {
    /// `true` if the answer may have to look at executions in number beyond what it gives, whatever the store
    /// holds: no index serves the conditions.
    pub fn is_scan(&self) -> bool {
        self.filters && matches!(self.access, Access::Scan | Access::Modified | Access::Completed)
    }
}

impl fmt::Display for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.access {
            Access::Scan => "a scan of the executions",
            Access::States => "the index of states",
            Access::Job => "the index of jobs",
            Access::Label => "the index of labels",
            Access::Parent => "the index of parents",
            Access::Previous => "the index of previous attempts",
            Access::Id => "the ids",
            Access::Modified => "the order of modification",
            Access::Completed => "the order of completion",
        };
        f.write_str(way)?;
        if let Some(label) = &self.label {
            write!(f, " by {label:?}")?;
        }
        match self.rows {
            Some(rows) => write!(f, ", at most {rows} rows")?,
            None => f.write_str(", many rows")?,
        }
        f.write_str(if self.filters { ", filtered" } else { "" })?;
        f.write_str(if self.sorts { ", sorted" } else { "" })?;
        f.write_str(if self.walks { " unless a walk finds enough sooner" } else { "" })
    }
}
