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
//! let store = Store::in_memory()?; // or Store::create("node.redb")
//!
//! // An execution and its first event, in one durable transaction.
//! let execution = store.write(|w| {
//!     w.create(NewExecution::new("job-1").state("BidAccepted"), &[NewEvent::new("accepted")])
//! })?;
//!
//! // Claim it: only one of several workers gets past the condition.
//! let claim = Expect::any().state("BidAccepted").revision(execution.revision);
//! store.write(|w| w.update(&execution.id, &claim, Update::to("Running"), &[]))?;
//!
//! // What was running, should the node start again.
//! let reader = store.begin_read()?;
//! for execution in reader.live()? {
//!     let execution = execution?;
//!     println!("{} {}", execution.id, execution.state);
//! }
//! assert_eq!(reader.count("Running")?, 1);
//! assert_eq!(reader.head()?.get(), 2); // two changes in the log
//! # Ok::<(), execstore::Error>(())
//! ```
//!
//! Beside the records lie attachments, output streams that are followed while they grow, and the progress of nodes.
//!
//! What it is not: a queue with delivery, a server, a file system. One process has the
//! file open at a time, or several that only read, and one write transaction runs at a time.
//!
//! The [guide] goes through everything in order.

#![deny(missing_docs)]

mod attachment;
mod background;
mod batch;
mod beside;
mod bookmark;
mod builder;
mod bulk;
mod change;
mod codec;
mod commit;
mod consumer;
mod context;
mod doorbell;
mod error;
mod event;
mod execution;
mod expect;
mod file;
mod filter;
mod fingerprint;
mod follow;
mod grounds;
mod handle;
mod history;
mod id;
mod identity;
mod journal;
mod journaling;
mod json;
mod large;
mod lifecycle;
pub mod limits;
mod loss;
mod maintain;
mod open;
mod output;
mod pace;
mod packing;
mod page;
mod panics;
mod process;
mod progress;
mod query;
mod reader;
mod redo;
mod report;
mod retention;
mod sampling;
mod schema;
mod seal;
mod sequence;
mod shared;
mod status;
mod store;
mod sweep;
mod tables;
mod text;
mod threads;
mod time;
mod touch;
mod tracker;
mod turn;
mod txn;
mod verify;
mod visits;
mod waits;
mod watch;
mod writer;

pub use attachment::{Attachment, AttachmentKind, NewAttachment, Usage};
pub use batch::{GroupCommit, Pending};
pub use beside::AttachmentReader;
pub use bookmark::{Bookmark, PositionError};
pub use builder::Builder;
pub use bulk::{Bulk, BulkReport};
pub use change::{Change, ChangeKind};
pub use consumer::{Consumer, ConsumerBuilder, ConsumerState, ConsumerStats, OnFailure, Retry};
pub use context::MissingLinks;
pub use error::{
    BatchError, CommitError, Damage, Error, InputError, LifecycleError, OpenError, ReadError, StorageError,
    WatchError, WriteError,
};
pub use event::{Event, NewEvent};
pub use execution::{DEFAULT_NAMESPACE, Desired, Execution, Header, Labels, NewExecution, Update};
pub use expect::{AttachmentIs, Expect, Mismatch, NodeIs};
pub use filter::{Filter, Match};
pub use follow::{NextPart, OutputFollower};
pub use history::{Durations, LabelCount, Matches, NamespaceCount, TableSize, Trace, Tree};
pub use id::{ChangeSeq, EventSeq, ExecutionId, Incarnation, JobId, Revision, StoreIncarnation};
pub use identity::Identity;
pub use json::Json;
pub use large::LargeValues;
pub use lifecycle::{Lifecycle, LifecycleBuilder, Phase, State, StateSet};
pub use limits::LongTexts;
pub use loss::JournalLoss;
pub use maintain::Maintenance;
pub use output::{Output, OutputCap, OutputPart};
pub use page::{Cursor, Page};
pub use progress::{Node, NodeState, NodeUpdate, Progress};
pub use query::{Access, OrderBy, Plan, Query};
pub use reader::{List, Readable};
pub use redb;
pub use report::{Late, Reported};
pub use retention::LogRetention;
pub use sampling::Sampling;
pub use seal::{ChainHead, LogProof, LogProofError};
pub use status::{CheckpointStatus, Health, Status};
pub use store::Store;
pub use text::Text;
pub use time::{Clock, SystemClock, Timestamp};
pub use tracker::VisitTracker;
pub use txn::{ReadTxn, WriteTxn};
pub use verify::{Problem, Report};
pub use visits::Visits;
pub use watch::{Changes, Next, Start, Watcher};
pub use writer::{Appended, Created, Receipt, Writer};

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
