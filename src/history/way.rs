//! How a query is answered: the order that is walked, or where its candidates are found, with everything that finding them takes.

use crate::format::schema::Tag;
use crate::model::execution::Header;
use crate::model::query::{Access, OrderBy, Query, QueryPlan};
use crate::model::text::Text;

/// How a query is answered, and how many candidates there are at most, as far as that is known.
pub(super) struct Way {
    pub(super) path: AccessPath,
    pub(super) rows: Option<u64>,
}

/// The way to the answer.
pub(super) enum AccessPath {
    /// The candidates come in the order that was asked for.
    Direct(Candidates),
    /// Not of creation: the order is walked.
    Walk,
    /// The candidates are sorted.
    Sorted(Candidates),
    /// The order is walked until that is dearer than to sort the candidates.
    Tried(Index),
}

/// Executions among which those of the answer are.
pub(super) enum Candidates {
    /// All of them, but those whose blocks cannot hold the times of creation.
    Scan,
    Index(Index),
}

/// Rows of an index, and what to look up in it.
pub(super) enum Index {
    /// Those in these states, by their codes.
    States(Vec<u8>),
    Job(Text),
    Label {
        key: Text,
        lists: Vec<LabelList>,
    },
    Parent(Text),
    Previous(Text),
    /// The ids that begin so.
    Id(Text),
}

/// The rows of one label in one group of states.
pub(super) struct LabelList {
    pub(super) value: Text,
    pub(super) group: u8,
    pub(super) rows: u64,
    /// How many of them are in the states that are asked for. At least one.
    pub(super) wanted: u64,
}

impl Index {
    fn access(&self) -> Access {
        match self {
            Index::States(_) => Access::States,
            Index::Job(_) => Access::Job,
            Index::Label { .. } => Access::Label,
            Index::Parent(_) => Access::Parent,
            Index::Previous(_) => Access::Previous,
            Index::Id(_) => Access::Id,
        }
    }

    /// The table that has the rows.
    pub(super) fn table(&self) -> Tag {
        match self {
            Index::States(_) => Tag::States,
            Index::Job(_) => Tag::Jobs,
            Index::Label { .. } => Tag::Labels,
            Index::Parent(_) | Index::Previous(_) => Tag::Links,
            Index::Id(_) => Tag::Ids,
        }
    }

    /// What a row says of its execution and is not so: then the index is damaged.
    pub(super) fn belied_by(&self, header: &Header) -> Option<&'static str> {
        let (holds, reason) = match self {
            Index::States(codes) => {
                (codes.contains(&header.state.code()), "the execution is in another state")
            }
            Index::Job(job) => (header.job_id == job.as_str(), "the execution is of another job"),
            Index::Label { key, lists } => {
                let found = header.labels.get(key);
                let is_one = |value: &Text| lists.iter().any(|list| list.value == *value);
                (found.is_some_and(is_one), "the execution has another label")
            }
            Index::Parent(id) => {
                let is_it = header.parent.as_ref().is_some_and(|parent| *parent == id.as_str());
                (is_it, "the execution has another parent")
            }
            Index::Previous(id) => {
                let is_it = header.previous.as_ref().is_some_and(|previous| *previous == id.as_str());
                (is_it, "the execution replaces another attempt")
            }
            Index::Id(prefix) => {
                (header.id.as_str().starts_with(prefix.as_str()), "the execution has another id")
            }
        };
        (!holds).then_some(reason)
    }
}

impl AccessPath {
    /// The index whose rows are all of the answer's candidates: not if the order is walked, even if only at first.
    pub(super) fn index(&self) -> Option<&Index> {
        match self {
            AccessPath::Direct(Candidates::Index(index)) | AccessPath::Sorted(Candidates::Index(index)) => {
                Some(index)
            }
            AccessPath::Direct(Candidates::Scan) | AccessPath::Sorted(Candidates::Scan) => None,
            AccessPath::Walk | AccessPath::Tried(_) => None,
        }
    }

    /// The index that is used, if only perhaps.
    fn any_index(&self) -> Option<&Index> {
        match self {
            AccessPath::Tried(index) => Some(index),
            other => other.index(),
        }
    }
}

impl Way {
    /// What a caller is told of it.
    pub(super) fn plan(&self, query: &Query) -> QueryPlan {
        let index = self.path.any_index();
        let walk = if query.order == OrderBy::Modified { Access::Modified } else { Access::Completed };
        let access = match (&self.path, index) {
            (_, Some(index)) => index.access(),
            (AccessPath::Walk, None) => walk,
            (_, None) => Access::Scan,
        };
        let label = match index {
            Some(Index::Label { key, .. }) => Some(key.clone()),
            _ => None,
        };
        QueryPlan {
            access,
            label,
            rows: self.rows,
            walks: matches!(self.path, AccessPath::Tried(_)),
            sorts: matches!(self.path, AccessPath::Sorted(_) | AccessPath::Tried(_)),
            filters: self.filters(query, access),
        }
    }

    /// `true` if the query has conditions that the way leaves to be checked.
    fn filters(&self, query: &Query, access: Access) -> bool {
        let mut rest = query.conditions();
        let mut no_states = false;
        match access {
            Access::Scan => rest.created = None,
            Access::Modified => rest.modified = None,
            Access::Completed => rest.completed = None,
            Access::States => no_states = true,
            Access::Label => {}
            Access::Job => rest.job = None,
            Access::Parent => rest.parent = None,
            Access::Previous => rest.previous = None,
            Access::Id => rest.id_prefix = None,
        }
        if let Some(Index::Label { key, lists }) = self.path.any_index() {
            no_states = lists.iter().all(|list| list.rows == list.wanted);
            rest.labels.retain(|label| label.key != *key);
        }
        if no_states {
            (rest.states, rest.phases, rest.names_states) = (Vec::new(), Vec::new(), false);
        }
        rest != Query::new()
    }
}
