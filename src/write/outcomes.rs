//! What operations come to, for the caller.

use std::ops::RangeInclusive;

use crate::model::execution::Execution;
use crate::model::id::ChangeSeq;

/// What a joined writer wrote, for [`Store::notify`](crate::Store::notify) after the caller's own commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "pass it to `Store::notify` after the commit, else waiting readers hear of it late"]
pub struct Receipt {
    pub(crate) store_id: u128,
    /// The change that would be the first one of the writer's.
    pub(super) first: u64,
    pub(super) head: ChangeSeq,
}

impl Receipt {
    /// The head of the change log after what was written.
    pub fn head(&self) -> ChangeSeq {
        self.head
    }

    /// The changes that were written; `None` if there were none.
    pub fn changes(&self) -> Option<RangeInclusive<ChangeSeq>> {
        (self.first <= self.head.0).then_some(ChangeSeq(self.first)..=self.head)
    }
}

/// What [`Writer::create_or_get`] came to.
#[derive(Clone, Debug, PartialEq)]
pub enum CreateOutcome {
    /// It was created.
    New(Execution),
    /// There was one of this id.
    Existing(Execution),
}

impl CreateOutcome {
    /// `true` if it was created.
    pub fn is_new(&self) -> bool {
        matches!(self, CreateOutcome::New(_))
    }

    /// The record, whichever it is.
    pub fn execution(&self) -> &Execution {
        match self {
            CreateOutcome::New(execution) | CreateOutcome::Existing(execution) => execution,
        }
    }

    /// The same, taken.
    pub fn into_execution(self) -> Execution {
        match self {
            CreateOutcome::New(execution) | CreateOutcome::Existing(execution) => execution,
        }
    }
}
