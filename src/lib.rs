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
//! let claim = Expect::any().state("BidAccepted").revision(execution.revision);
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
//! The [guide] explains everything in order, with examples.

#![deny(missing_docs)]

mod bulk;
mod engine;
mod feed;
mod format;
mod group_commit;
mod history;
mod model;
mod read;
mod readable;
mod storage;
mod store;
mod txn;
mod verify;
mod write;

pub use bulk::{Bulk, BulkReport};
pub use feed::consumer::{Consumer, ConsumerBuilder, ConsumerState, ConsumerStats, OnFailure, Retry};
pub use feed::outputs::{NextPart, OutputFollower};
pub use feed::retention::MaintenanceReport;
pub use feed::visits::VisitTracker;
pub use feed::watch::{Changes, Next, WatchFrom, Watcher};
pub use group_commit::{GroupCommitOptions, Pending};
pub use history::{Durations, Group, Groups, Lineage, Log, Rows, Selection, TableSize, Trace, Tree};
pub use model::attachments::{Attachment, AttachmentKind, AttachmentUsage, NewAttachment};
pub use model::bookmark::{Bookmark, PositionError};
pub use model::change::{Change, ChangeKind};
pub use model::error::{
    BatchError, CommitError, Damage, Error, InputError, LifecycleError, OpenError, ReadError, StorageError,
    WatchError, WriteError,
};
pub use model::events::{Event, NewEvent};
pub use model::execution::{
    DEFAULT_NAMESPACE, DesiredState, Execution, Header, Labels, NewExecution, Update,
};
pub use model::expect::{AttachmentIs, Expect, Mismatch, TaskIs};
pub use model::filter::{Filter, Match};
pub use model::id::{ChangeSeq, EventSeq, ExecutionId, Incarnation, JobId, Revision, StoreIncarnation};
pub use model::identity::Identity;
pub use model::integrity::{ChainHead, LogProof, LogProofError};
pub use model::json::Json;
pub use model::lifecycle::{Lifecycle, LifecycleBuilder, Phase, State, States};
pub use model::limits;
pub use model::limits::LongTexts;
pub use model::loss::JournalLoss;
pub use model::outputs::{Output, OutputCap, OutputPart};
pub use model::payload_policy::LargeValues;
pub use model::query::{Access, Cursor, OrderBy, Page, Query, QueryPlan};
pub use model::report::{Late, Reported};
pub use model::retention::LogRetention;
pub use model::sampling::Sampling;
pub use model::tasks::{Progress, Task, TaskState, TaskUpdate};
pub use model::text::Text;
pub use model::time::{Clock, SystemClock, Timestamp};
pub use model::visits::Visits;
pub use read::List;
pub use read::side_data::{AttachmentReader, Attachments, Outputs, Tasks};
pub use readable::Readable;
pub use redb;
pub use storage::settings::MissingLinks;
pub use store::Store;
pub use store::builder::Builder;
pub use store::status::{CheckpointStatus, Health, Status};
pub use txn::{ReadTxn, WriteTxn};
pub use verify::{VerifyProblem, VerifyReport};
pub use write::{Appended, CreateOutcome, Receipt, Writer};

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
