//! The store: a handle that threads share.

pub(crate) mod builder;
mod group;
mod history;
pub(crate) mod open;
mod operations;
pub(crate) mod options;
mod side_data;
pub(crate) mod status;
pub(crate) mod threads;
mod watching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::{Database, WriteTransaction};

use crate::engine::core::Engine;
use crate::engine::doorbell::End;
use crate::model::error::{
    BeginError, Error, OpenError, ReadError, Reentrant, StorageError, WatchError, WriterError,
};
use crate::model::id::ChangeSeq;
use crate::model::lifecycle::Lifecycle;
use crate::model::touch::EVERYTHING;
use crate::read::View;
use crate::readable::Readable;
use crate::storage::{Live, Tables, catch_panics, has_store, roll_back};
use crate::store::builder::Builder;
use crate::store::options::Options;
use crate::store::status::{Health, Status, status};
use crate::store::threads::Threads;
use crate::txn::{ReadTxn, WriteTxn};
use crate::verify::{VerifyReport, verify};
use crate::write::{Receipt, Writer, in_use};

/// An execution store. Handles are cheap to clone and can be shared between threads.
///
/// The file is closed when the last handle is dropped, with the last transaction, watcher and consumer. `std::process::exit` drops
/// nothing: the next open then has to do what a close would have done, and nothing is lost.
///
/// While a thread holds a [`WriteTxn`], or runs a closure that writes, every call on it that would have to wait for the end of that
/// is refused with [`WatchError::Reentrant`].
#[derive(Clone)]
pub struct Store {
    // Before `shared`: the threads end before the file is closed.
    threads: Arc<Threads>,
    engine: Arc<Engine>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn from_shared(engine: Engine, options: &Options) -> Self {
        let engine = Arc::new(engine);
        let maintenance = options.maintenance.filter(|_| !engine.grounds.is_read_only());
        let threads = Threads::new(engine.clone(), options.group_commit, maintenance, options.stop_limit);
        Self { threads: Arc::new(threads), engine }
    }

    /// Creates a store in a new file, with the default lifecycle. The file must not exist: see also
    /// [`open_or_create`](Self::open_or_create).
    ///
    /// Atomic: a crash at any point leaves no file of that name, or a good one.
    pub fn create_new(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().create_new(path)
    }

    /// Opens the store in a file, with the lifecycle that is recorded there. The file must exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(path)
    }

    /// Opens the store in a file, or creates one if there is no such file, or in one that is empty.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("node.redb");
    /// Store::open_or_create(&path)?.create(NewExecution::new("job-1").id("e"))?;
    /// assert!(Store::open_or_create(&path)?.begin_read()?.get("e")?.is_some());
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open_or_create(path)
    }

    /// A store that lives as long as its handles.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::builder().in_memory()
    }

    /// A store in a database that the caller opened, beside the caller's own tables. Makes one there if
    /// there is none.
    pub fn attach(db: Arc<Database>) -> Result<Self, OpenError> {
        Self::builder().attach(db)
    }

    /// Sets what the ways above leave to their defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Begins a read transaction. It sees everything that was acknowledged before.
    ///
    /// It waits for no writer and for no disk, but for a commit of redb's that is under way. Where rows go to redb at once, in a
    /// tamper-evident store and after a transaction of more than 1 MiB, it may also wait until the closure that writes at the moment has
    /// returned and is durable; if that takes longer than [the write limit](Builder::set_write_limit), it is
    /// [`StorageError::Busy`](crate::error::StorageError::Busy). It never waits for a [`WriteTxn`] that is held.
    ///
    /// Within a closure that writes to this store it is refused with [`StorageError::ReadWithin`](crate::error::StorageError::ReadWithin):
    /// what was committed before may not be visible without what the closure writes. Read through its writer.
    pub fn begin_read(&self) -> Result<ReadTxn, StorageError> {
        ReadTxn::new(self.engine.clone())
    }

    /// Begins a write transaction. Waits until the one before it has ended.
    pub fn begin_write(&self) -> Result<WriteTxn, BeginError> {
        WriteTxn::held(self.engine.clone(), "a WriteTxn")
    }

    /// Reads in one transaction.
    ///
    /// ```
    /// # use execstore::error::ReadError;
    /// # use execstore::{Readable, Store};
    /// # let store = Store::in_memory()?;
    /// let (live, head) = store.read(|r| Ok((r.live()?.count(), r.log().head()?)))?;
    /// # assert_eq!(live, 0);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn read<T>(&self, read: impl FnOnce(&ReadTxn) -> Result<T, Error>) -> Result<T, Error> {
        read(&self.begin_read()?)
    }

    /// Writes in one transaction, which is committed if the closure returns `Ok`, and rolled back if it
    /// returns an error or panics.
    ///
    /// A `?` in the closure takes any error of this crate; one of the caller's own goes through [`Error::caller`]. For a function
    /// of the caller's with another error type use [`begin_write`](Store::begin_write).
    ///
    /// ```
    /// # use execstore::{NewExecution, Store, Update};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("a").state("Running"))?;
    /// let retry = store.write(|w| {
    ///     let failed = w.update("a", Update::to("Failed"))?;
    ///     Ok(w.create(NewExecution::new(&failed.job_id).previous(&failed.id))?)
    /// })?;
    /// # assert_eq!(retry.previous.as_ref().unwrap(), &"a");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn write<T>(&self, write: impl FnOnce(&mut Writer<'_>) -> Result<T, Error>) -> Result<T, Error> {
        WriteTxn::new(self.engine.clone(), "a closure of Store::write")?.run(write)
    }

    /// Writes within a transaction that the caller began on [`share_database`](Store::share_database), or on the
    /// database that was [attached](Store::attach).
    ///
    /// The caller commits, then passes the writer's [receipt](Writer::finish) to [`notify`](Store::notify).
    /// After a storage error the caller must abort. A transaction of another database is refused, a copy of this store's file
    /// among them: no write transaction is then open on this store's own database, or it is at another point. What cannot be told
    /// is a transaction of an exact copy while another thread has one open here.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use execstore::{NewExecution, Store, redb};
    /// # let backend = redb::backends::InMemoryBackend::new();
    /// let db = Arc::new(redb::Builder::new().create_with_backend(backend)?);
    /// let store = Store::attach(db.clone())?;
    /// let txn = db.begin_write()?;
    /// let receipt = {
    ///     let mut executions = store.join(&txn)?;
    ///     executions.create(NewExecution::new("job-1"))?;
    ///     executions.finish()
    /// };
    /// txn.commit()?;
    /// store.notify(receipt);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join<'t>(&'t self, txn: &'t WriteTransaction) -> Result<Writer<'t>, WriterError> {
        self.engine.check_sound()?;
        self.engine.grounds.process.check_id()?;
        self.engine.grounds.anchor()?;
        let expected = self.id();
        let foreign = |found: String| WriterError::ForeignTransaction { expected, found };
        if !has_store(|| txn.list_tables())? {
            return Err(foreign("no store".into()));
        }
        let tables = Tables::new(Live::new(txn, self.engine.grounds.process.clone()));
        match tables.meta().map_err(in_use)? {
            Some(Ok(meta)) if meta.store_id == self.engine.settings.store_id => {
                if let Some(found) = self.is_elsewhere(&tables)? {
                    return Err(foreign(format!("this store as well, but {found}")));
                }
            }
            Some(Ok(meta)) => return Err(foreign(format!("store {}", uuid::Uuid::from_u128(meta.store_id)))),
            Some(Err(format)) => return Err(foreign(format!("a store of format {format}"))),
            None => return Err(foreign("no store".into())),
        }
        Ok(Writer::new(tables, &self.engine.settings, None)?.joined(&self.engine.write_lock.posts))
    }

    /// Why a transaction that has this store's id is not one of this store's database, if it is not.
    fn is_elsewhere(&self, tables: &Tables<Live<'_>>) -> Result<Option<&'static str>, WriterError> {
        // redb has one write transaction at a time: if there is room for another, the given one is not ours.
        match catch_panics(|| Ok::<_, StorageError>(self.engine.db.try_begin_write()))? {
            Err(redb::TransactionError::WouldBlock) => {}
            Err(error) => return Err(StorageError::from(error).into()),
            Ok(probe) => {
                roll_back(probe);
                return Ok(Some("in another database, such as a copy of the file"));
            }
        }
        let (found, committed) = (
            tables.totals().map_err(in_use)?,
            ReadTxn::new(self.engine.clone())?.totals().map_err(in_use)?.into_owned(),
        );
        let is_behind = (found.version, found.head) < (committed.version, committed.head);
        Ok(is_behind.then_some("of another time, as a copy of the file is"))
    }

    /// Wakes those who wait for changes, after the caller's own commit of a [joined](Store::join)
    /// transaction. Forgetting it delays them until the next commit and loses nothing. A receipt of another
    /// store, or of a transaction that is not committed, is ignored.
    pub fn notify(&self, receipt: Receipt) {
        if receipt.store_id != self.engine.settings.store_id {
            return;
        }
        // It may not be committed yet, or never. What cannot be read wakes nobody: the next commit will.
        let now = self.begin_read().map_err(ReadError::from).and_then(|reader| {
            let totals = reader.totals()?;
            Ok((totals.head, totals.version))
        });
        if let Ok((head, version)) = now {
            self.engine.doorbell.ring(head.min(receipt.head().get()));
            self.engine.commits.ring(version);
        }
    }

    /// Waits until the change log has gone beyond `after`, at most for `timeout`, and gives its head.
    ///
    /// Costs nothing while it waits, and holds no transaction. A position beyond the head, which is none of this store's, is
    /// [`PositionError::BeyondHead`](crate::error::PositionError::BeyondHead). On a thread that has a write of this store in hand a wait is
    /// [`WatchError::Reentrant`].
    pub fn wait_for_changes(&self, after: ChangeSeq, timeout: Duration) -> Result<ChangeSeq, WatchError> {
        self.engine.grounds.process.check()?;
        if after.0 > self.engine.doorbell.head() {
            self.begin_read()?.log().bookmark(after)?;
        }
        let own = self.engine.write_lock.posts.is_needed_here();
        let timeout = if own { Duration::ZERO } else { timeout };
        let heard = self.engine.doorbell.wait(after.0, &[EVERYTHING].into(), timeout, || false);
        if own && heard.head <= after.0 {
            return Err(Reentrant.into());
        }
        match heard.end {
            Some(End::Closed) => return Err(StorageError::Closed.into()),
            Some(End::Poisoned(reason)) if heard.head <= after.0 => {
                return Err(reason.stopped().into());
            }
            _ => {}
        }
        // A joined transaction may have been committed without a word.
        if heard.head <= after.0 { Ok(self.begin_read()?.log().head()?) } else { Ok(ChangeSeq(heard.head)) }
    }

    /// Whether the store takes writes, and if not, why. Never waits.
    pub fn health(&self) -> Health {
        match (self.engine.check_open(), self.engine.poisoned_by()) {
            (Err(_), _) => Health::Closed,
            (Ok(()), Some(reason)) => Health::Poisoned(reason),
            (Ok(()), None) => Health::Sound,
        }
    }

    /// How the store is doing: what stands still, and what holds it. Costs a few look-ups, and what the trimming by age would look at.
    /// Works while others write, and on a store that stopped writing.
    pub fn status(&self) -> Result<Status, ReadError> {
        status(&self.engine, &self.threads, self.health())
    }

    /// The id that the store was given when it was created.
    pub fn id(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.engine.settings.store_id)
    }

    /// The store's lifecycle, as it is recorded in the file.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.engine.settings.lifecycle
    }

    /// Shares the database below with the caller, for transactions of the caller's own.
    ///
    /// That cannot be taken back. From then on each read transaction opens its own tables, a few microseconds each: the store
    /// cannot know any more when something was committed. Large deletions are no longer finished in the background
    /// (see [`maintain`](Store::maintain)), and the file is closed without being made smaller.
    ///
    /// The names of the store's tables begin with `execstore/`; leave those alone. A commit there of
    /// [`Durability::None`](redb::Durability::None) becomes durable with redb's next durable commit, which for
    /// a store with a journal may be much later than the store's own next commit. Of a store that was opened read-only a
    /// durable commit fails, and redb refuses reads from then on as well.
    pub fn share_database(&self) -> &Database {
        self.engine.share_database();
        // What the caller commits there is acknowledged by redb. An error comes again with the store's own next write.
        let _ = self.engine.grounds.anchor();
        &self.engine.db
    }

    /// Closes the store: finishes what the group commit has accepted, stops the consumers and waits until
    /// their handlers have returned, at most for the [stop limit](Builder::set_stop_limit), ends every wait for changes, and makes the file whole.
    ///
    /// After it every call through another handle says [`StorageError::Closed`](crate::error::StorageError::Closed). The file itself is let go of
    /// with the last handle and the last transaction. [`StorageError::Busy`](crate::error::StorageError::Busy): a write transaction is still
    /// open, or this very thread is committing for others; the file is made whole once that ends, and what the
    /// group commit has accepted but not begun is refused. Dropping the last handle does the same, without reporting errors.
    pub fn close(self) -> Result<(), StorageError> {
        let limit = self.threads.registry.stop_limit;
        self.close_within(limit)
    }

    /// The same, with a limit of its own: it waits for so long at most while nothing gets on, once for the maintenance, once for all
    /// consumers, and once for what the group commit has accepted.
    ///
    /// [`StorageError::StillRunning`] says what was left to itself then. It ends at its next call, which is refused, and the file
    /// is let go of once it has.
    pub fn close_within(self, longest: Duration) -> Result<(), StorageError> {
        self.engine.grounds.process.check()?;
        let stopped = self.threads.stop(longest);
        let finished = self.engine.close();
        if !stopped.in_the_way && !stopped.running.is_empty() {
            return Err(StorageError::StillRunning { what: stopped.running.join(", ") });
        }
        finished?;
        if stopped.in_the_way { Err(StorageError::Busy) } else { Ok(()) }
    }

    /// Reads everything and compares records, index rows, counters, events and change log with each other.
    ///
    /// Works on a snapshot while others write, and takes a second thread while it lasts. Reads each table once, from one end to the
    /// other, however many there are to compare. What it holds beside the page cache does not grow with the store but for what is named
    /// here: a mebibyte, and
    ///
    /// - two to three bits for each execution and each entry of the log, for what the store keeps by blocks of 1,024 of them,
    /// - about 100 bytes for each attachment with more than 1 KiB, 300 for each output, and 50 for each deletion whose rows are not all
    ///   gone yet.
    ///
    /// The memory allocator of the system may hold the [page cache](crate::Builder::set_cache_size) up to twice, since two threads
    /// fill it.
    ///
    /// Where something is wrong, the tables that do not agree are read once more, with up to about 200 bytes for each execution that
    /// may be concerned: one in 4,096 for each that is, so all of them only in a store that is damaged everywhere. If rows of labels are
    /// wrong, also with each label once.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        verify(&ReadTxn::of_redb(self.engine.clone())?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::options::GroupCommitOptions;
    use crate::{Json, NewExecution};

    #[test]
    fn commits_are_bounded_in_members_and_in_bytes() {
        let members = GroupCommitOptions::new().max_members(4);
        let bytes = GroupCommitOptions::new().max_bytes(2_000);
        for (settings, most) in [(members, 4), (bytes, 3)] {
            let store = Store::builder().set_group_commit(settings).in_memory().unwrap();
            let payload = Json::from_text(&format!("\"{}\"", "x".repeat(600))).unwrap();
            let submit = |n: u64| {
                let (payload, lock) = (payload.clone(), store.engine.write_lock.clone());
                let run = move |w: &mut Writer<'_>| {
                    w.create(NewExecution::new("j").id(n.to_string()).payload(payload))?;
                    // When the transaction got the lock, which it has alone.
                    Ok(lock.state().0.map(|taken| taken.since))
                };
                store.submit(run).unwrap()
            };
            let pending: Vec<crate::group_commit::Pending<Option<Instant>>> = thread::scope(|scope| {
                let (held, hold) = std::sync::mpsc::channel();
                let (end, ended) = std::sync::mpsc::channel::<()>();
                let store = &store;
                scope.spawn(move || {
                    let txn = store.begin_write().unwrap();
                    held.send(()).unwrap();
                    let _ = ended.recv();
                    drop(txn);
                });
                hold.recv().unwrap();
                let pending = (0..20).map(submit).collect();
                drop(end);
                pending
            });
            let mut sizes = BTreeMap::new();
            for pending in pending {
                *sizes.entry(pending.wait().unwrap().unwrap()).or_insert(0) += 1;
            }
            assert!(sizes.values().all(|size| *size <= most), "{settings:?}: {sizes:?}");
            assert!(sizes.values().any(|size| *size > 1), "{settings:?}: {sizes:?}");
        }
    }
}
