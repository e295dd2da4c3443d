//! An embedded, single-file store for executions, on [redb].
//!
//! A compute node, a workflow engine, a job runner or an agent runtime links it in to record what it is
//! running and what it has run: executions, the events of each, a change log over the whole store, and
//! checkpoints. Everything that belongs together changes in one write transaction, the store's own or one
//! that you pass in. Many threads share one durable commit. Watchers and consumers follow the change log and
//! resume after a restart. The history can be queried by state, job, label, link and time.
//!
//! ```
//! use execstore::{Expect, NewEvent, NewExecution, Readable, Store, Update};
//!
//! let store = Store::in_memory()?; // or Store::open_or_create("node.redb")
//!
//! // An execution and its first event, in one durable transaction.
//! let new = NewExecution::new("job-1").state("BidAccepted").event(NewEvent::new("accepted"));
//! let execution = store.create(new)?;
//!
//! // Claim it: only one of several workers gets past the condition.
//! let claim = Expect::new().state("BidAccepted").revision(execution.revision);
//! store.update(&execution.id, Update::to("Running").expect(claim))?;
//!
//! // What was running, for when the node starts again.
//! let reader = store.begin_read()?;
//! for execution in reader.live()? {
//!     let execution = execution?;
//!     println!("{} {}", execution.id, execution.state);
//! }
//! assert_eq!(reader.count("Running")?, 1);
//! assert_eq!(reader.log().head()?.get(), 2); // two changes in the log
//! # Ok::<(), execstore::Error>(())
//! ```
//!
//! Outside its record an execution can have attachments, output streams that are followed while they grow, and
//! tasks with their progress.
//!
//! It is not a queue with delivery, a server or a file system. One process opens the file for writing, or
//! several open it read-only, and there is one write transaction at a time.
//!
//! # The API on one screen
//!
//! ```text
//! Store::open_or_create, create_new, open, in_memory, attach; Store::builder ──> Builder
//!   ├─ one operation, one durable transaction     create  update  report  append_events  delete  put_task ...
//!   ├─ several in one transaction                 write(|w| ..); batch(|w| ..) and submit(|w| ..) share a commit
//!   ├─ one record; one state of everything        get(id); read(|r| ..)
//!   ├─ begin_read ───> ReadTxn ────────────────┐
//!   ├─ begin_write ──> WriteTxn ── writer ──> Writer ──> Readable
//!   │     get  events  live  by_job  count  counts
//!   │     query(&Query) ───> query::Selection     rows  page  summaries  latest  count  explain  export
//!   │     log() ───────────> log::Log             range  head  bookmark  execution_before  checkpoint
//!   │     lineage(id) ─────> lineage::Lineage     trace  tree  attempts  children
//!   │     attachments(id), outputs(id), tasks(id) list  get  bytes  read  progress
//!   │     jobs(), namespaces(), label_values(key) what there is of them, each with its counts by state
//!   ├─ watch(from, Filter) ──> watch::Watcher     follows the change log
//!   ├─ consumer(name) ───────> consumer::Consumer the same with a handler, a thread and a saved position
//!   ├─ follow_output(..) ────> outputs::OutputFollower
//!   ├─ bulk(Query) ──────────> bulk::Bulk         updates or deletes whatever a query finds
//!   └─ status  health  verify  maintain  close
//! ```
//!
//! What goes in is built: [`NewExecution`], [`Update`], [`NewEvent`], [`Expect`], [`Query`] and [`Filter`] start with
//! `new` and take one method for each part. What comes out are values with public fields: [`Execution`] and its [`Header`],
//! [`Event`], [`Change`], [`Page`]. Each call has the [error] type of its kind, and [`Error`] takes them all with `?`.
//! Ids, names and other texts are given as anything that is `AsRef<str>`.
//!
//! The root has what a first program needs; each other subject has a module below.
//!
//! The [guide] explains everything in order, with examples.

#![deny(missing_docs)]

pub mod bulk;
#[cfg(feature = "duroxide")]
pub mod duroxide;
#[deny(clippy::disallowed_methods)]
mod engine;
mod feed;
#[deny(clippy::disallowed_methods)]
mod format;
#[deny(clippy::disallowed_methods)]
pub mod group_commit;
mod history;
mod model;
mod read;
mod readable;
#[deny(clippy::disallowed_methods)]
mod storage;
mod store;
#[deny(clippy::disallowed_methods)]
mod txn;
#[deny(clippy::disallowed_methods)]
mod verify;
#[deny(clippy::disallowed_methods)]
mod write;

pub use model::change::{Change, ChangeKind};
pub use model::error::Error;
pub use model::events::{Event, NewEvent};
pub use model::execution::{
    DEFAULT_NAMESPACE, DesiredState, Execution, Header, Labels, NewExecution, Update,
};
pub use model::expect::Expect;
pub use model::filter::Filter;
pub use model::id::{ChangeSeq, EventSeq, ExecutionId, Incarnation, JobId, Revision, StoreIncarnation};
pub use model::json::Json;
pub use model::limits;
pub use model::query::{OrderBy, Page, Query};
pub use model::report::{Late, Reported};
pub use model::text::Text;
pub use model::time::Timestamp;
pub use read::List;
pub use readable::Readable;
pub use redb;
pub use store::Store;
pub use store::builder::Builder;
pub use txn::{ReadTxn, WriteTxn};
pub use write::{CreateOutcome, Receipt, Writer};

#[doc = include_str!("../docs/errors.md")]
pub mod error {
    pub use crate::model::error::{
        BatchError, BeginError, Cause, CommitError, Damage, DamagedPage, InputError, LifecycleError,
        OpenError, PositionError, ReadError, Reentrant, Remedy, StorageError, WatchError, WriteError,
        WriterError,
    };
    pub use crate::model::expect::Mismatch;
    pub use crate::model::integrity::{LogLineFault, LogProofError};
}

/// The states of a store and the transitions between them.
pub mod lifecycle {
    pub use crate::model::lifecycle::{Lifecycle, LifecycleBuilder, Phase, State, States};
}

/// What a [`Builder`] can be given.
pub mod options {
    pub use crate::group_commit::GroupCommitOptions;
    pub use crate::model::limits::LongTexts;
    pub use crate::model::payload_policy::LargeValues;
    pub use crate::model::retention::LogRetention;
    pub use crate::model::time::{Clock, SystemClock};
    pub use crate::storage::settings::MissingLinks;
}

/// How a store is doing, and what its maintenance did.
pub mod status {
    pub use crate::feed::retention::MaintenanceReport;
    pub use crate::history::TableSize;
    pub use crate::model::loss::JournalLoss;
    pub use crate::store::status::{CheckpointStatus, Health, Status};
}

/// What a [`Query`] finds: rows, pages, counts, groups and plans.
pub mod query {
    pub use crate::history::{Durations, Group, Groups, Rows, Selection};
    pub use crate::model::filter::Match;
    pub use crate::model::query::{Access, Cursor, QueryPlan};
}

/// What belongs to an execution, and its earlier and later attempts.
pub mod lineage {
    pub use crate::history::{Lineage, Trace, Tree};
}

/// Reading the change log, and positions in it that are kept outside the store.
pub mod log {
    pub use crate::history::Log;
    pub use crate::model::bookmark::Bookmark;
}

/// Following the change log from a position.
pub mod watch {
    pub use crate::feed::watch::{Changes, Recv, WatchFrom, Watcher};
}

/// Watchers with a handler, a thread and a saved position.
pub mod consumer {
    pub use crate::feed::consumer::{
        Consumer, ConsumerBuilder, ConsumerState, ConsumerStats, HandlerError, OnFailure, Retry,
    };
}

/// Named values stored with an execution but outside its record: bytes, JSON or a URI.
pub mod attachments {
    pub use crate::model::attachments::{Attachment, AttachmentKind, AttachmentUsage, NewAttachment};
    pub use crate::model::expect::AttachmentIs;
    pub use crate::read::side_data::{AttachmentReader, Attachments};
}

/// The caller's own rows, in the transactions that write executions: byte keys in order, in buckets by name.
///
/// See [the guide](crate::guide#buckets-of-your-own).
pub mod buckets {
    pub use crate::feed::buckets::{BucketWatcher, RecvChanged};
    pub use crate::model::bucket_keys::{BucketKey, KeyError, ParseKey, key, parse_key};
    pub use crate::model::buckets::BucketRow;
    pub use crate::model::change::RowChange;
    pub use crate::read::buckets::Bucket;
    pub use crate::write::BucketMut;
}

/// Append-only streams of bytes that belong to an execution and can be followed while they grow.
pub mod outputs {
    pub use crate::feed::outputs::{OutputFollower, RecvPart};
    pub use crate::model::outputs::{Output, OutputCap, OutputPart};
    pub use crate::read::side_data::Outputs;
    pub use crate::write::Appended;
}

/// Steps within an execution, with their progress.
pub mod tasks {
    pub use crate::model::expect::TaskIs;
    pub use crate::model::tasks::{Progress, Task, TaskState, TaskUpdate};
    pub use crate::read::side_data::Tasks;
}

/// Counted looks at an execution.
pub mod visits {
    pub use crate::feed::visits::VisitTracker;
    pub use crate::model::visits::Visits;
}

/// Ids computed from what an execution runs.
pub mod identity {
    pub use crate::model::identity::Identity;
}

/// Which executions are worth keeping, decided by their ids.
pub mod sampling {
    pub use crate::model::sampling::Sampling;
}

/// Comparing everything in a store, and proofs of what its change log contains.
pub mod integrity {
    pub use crate::model::integrity::{ChainHead, LogProof};
    pub use crate::verify::{VerifyProblem, VerifyReport};
}

#[doc = include_str!("../docs/guide.md")]
pub mod guide {
    #[doc = include_str!("../docs/mapping/bacalhau.md")]
    pub mod bacalhau {}
    #[doc = include_str!("../docs/mapping/constellation.md")]
    pub mod constellation {}
    #[doc = include_str!("../docs/mapping/texera.md")]
    pub mod texera {}
    #[doc = include_str!("../docs/mapping/mesg.md")]
    pub mod mesg {}
    #[doc = include_str!("../docs/mapping/beam_playground.md")]
    pub mod beam_playground {}
}
