//! What operations come to, for the caller.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::execution::Execution;
use crate::model::id::ChangeSeq;
use crate::model::limits::InputError;

/// What a joined writer wrote, for [`Store::notify`](crate::Store::notify) after the caller's own commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ReceiptForm")]
#[must_use = "pass it to `Store::notify` after the commit, else waiting readers hear of it late"]
pub struct Receipt {
    #[serde(serialize_with = "uuid_text")]
    pub(crate) store_id: u128,
    /// The change that would be the first one of the writer's.
    #[serde(with = "crate::model::json::count")]
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

/// What [`Writer::create_or_get`](crate::Writer::create_or_get) came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// The JSON of a receipt.
#[derive(Deserialize)]
struct ReceiptForm {
    store_id: String,
    #[serde(with = "crate::model::json::count")]
    first: u64,
    head: ChangeSeq,
}

impl TryFrom<ReceiptForm> for Receipt {
    type Error = InputError;

    fn try_from(form: ReceiptForm) -> Result<Self, InputError> {
        let ReceiptForm { store_id, first, head } = form;
        let invalid = |reason: String| InputError::Invalid { what: "receipt", reason };
        let id = uuid::Uuid::try_parse(&store_id);
        let id = id.map_err(|error| invalid(format!("the store id {store_id:?} is no UUID: {error}")))?;
        if first == 0 {
            return Err(invalid("there is no change 0".into()));
        }
        Ok(Self { store_id: id.as_u128(), first, head })
    }
}

fn uuid_text<S: Serializer>(id: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&uuid::Uuid::from_u128(*id).hyphenated())
}
