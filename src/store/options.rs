//! The settings that a store is opened with.

use std::sync::Arc;
use std::time::Duration;

use crate::group_commit::GroupCommitOptions;
use crate::model::lifecycle::Lifecycle;
use crate::model::limits::{DEFAULT_MAX_PAYLOAD, LongTexts};
use crate::model::loss::JournalLoss;
use crate::model::payload_policy::LargeValues;
use crate::model::retention::LogRetention;
use crate::model::time::{Clock, SystemClock};
use crate::storage::settings::MissingLinks;
use crate::write::REMOVAL;

/// The default size of the journal: with the head before it six MiB of each file. See docs/benchmarks.md.
const DEFAULT_JOURNAL_SIZE: u64 = 6144 * 1024 - 8192;

/// What is kept free on the disk by default.
const DEFAULT_RESERVE: u64 = 64 * 1024 * 1024;

/// What a [`Builder`](crate::Builder) collects; each is described at the method that sets it.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) cache_size: usize,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_payload: usize,
    pub(crate) journal: bool,
    pub(crate) journal_size: u64,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<(Option<u32>, Option<u32>)>,
    pub(crate) needs_lock: bool,
    pub(crate) accepted_loss: Option<JournalLoss>,
    pub(crate) reserve: u64,
    pub(crate) group_commit: GroupCommitOptions,
    pub(crate) retention: LogRetention,
    pub(crate) maintenance: Option<Duration>,
    pub(crate) write_limit: Duration,
    pub(crate) stop_limit: Duration,
    pub(crate) missing_links: MissingLinks,
    pub(crate) tamper_evident: bool,
    pub(crate) restored: bool,
    pub(crate) large_values: LargeValues,
    pub(crate) long_texts: LongTexts,
    pub(crate) removal: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_size: 128 * 1024 * 1024,
            lifecycle: None,
            clock: Arc::new(SystemClock),
            max_payload: DEFAULT_MAX_PAYLOAD,
            journal: true,
            journal_size: DEFAULT_JOURNAL_SIZE,
            mode: None,
            owner: None,
            needs_lock: true,
            accepted_loss: None,
            reserve: DEFAULT_RESERVE,
            group_commit: GroupCommitOptions::new(),
            retention: LogRetention::new(),
            maintenance: None,
            write_limit: Duration::from_secs(30),
            stop_limit: Duration::from_secs(5),
            missing_links: MissingLinks::Allow,
            tamper_evident: false,
            restored: false,
            large_values: LargeValues::Keep,
            long_texts: LongTexts::Cut,
            removal: REMOVAL,
        }
    }
}
