//! How a store is opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use crate::group_commit::GroupCommitOptions;
use crate::model::error::{InputError, OpenError};
use crate::model::lifecycle::Lifecycle;
use crate::model::limits::LongTexts;
use crate::model::loss::JournalLoss;
use crate::model::payload_policy::LargeValues;
use crate::model::retention::LogRetention;
use crate::model::time::Clock;
use crate::storage::settings::MissingLinks;
use crate::store::options::Options;
use crate::store::{Store, open};

/// Opens a store with other settings than the defaults; made by [`Store::builder`].
///
/// ```
/// # use execstore::Store;
/// # use execstore::lifecycle::Lifecycle;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("node.redb");
/// let store = Store::builder()
///     .set_lifecycle(Lifecycle::compute_node())
///     .set_cache_size(64 * 1024 * 1024)
///     .open_or_create(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Builder {
    options: Options,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("cache_size", &self.options.cache_size)
            .field("lifecycle", &self.options.lifecycle)
            .field("max_payload", &self.options.max_payload)
            .field("journal", &self.options.journal)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory for redb's page cache, in bytes; 128 MiB by default. Has no effect on an attached database.
    pub fn set_cache_size(&mut self, bytes: usize) -> &mut Self {
        self.options.cache_size = bytes;
        self
    }

    /// The states and transitions of the store. A new store without one gets [`Lifecycle::compute_node`].
    ///
    /// A store that is there must have been made with the same one, or with one that this one only adds
    /// states or transitions to; the additions are recorded. States that were added to the file since, by a later release of
    /// the caller's, may be missing here as long as no execution is in one of them: they stay recorded, and so do the
    /// transitions to and from them. Without this, a store is opened with the lifecycle that it has.
    pub fn set_lifecycle(&mut self, lifecycle: Lifecycle) -> &mut Self {
        self.options.lifecycle = Some(lifecycle);
        self
    }

    /// Where times come from; the system's clock by default.
    pub fn set_clock(&mut self, clock: impl Clock) -> &mut Self {
        self.options.clock = Arc::new(clock);
        self
    }

    /// The largest payload, in bytes; 16 MiB by default. Not recorded in the file: payloads that are there
    /// stay readable.
    pub fn set_max_payload(&mut self, bytes: usize) -> &mut Self {
        self.options.max_payload = bytes;
        self
    }

    /// Whether a store that is created has a journal, and one that has it commits through it; on by default.
    ///
    /// With the journal a single commit costs one sequential write instead of a dozen scattered ones, about half the time. It
    /// is a region of the store's own file, before the database; there is never a second file. A store that is created without
    /// is a redb file and nothing else, and stays without; one that has a journal and is opened with `false` is made whole, and
    /// leaves the region alone.
    pub fn set_journal(&mut self, journal: bool) -> &mut Self {
        self.options.journal = journal;
        self
    }

    /// How much of the file of a store that is created is its journal, in bytes: 64 KiB to 64 MiB, rounded up to 64 KiB; less or more counts as
    /// the nearest of these. A store that is there keeps what it has, and one that is created without a [journal](Self::set_journal), in memory or in
    /// a database of the caller's has none.
    ///
    /// Whenever half of it is full the database is brought up to date in the background, which takes some milliseconds; a larger
    /// journal makes that rarer, and opening after a crash longer: up to two milliseconds for each MiB. A transaction that writes more
    /// than half of it, or more than two MiB, is committed by redb itself. The default makes a file six MiB larger.
    pub fn set_journal_size(&mut self, bytes: u64) -> &mut Self {
        self.options.journal_size = bytes;
        self
    }

    /// The permission bits of a file that is created, whatever the process's mask is; else that mask says. Has no effect on a file that is there, or where there is no file.
    #[cfg(unix)]
    pub fn set_mode(&mut self, mode: u32) -> &mut Self {
        self.options.mode = Some(mode);
        self
    }

    /// The user and the group that a file that is created is given to; `None` leaves one as it is. Only root may give files away. Has no effect on a
    /// file that is there, or where there is no file.
    #[cfg(unix)]
    pub fn set_owner(&mut self, user: Option<u32>, group: Option<u32>) -> &mut Self {
        self.options.owner = Some((user, group));
        self
    }

    /// Whether a file is refused with [`OpenError::NoLocks`] where the file system has no locks; on by default. Without locks nothing
    /// notices a second process that opens the file, and the two destroy it: switch it off only where there can be no second one. Has no effect on a store in
    /// memory, on the caller's own storage or in a database that the caller opened.
    pub fn set_require_lock(&mut self, require: bool) -> &mut Self {
        self.options.needs_lock = require;
        self
    }

    /// How many bytes are to stay free on the disk; 64 MiB by default, 0 for no reserve. Without one a full disk is an error of the
    /// transaction alone as well, but what would make room may find none to work with; and where somebody else takes the last of the disk during
    /// a commit, the answer is [`CommitError::Unknown`](crate::error::CommitError::Unknown), and the store has to be opened again. Have more in reserve than
    /// others write to this disk within a few milliseconds.
    ///
    /// While less is free, what needs more room than before (creations, updates, appends, attachments) is refused with
    /// [`StorageError::OutOfSpace`](crate::error::StorageError::OutOfSpace) before anything is written; deletes, trims, checkpoints, closing and opening go on, and
    /// have the reserve to work with. The free space is looked at before each of these operations, at most every 10 ms. Stores on a caller's
    /// own storage and attached databases have no reserve.
    pub fn set_reserve(&mut self, bytes: u64) -> &mut Self {
        self.options.reserve = bytes;
        self
    }

    /// Opens a store whose journal is damaged, if this is what it has lost: see [`OpenError::JournalDamaged`].
    ///
    /// The store goes on with everything up to the damage, and as another [incarnation](crate::Readable::incarnation), so that
    /// positions that were given out beyond it are not taken for its own. Any other loss stays an error. Has no effect where nothing is lost. With
    /// [`open_read_only`](Self::open_read_only) the store is seen so, and the file stays as it is;
    /// [`open_at_checkpoint`](Self::open_at_checkpoint) does not look at the journal.
    pub fn accept_loss(&mut self, loss: JournalLoss) -> &mut Self {
        self.options.accepted_loss = Some(loss);
        self
    }

    /// What becomes of large values in payloads that are written: kept, refused, truncated or moved to attachments. Kept by
    /// default. Not recorded in the file. The largest payload is that after it.
    ///
    /// ```
    /// # use execstore::options::LargeValues;
    /// # use execstore::{Json, NewExecution, Readable, Store};
    /// let store = Store::builder().set_large_values(LargeValues::Attach(10_240)).in_memory()?;
    /// let payload = Json::from_serialize(&[("log", "x".repeat(20_000))].into_iter().collect::<std::collections::HashMap<_, _>>()).unwrap();
    /// let made = store.create(NewExecution::new("j").id("e").payload(payload))?;
    /// assert!(made.payload_json().as_str().starts_with(r#"{"log":{"$attachment":"execstore/payload/log","bytes":20002,"#));
    /// assert_eq!(store.begin_read()?.attachments("e").get("execstore/payload/log")?.unwrap().size, 20_002);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn set_large_values(&mut self, what: LargeValues) -> &mut Self {
        self.options.large_values = what;
        self
    }

    /// What becomes of texts for people that are longer than their limit: messages of executions and events, errors of tasks,
    /// previews. Cut by default, with a mark that says how much went. Not recorded in the file.
    ///
    /// ```
    /// # use execstore::options::LongTexts;
    /// # use execstore::{NewExecution, Store, Update};
    /// let store = Store::in_memory()?;
    /// store.create(NewExecution::new("j").id("e").state("Running"))?;
    /// let failed = store.update("e", Update::to("Failed").message("trace ".repeat(20_000)))?;
    /// assert!(failed.message.as_deref().unwrap().ends_with(" bytes cut]"));
    ///
    /// let strict = Store::builder().set_long_texts(LongTexts::Refuse).in_memory()?;
    /// assert!(strict.create(NewExecution::new("j").preview("p".repeat(257))).is_err());
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn set_long_texts(&mut self, what: LongTexts) -> &mut Self {
        self.options.long_texts = what;
        self
    }

    /// How the group commit gathers; see [`GroupCommitOptions`] for the defaults.
    pub fn set_group_commit(&mut self, settings: GroupCommitOptions) -> &mut Self {
        self.options.group_commit = settings;
        self
    }

    /// How much of the change log [`Store::maintain`] keeps; everything by default.
    pub fn set_log_retention(&mut self, keep: LogRetention) -> &mut Self {
        self.options.retention = keep;
        self
    }

    /// Has a thread of the store call [`Store::maintain`] when it is opened and then this often; off by
    /// default. To do so without a rest is refused when the store is opened, with [`OpenError::Input`]. A store that is opened
    /// read-only has nothing to maintain, and no such thread. Without a [retention](Self::set_log_retention) it trims nothing.
    pub fn set_maintenance(&mut self, every: impl Into<Option<Duration>>) -> &mut Self {
        self.options.maintenance = every.into();
        self
    }

    /// How many rows of what was deleted one transaction removes at most; 1,024 by default, which takes a few milliseconds. Each 4 KiB
    /// of a row count as one more. A deletion or a trimming that has more leaves the rest to steps of this size, which follow in the
    /// background: see [`Store::maintain`]. Such a step also ends after 3 ms, however little it has removed. At least 1.
    pub fn set_removal_step(&mut self, rows: u64) -> &mut Self {
        self.options.removal = rows.max(1);
        self
    }

    /// How long one write transaction may hold up the others, 30 seconds by default. Whoever waits for it longer is refused with
    /// [`BeginError::WriterHeld`](crate::error::BeginError::WriterHeld), which says what it is; the transaction itself goes on.
    ///
    /// A wait of a thread for itself is refused at once, with [`Reentrant`](crate::error::Reentrant); so is the
    /// last of several threads that would wait for each other, in the closures of several stores for instance. This is for what
    /// the store cannot see, such as a closure that waits for another thread by other means. `Duration::MAX` waits for ever.
    pub fn set_write_limit(&mut self, longest: Duration) -> &mut Self {
        self.options.write_limit = longest;
        self
    }

    /// How long a stop waits while nothing gets on, 5 seconds by default: that of a consumer, [`Store::close`], and the
    /// dropping of the last handle. What runs still is left to itself then; [`Store::close`] says what it is.
    pub fn set_stop_limit(&mut self, longest: Duration) -> &mut Self {
        self.options.stop_limit = longest;
        self
    }

    /// Whether a write may name a parent or a previous attempt that is not in the store; by default it may.
    pub fn set_missing_links(&mut self, what: MissingLinks) -> &mut Self {
        self.options.missing_links = what;
        self
    }

    /// Whether a store that is created is tamper-evident; a store that is there stays what it is. Off by default.
    ///
    /// Each entry of its change log then carries the hash of the one before it, and the store keeps a sum of the hashes of all rows:
    /// [`Store::verify`] finds whatever was altered, reordered or removed, checksums put right or not, and
    /// [`LogProof::check`](crate::integrity::LogProof::check) does so for an [exported](crate::log::Log::export) log. Somebody who
    /// makes the sums and hashes anew as well is found by comparing the [`fingerprint`](crate::log::Log::fingerprint) with one that
    /// was noted elsewhere, and for the log alone its [`chain_head`](crate::log::Log::chain_head). The sum is one of SHA-256s
    /// modulo 2^256: it is no defence against somebody who can choose what is written and has the means to search for
    /// collisions of such sums. Costs a few microseconds for each operation. A store that is none is not opened with this.
    pub fn set_tamper_evident(&mut self, yes: bool) -> &mut Self {
        self.options.tamper_evident = yes;
        self
    }

    /// Says that the file which is opened next is an older copy that was put back: it becomes another
    /// [incarnation](crate::Readable::incarnation) of the store, once each time it is opened with this.
    ///
    /// An older copy gives numbers again that were given before, in the change log and to executions. Whoever kept one
    /// outside, a [`Bookmark`](crate::log::Bookmark) or a [`Cursor`](crate::query::Cursor), is then told that it is of another incarnation; without the declaration only a
    /// position beyond the head can be noticed. What is in the file, its checkpoints among it, is as old as the copy and goes on.
    /// What was sent elsewhere as bare numbers cannot be told apart by anybody. Has no effect on a store that is created; a file that is opened
    /// read-only stays as it is, and is another incarnation as long as it is open.
    pub fn declare_restored(&mut self) -> &mut Self {
        self.options.restored = true;
        self
    }

    /// Settings that cannot be.
    fn check(&self) -> Result<(), OpenError> {
        if self.options.maintenance.is_some_and(|every| every.is_zero()) {
            let reason = "to maintain without a rest would never end; `None` switches it off".into();
            return Err(InputError::Invalid { what: "interval of the maintenance", reason }.into());
        }
        Ok(())
    }

    /// Creates a store in a new file; refuses a path that exists. See [`Store::create_new`].
    pub fn create_new(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.check()?;
        open::create(&self.options, path.as_ref())
    }

    /// Opens the store in a file. See [`Store::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.check()?;
        open::open(&self.options, path.as_ref())
    }

    /// Opens the store in a file, or creates one if there is no such file, or in one that is empty. See
    /// [`Store::open_or_create`].
    pub fn open_or_create(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.check()?;
        open::open_or_create(&self.options, path.as_ref())
    }

    /// Opens the store in a file to read it, beside others who read it. Writes are refused with
    /// [`StorageError::ReadOnly`](crate::error::StorageError::ReadOnly).
    ///
    /// Nothing is written to the file or beside it, so the file, its folder and its file system may be read-only. After a crash too: what
    /// would be repaired and what only the journal holds is kept in memory, as much as the journal has at most. While such a store is
    /// open nobody can open the file to write, and the other way about.
    ///
    /// A file that cannot be opened to write because redb's own tables are damaged ([`OpenError::Damaged`]) can be read all the same where redb needs
    /// none of the damaged pages for that, and if it was closed; of one that was not, [`open_at_checkpoint`](Self::open_at_checkpoint) reads what its last checkpoint left.
    pub fn open_read_only(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.check()?;
        open::open_read_only(&self.options, path.as_ref(), true)
    }

    /// The same without what only the journal holds: the store as its last checkpoint left it. For a look at a store whose
    /// [journal is damaged](OpenError::JournalDamaged).
    pub fn open_at_checkpoint(&self, path: impl AsRef<Path>) -> Result<Store, OpenError> {
        self.check()?;
        open::open_read_only(&self.options, path.as_ref(), false)
    }

    /// Makes the file of a store that nobody has open as small as it can be; `false` if there was nothing to gain.
    ///
    /// Writes the store's tables anew whose pages are half empty, then moves the pages to the front of the file, a durable commit at a time: a
    /// crash leaves a good store. Needs no room beside the file; a table for which there is none in it, nor on the disk, is only moved. Takes about a dozen
    /// reads of what is left in the file, and a write or two.
    pub fn compact(&self, path: impl AsRef<Path>) -> Result<bool, OpenError> {
        self.check()?;
        open::compact(&self.options, path.as_ref())
    }

    /// A store that lives as long as its handles.
    pub fn in_memory(&self) -> Result<Store, OpenError> {
        self.create_with_backend(InMemoryBackend::new())
    }

    /// A store on the caller's own storage, made there if the storage is empty. Commits go through redb.
    pub fn create_with_backend(&self, backend: impl StorageBackend) -> Result<Store, OpenError> {
        self.check()?;
        open::on_backend(&self.options, backend)
    }

    /// A store on the caller's own storage, laid out as in a file, with a journal unless
    /// [`set_journal`](Self::set_journal) says otherwise; made there if the storage is empty.
    pub fn create_file_with_backend(&self, backend: impl StorageBackend) -> Result<Store, OpenError> {
        self.check()?;
        open::on_backend_as_file(&self.options, backend)
    }

    /// A store in a database that the caller opened, made there if there is none. See [`Store::attach`].
    pub fn attach(&self, db: Arc<Database>) -> Result<Store, OpenError> {
        self.check()?;
        open::attach(&self.options, db)
    }
}
