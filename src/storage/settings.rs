//! What every operation of one store needs to know. Values only.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::error::StorageError;
use crate::model::id::{IdMaker, StoreIncarnation};
use crate::model::lifecycle::Lifecycle;
use crate::model::limits::LongTexts;
use crate::model::payload_policy::LargeValues;
use crate::model::time::Clock;

pub struct Settings {
    pub(crate) store_id: u128,
    pub(crate) incarnation: StoreIncarnation,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) max_payload: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) missing_links: MissingLinks,
    pub(crate) large_values: LargeValues,
    pub(crate) long_texts: LongTexts,
    /// How much of what was deleted one transaction removes.
    pub(crate) removal: u64,
    pub(crate) ids: IdMaker,
    /// `None` where the storage grows as it likes.
    pub(crate) space: Option<Arc<dyn Space>>,
}

/// Room on the disk.
pub trait Space: Send + Sync {
    /// Whether a transaction that has written so many bytes may write more: what makes room is not asked.
    fn for_more(&self, written: u64) -> Result<(), StorageError>;

    /// Whether what was written so far has its place.
    fn to_commit(&self) -> Result<(), StorageError>;

    /// The same, and whether there is room for what redb has not written yet, about so many bytes.
    fn to_flush(&self, bytes: u64) -> Result<(), StorageError>;

    /// The same of many transactions, that the journal made durable, and of one that has about so many bytes.
    fn to_checkpoint(&self, bytes: u64) -> Result<(), StorageError>;

    /// redb was given an error of the storage, and does nothing more.
    fn has_failed(&self) -> bool;

    /// Nobody can be asked how much room there is.
    fn is_unknown(&self) -> bool;

    /// How long the storage is, if it is laid out as a file.
    fn file_len(&self) -> Option<u64>;
}

/// What to do about a parent or a previous attempt that is not in the store; see
/// [`Builder::set_missing_links`](crate::Builder::set_missing_links).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingLinks {
    /// Keep the link: the execution may be in another store, may still come, or have been deleted. The default.
    #[default]
    Allow,
    /// Refuse the write with [`WriteError::MissingLink`](crate::error::WriteError::MissingLink). An execution that others
    /// have links to can still be deleted.
    Refuse,
}
