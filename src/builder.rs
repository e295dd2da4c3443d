//! How a store is opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use crate::batch::GroupCommit;
use crate::context::MissingLinks;
use crate::error::OpenError;
use crate::large::LargeValues;
use crate::lifecycle::Lifecycle;
use crate::limits::{DEFAULT_MAX_PAYLOAD, LongTexts};
use crate::open;
use crate::retention::LogRetention;
use crate::store::Store;
use crate::time::{Clock, SystemClock};
use crate::writer::REMOVAL;

/// Opens a store with other settings than the defaults; made by [`Store::builder`].
///
/// ```
/// # use execstore::{Lifecycle, Store};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("node.redb");
/// let store = Store::builder()
///     .set_lifecycle(Lifecycle::compute_node())
///     .set_cache_size(64 * 1024 * 1024)
///     .open_or_create(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Builder {
    pub(crate) cache_size: usize,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_payload: usize,
    pub(crate) journal: bool,
    pub(crate) group_commit: GroupCommit,
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

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("cache_size", &self.cache_size)
            .field("lifecycle", &self.lifecycle)
            .field("max_payload", &self.max_payload)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            cache_size: 128 * 1024 * 1024,
            lifecycle: None,
            clock: Arc::new(SystemClock),
            max_payload: DEFAULT_MAX_PAYLOAD,
            journal: true,
            group_commit: GroupCommit::new(),
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

    /// Memory for redb's page cache, in bytes; 128 MiB by default. Has no effect on an attached database.
    pub fn set_cache_size(&mut self, bytes: usize) -> &mut Self {
        self.cache_size = bytes;
        self
    }

    /// The states and transitions of the store. A new store without one gets [`Lifecycle::compute_node`].
    ///
    /// A store that is there must have been made with the same one, or with one that this one only adds
    /// states or transitions to; the additions are recorded. States that were added to the file since, by a later release of
    /// the caller's, may be missing here as long as no execution is in one of them: they stay recorded, and so do the
    /// transitions to and from them. Without this, a store is opened with the lifecycle that it has.
    pub fn set_lifecycle(&mut self, lifecycle: Lifecycle) -> &mut Self {
        self.lifecycle = Some(lifecycle);
        self
    }

    /// Where times come from; the system's clock by default.
    pub fn set_clock(&mut self, clock: impl Clock) -> &mut Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The largest payload, in bytes; 16 MiB by default. Not recorded in the file: payloads that are there
    /// stay readable.
    pub fn set_max_payload(&mut self, bytes: usize) -> &mut Self {
        self.max_payload = bytes;
        self
    }

    /// Whether a store that is opened by path commits through a journal beside its file, `<path>-journal`;
    /// on by default.
    ///
    /// With the journal a single commit costs one sequential write instead of a dozen scattered ones, about
    /// half the time. The journal belongs to the file for as long as the store is open, and after a crash
    /// until it is opened again; a clean close removes it. Without it there is never a second file.
    pub fn set_journal(&mut self, journal: bool) -> &mut Self {
        self.journal = journal;
        self
    }

    /// What becomes of large values in payloads that are written: kept, refused, truncated or moved to attachments. Kept by
    /// default. Not recorded in the file. The largest payload is that after it.
    ///
    /// ```
    /// # use execstore::{Json, LargeValues, NewExecution, Readable, Store};
    /// let store = Store::builder().set_large_values(LargeValues::Attach(10_240)).in_memory()?;
    /// let payload = Json::from_serialize(&[("log", "x".repeat(20_000))].into_iter().collect::<std::collections::HashMap<_, _>>()).unwrap();
    /// let made = store.write(|w| w.create(NewExecution::new("j").id("e").payload(payload), &[]))?;
    /// assert!(made.payload_json().as_str().starts_with(r#"{"log":{"$attachment":"execstore/payload/log","bytes":20002,"#));
    /// assert_eq!(store.begin_read()?.attachment("e", "execstore/payload/log")?.unwrap().size, 20_002);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn set_large_values(&mut self, what: LargeValues) -> &mut Self {
        self.large_values = what;
        self
    }

    /// What becomes of texts for people that are longer than their limit: messages of executions and events, errors of nodes,
    /// previews. Cut by default, with a mark that says how much went. Not recorded in the file.
    ///
    /// ```
    /// # use execstore::{Expect, LongTexts, NewExecution, Store, Update};
    /// let store = Store::in_memory()?;
    /// store.create_execution(NewExecution::new("j").id("e").state("Running"), &[])?;
    /// let failed = store.update("e", &Expect::any(), Update::to("Failed").message("trace ".repeat(20_000)), &[])?;
    /// assert!(failed.message.as_deref().unwrap().ends_with(" bytes cut]"));
    ///
    /// let strict = Store::builder().set_long_texts(LongTexts::Refuse).in_memory()?;
    /// assert!(strict.create_execution(NewExecution::new("j").preview("p".repeat(257)), &[]).is_err());
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn set_long_texts(&mut self, what: LongTexts) -> &mut Self {
        self.long_texts = what;
        self
    }

    /// How the group commit gathers; see [`GroupCommit`] for the defaults.
    pub fn set_group_commit(&mut self, settings: GroupCommit) -> &mut Self {
        self.group_commit = settings;
        self
    }

    /// How much of the change log [`Store::maintain`] keeps; everything by default.
    pub fn set_log_retention(&mut self, keep: LogRetention) -> &mut Self {
        self.retention = keep;
        self
    }

    /// Has a thread of the store call [`Store::maintain`] when it is opened and then this often; off by
    /// default.
    pub fn set_maintenance(&mut self, every: impl Into<Option<Duration>>) -> &mut Self {
        self.maintenance = every.into();
        self
    }

    /// How many rows of what was deleted one transaction removes at most; 1,024 by default, which takes a few milliseconds. Each 4 KiB
    /// of a row count as one more. A deletion or a trimming that has more leaves the rest to steps of this size, which follow in the
    /// background: see [`Store::maintain`]. At least 1.
    pub fn set_removal_step(&mut self, rows: u64) -> &mut Self {
        self.removal = rows.max(1);
        self
    }

    /// How long one write transaction may hold up the others, 30 seconds by default. Whoever waits for it longer is refused with
    /// [`BatchError::WriterHeld`](crate::BatchError::WriterHeld), which says what it is; the transaction itself goes on.
    ///
    /// A wait of a thread for itself is refused at once, with [`BatchError::Reentrant`](crate::BatchError::Reentrant); so is the
    /// last of several threads that would wait for each other, in the closures of several stores for instance. This is for what
    /// the store cannot see, such as a closure that waits for another thread by other means. `Duration::MAX` waits for ever.
    pub fn set_write_limit(&mut self, longest: Duration) -> &mut Self {
        self.write_limit = longest;
        self
    }

    /// How long a stop waits while nothing gets on, 5 seconds by default: that of a consumer, [`Store::close`], and the
    /// dropping of the last handle. What runs still is left to itself then; [`Store::close`] says what it is.
    pub fn set_stop_limit(&mut self, longest: Duration) -> &mut Self {
        self.stop_limit = longest;
        self
    }

    /// Whether a write may name a parent or a previous attempt that is not in the store; by default it may.
    pub fn set_missing_links(&mut self, what: MissingLinks) -> &mut Self {
        self.missing_links = what;
        self
    }

    /// Whether a store that is created is tamper-evident; a store that is there stays what it is. Off by default.
    ///
    /// Each entry of its change log then carries the hash of the one before it, and the store keeps a sum of the hashes of all rows:
    /// [`Store::verify`] finds whatever was altered, reordered or removed, checksums put right or not, and
    /// [`LogProof::check`](crate::LogProof::check) does so for an [exported](crate::Readable::export_changes) log. Somebody who
    /// makes the sums and hashes anew as well is found by comparing the [`fingerprint`](crate::Readable::fingerprint) with one that
    /// was noted elsewhere, and for the log alone its [`chain_head`](crate::Readable::chain_head). The sum is one of SHA-256s
    /// modulo 2^256: it is no defence against somebody who can choose what is written and has the means to search for
    /// collisions of such sums. Costs a few microseconds for each operation. A store that is none is not opened with this.
    pub fn set_tamper_evident(&mut self, yes: bool) -> &mut Self {
        self.tamper_evident = yes;
        self
    }

    /// Says that the file which is opened next is an older copy that was put back: it becomes another
    /// [incarnation](crate::Readable::incarnation) of the store, once each time it is opened with this.
    ///
    /// An older copy gives numbers again that were given before, in the change log and to executions. Whoever kept one
    /// outside, a [`Bookmark`](crate::Bookmark) or a [`Cursor`](crate::Cursor), is then told that it is of another incarnation; without the declaration only a
    /// position beyond the head can be noticed. What is in the file, its checkpoints among it, is as old as the copy and goes on.
    /// What was sent elsewhere as bare numbers cannot be told apart by anybody.
    pub fn declare_restored(&mut self) -> &mut Self {
        self.restored = true;
        self
    }

    /// Creates a store in a new file; refuses a path that exists. See [`Store::create`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        open::create(self, path.as_ref())
    }

    /// Opens the store in a file. See [`Store::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        open::open(self, path.as_ref())
    }

    /// Opens the store in a file, or creates one if there is no such file.
    pub fn open_or_create(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        let path = path.as_ref();
        match self.open(path) {
            Err(OpenError::NotFound { .. }) => match self.create(path) {
                // Somebody else was faster.
                Err(OpenError::AlreadyExists { .. }) => self.open(path),
                created => created,
            },
            opened => opened,
        }
    }

    /// A store that lives as long as its handles.
    pub fn in_memory(&self) -> Result<Store, OpenError> {
        self.create_with_backend(InMemoryBackend::new())
    }

    /// A store on the caller's own storage, made there if the storage is empty. Commits go through redb.
    pub fn create_with_backend(&self, backend: impl StorageBackend) -> Result<Store, OpenError> {
        open::on_backend(self, backend, None)
    }

    /// The same, with a journal on a second storage. The two belong together until the store is closed.
    pub fn create_with_backend_and_journal(
        &self,
        backend: impl StorageBackend,
        journal: impl StorageBackend,
    ) -> Result<Store, OpenError> {
        open::on_backend(self, backend, Some(Box::new(journal)))
    }

    /// A store in a database that the caller opened, made there if there is none. See [`Store::attach`].
    pub fn attach(&self, db: Arc<Database>) -> Result<Store, OpenError> {
        open::attach(self, db)
    }
}
