//! A query that was checked, as it is carried through its answer.

use std::ops::Deref;
use std::sync::Arc;

use crate::model::error::{InputError, ReadError};
use crate::model::execution::Header;
use crate::model::query::{OrderBy, Position, Query};
use crate::model::row_id::RowId;
use crate::read::View;

/// The query of an answer.
#[derive(Clone)]
pub(super) enum Asked<'q> {
    /// The caller's: for an answer that is complete when the call returns.
    Borrowed(&'q Query),
    /// A copy: for a list that may outlive the caller's query.
    Kept(Arc<Query>),
}

impl<'q> From<&'q Query> for Asked<'q> {
    fn from(query: &'q Query) -> Self {
        Self::Borrowed(query)
    }
}

impl From<Query> for Asked<'_> {
    fn from(query: Query) -> Self {
        Self::Kept(Arc::new(query))
    }
}

impl Deref for Asked<'_> {
    type Target = Query;

    fn deref(&self) -> &Query {
        match self {
            Self::Borrowed(query) => query,
            Self::Kept(query) => query,
        }
    }
}

/// A query that was checked, with what of it an answer may have otherwise: cheap to copy.
#[derive(Clone)]
pub(super) struct Ask<'q> {
    /// Its conditions.
    pub(super) query: Asked<'q>,
    pub(super) order: OrderBy,
    pub(super) newest_first: bool,
    pub(super) limit: Option<usize>,
    /// Where the page before ended.
    pub(super) after: Option<Position>,
}

impl<'q> Ask<'q> {
    pub(super) fn new<V: View + ?Sized>(view: &V, query: impl Into<Asked<'q>>) -> Result<Self, ReadError> {
        let query = query.into();
        query.check(&view.settings().lifecycle)?;
        Ok(Self {
            order: query.order,
            newest_first: query.newest_first,
            limit: query.limit,
            after: query.after.as_ref().map(|cursor| cursor.place),
            query,
        })
    }

    /// The same, if the query's cursor is one of this query and of this store.
    pub(super) fn check_cursor<V: View + ?Sized>(self, view: &V) -> Result<Self, ReadError> {
        let Some(cursor) = &self.query.after else { return Ok(self) };
        if cursor.store != view.settings().incarnation {
            let reason = "it is of another store, or of this one before an older copy was put back";
            return Err(InputError::InvalidCursor { reason }.into());
        }
        if (cursor.order, cursor.newest_first) != (self.query.order, self.query.newest_first) {
            return Err(InputError::InvalidCursor { reason: "it is of another order" }.into());
        }
        if cursor.query != self.query.fingerprint() {
            return Err(InputError::InvalidCursor { reason: "it is of another query" }.into());
        }
        Ok(self)
    }

    pub(super) fn matches(&self, header: &Header) -> bool {
        self.query.matches(header)
    }

    /// The limit, or as many as there are.
    pub(super) fn most(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }

    /// The place of an execution in the order; `None` if it is not in it.
    pub(super) fn place_of(&self, number: RowId, header: &Header, last_change: u64) -> Option<Position> {
        match self.order {
            OrderBy::Created => Some(Position { time: 0, key: number.0 }),
            OrderBy::Modified => Some(Position { time: 0, key: last_change }),
            OrderBy::Completed => {
                header.completed_at.map(|at| Position { time: at.as_nanos(), key: number.0 })
            }
        }
    }
}
