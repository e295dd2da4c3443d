//! An embedded, single-file store for executions, on [redb].
//!
//! A node (a compute node, a workflow engine, a job runner, an agent runtime) links it in and keeps there
//! what it is running and has run: executions, the sequenced events of each, indexes by job and by state,
//! a store-wide change log, and checkpoints. Everything that belongs together changes in one write
//! transaction, and a caller may pass in its own. Many threads share one durable commit; watchers and
//! consumers follow the change log, and survive restarts.
//!
//! ```
//! use execstore::{Expect, NewEvent, NewExecution, Readable, Store, Update};
//!
//! let store = Store::in_memory()?; // or Store::open_or_create("node.redb")
//!
//! // An execution and its first event, in one durable transaction.
//! let execution = store.write(|w| {
//!     w.create(NewExecution::new("job-1").state("BidAccepted").event(NewEvent::new("accepted")))
//! })?;
//!
//! // Claim it: only one of several workers gets past the condition.
//! let claim = Expect::any().state("BidAccepted").revision(execution.revision);
//! store.update(&execution.id, Update::to("Running").expect(claim))?;
//!
//! // What was running, should the node start again.
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
//! Beside the records lie attachments, output streams that are followed while they grow, and the progress of tasks.
//!
//! What it is not: a queue with delivery, a server, a file system. One process has the
//! file open at a time, or several that only read, and one write transaction runs at a time.
//!
//! The [guide] goes through everything in order.

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
