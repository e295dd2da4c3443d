//! What the handles and transactions of one store share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use redb::{Database, WriteTransaction};

use crate::engine::applied::Applied;
use crate::engine::background::Background;
use crate::engine::database::{OwnedDatabase, PATIENCE, Waiters, drop_quietly};
use crate::engine::doorbell::{Calls, Doorbell, End};
use crate::engine::flusher::Flusher;
use crate::engine::grounds::Grounds;
use crate::engine::journaling::Journaling;
use crate::engine::recent::Recent;
use crate::engine::sync_line::SyncLine;
use crate::engine::write_lock::WriteLock;
use crate::model::error::{BeginError, Reentrant, StorageError, no_thread};
use crate::model::panics::message;
use crate::model::retention::LogRetention;
use crate::model::touch::Listening;
use crate::storage::settings::Settings;
use crate::storage::{Layer, Snapshot, Tables, catch_panics, roll_back};

/// What the handles of one store share. Dropping the last one closes the store.
pub(crate) struct Engine {
    pub(crate) db: Arc<Database>,
    pub(crate) settings: Settings,
    pub(crate) doorbell: Doorbell,
    /// The same, rung with the store's version: for what is not in the change log.
    pub(crate) commits: Doorbell,
    /// `None` inside once the store was closed.
    journal: Option<Mutex<Option<Journaling>>>,
    pub(crate) write_lock: Arc<WriteLock>,
    pub(crate) retention: LogRetention,
    /// The removal of what was deleted.
    pub(crate) sweeping: Background,
    pub(crate) flusher: Flusher,
    /// Bytes of redo since the last checkpoint.
    pub(crate) held_back: AtomicUsize,
    pub(crate) grounds: Grounds,
    /// What those who wait for changes have ever named.
    pub(crate) listening: Listening,
    /// Bytes of values that were replaced or removed since the store was opened.
    pub(crate) freed: AtomicU64,
    poisoned: AtomicBool,
    /// Why it is.
    reason: Mutex<Option<StorageError>>,
    closed: AtomicBool,
    /// A closure closes it that writes to it: it is closed once its transaction has ended.
    closes_later: AtomicBool,
    pub(crate) recent: Recent,
    /// redb's transaction, while nobody uses it; taken and put back with the turn.
    applied: Mutex<Option<Applied>>,
    pub(crate) line: SyncLine,
    /// One reader at a time has redb commit.
    pub(super) publishing: Mutex<()>,
    /// Those to be called of transactions that count by now.
    pub(super) owed: Mutex<Vec<Calls>>,
    /// The snapshots that may still be read, and since when there are.
    snapshots: Mutex<Vec<(Weak<Tables<Snapshot>>, Instant)>>,
    /// After everything else: the database goes last.
    last: OwnedDatabase,
}

impl Engine {
    pub(crate) fn new(
        db: Arc<Database>,
        last: OwnedDatabase,
        settings: Settings,
        journal: Option<Journaling>,
        (retention, write_limit): (LogRetention, Duration),
        head: u64,
        grounds: Grounds,
    ) -> Self {
        Self {
            db,
            last,
            settings,
            doorbell: Doorbell::new(head),
            commits: Doorbell::new(0),
            journal: journal.map(|journal| Mutex::new(Some(journal))),
            write_lock: WriteLock::new(write_limit),
            retention,
            sweeping: Background::default(),
            flusher: Flusher::default(),
            held_back: AtomicUsize::new(0),
            grounds,
            listening: Listening::default(),
            freed: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
            reason: Mutex::default(),
            closed: AtomicBool::new(false),
            closes_later: AtomicBool::new(false),
            recent: Recent::default(),
            snapshots: Mutex::default(),
            applied: Mutex::default(),
            line: SyncLine::default(),
            publishing: Mutex::default(),
            owed: Mutex::default(),
        }
    }

    /// redb lacks rows of before, which lead to a version.
    pub(crate) fn with_rows(mut self, version: u64, rows: Layer) -> Self {
        self.held_back = AtomicUsize::new(rows.bytes());
        self.line.begin_at(version);
        self.recent.push(version, rows, || version, version);
        self
    }

    pub(super) fn note(&self, snapshot: &Arc<Tables<Snapshot>>) {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        // Once they have doubled: a few look-ups for each that is added.
        if snapshots.len() == snapshots.capacity() {
            snapshots.retain(|(snapshot, _)| snapshot.strong_count() > 0);
        }
        snapshots.push((Arc::downgrade(snapshot), Instant::now()));
    }

    /// How many read transactions there are, and the age of the oldest state of the store that one of them reads.
    pub(crate) fn readers(&self) -> (usize, Option<Duration>) {
        let latest = self.recent.latest();
        let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut many, mut oldest) = (0, None);
        for (snapshot, since) in snapshots.iter() {
            let own = latest.as_ref().is_some_and(|latest| latest.ptr_eq(snapshot));
            let readers = snapshot.strong_count().saturating_sub(usize::from(own));
            if readers > 0 {
                many += readers;
                oldest = oldest.max(Some(since.elapsed()));
            }
        }
        (many, oldest)
    }

    /// The caller has got hold of the database.
    pub(crate) fn share_database(&self) {
        // First, so that no snapshot is kept after the last one was forgotten, and no transaction of redb's stays open.
        self.last.lend();
        if !self.write_lock.posts.turn.is_mine()
            && let Ok(turn) = self.write_lock.enter_first("the database's loan", || self.check_open())
        {
            let _ = self.publish_all();
            if let Some(applied) = self.take_applied() {
                applied.roll_back();
            }
            drop(turn);
            self.call_owed();
        }
        self.recent.forget_snapshot();
    }

    /// Somebody else may hold a write transaction of the database itself.
    pub(crate) fn is_lent(&self) -> bool {
        self.last.is_lent()
    }

    pub(crate) fn journal(&self) -> Option<MutexGuard<'_, Option<Journaling>>> {
        let journal = self.journal.as_ref()?;
        Some(journal.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// redb's transaction stays open from one of the store's to the next.
    pub(crate) fn defers(&self) -> bool {
        self.has_journal() && !self.is_lent()
    }

    pub(crate) fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// No more writes: what reached the disk is not certain any more. Who waits is told; the first reason stands.
    pub(crate) fn poison(&self, reason: &StorageError) {
        let mut first = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = first.get_or_insert_with(|| reason.clone()).clone();
        drop(first);
        self.poisoned.store(true, Ordering::Release);
        self.write_lock.nudge();
        self.doorbell.end(End::Poisoned(reason.clone()));
        self.commits.end(End::Poisoned(reason));
    }

    /// Why it takes no more writes, if it does not.
    pub(crate) fn poisoned_by(&self) -> Option<StorageError> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether writes can go on.
    pub(crate) fn check_sound(&self) -> Result<(), StorageError> {
        self.check_open()?;
        self.grounds.check_writable()?;
        if self.is_poisoned() { Err(self.poisoned()) } else { Ok(()) }
    }

    /// That it takes no more writes, and why.
    pub(crate) fn poisoned(&self) -> StorageError {
        self.poisoned_by().map_or(StorageError::Poisoned { reason: None }, StorageError::stopped)
    }

    fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn check_open(&self) -> Result<(), StorageError> {
        self.grounds.process.check()?;
        if self.closed.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(()) }
    }

    /// Refused within a closure that writes: the store is not read there, nor does anything else happen on its thread.
    pub(crate) fn check_outside(&self) -> Result<(), Reentrant> {
        if self.write_lock.posts.inside.is_mine() { Err(Reentrant) } else { Ok(()) }
    }

    /// Closes it, but within a closure that writes only once its transaction has ended.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        if self.check_outside().is_err() {
            self.closes_later.store(true, Ordering::Release);
            return Ok(());
        }
        self.refuse();
        self.finish()
    }

    /// A transaction has ended, in which it may have been closed.
    pub(crate) fn close_if_asked(&self) {
        if self.closes_later.swap(false, Ordering::AcqRel) {
            self.refuse();
            // The next open does what could not be done.
            let _ = self.finish();
        }
    }

    /// No more calls: every later one says closed.
    pub(crate) fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
        self.write_lock.nudge();
    }

    pub(crate) fn take_applied(&self) -> Option<Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn keep_applied(&self, applied: Applied) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(applied);
    }

    /// redb's transaction, for the one who has the turn: the one that is open, or a new one. Only a caller's own on the database can be
    /// in the way.
    pub(crate) fn begin_write(&self) -> Result<Applied, BeginError> {
        if let Some(applied) = self.take_applied() {
            return Ok(applied);
        }
        let begun = self.begin_redb().inspect_err(|error| match error {
            // redb begins no more after an error of the file.
            BeginError::Storage(reason) if reason.stops_writing() => self.poison(reason),
            _ => {}
        });
        Ok(Applied::new(begun?))
    }

    /// A writer was leaked with the tables that it had open: redb cannot end this transaction, nor begin another one.
    pub(crate) fn leak(&self, applied: Applied) {
        std::mem::forget(applied);
        // A close does not wait for redb either.
        self.last.lend();
        self.poison(&StorageError::Busy);
    }

    fn begin_redb(&self) -> Result<WriteTransaction, BeginError> {
        let txn = self.begin_in_line()?;
        // What the other thread has committed is noted, or redb would be given it once more.
        self.flusher.wait();
        Ok(txn)
    }

    fn begin_in_line(&self) -> Result<WriteTransaction, BeginError> {
        if !self.last.is_lent() {
            return Ok(catch_panics(|| self.db.begin_write())?);
        }
        for pause in SHORT {
            match catch_panics(|| Ok::<_, StorageError>(self.db.try_begin_write()))? {
                Err(redb::TransactionError::WouldBlock) => thread::sleep(pause),
                begun => return Ok(begun.map_err(StorageError::from)?),
            }
        }
        // In redb's own line, since who comes again and again would never be let in; on a thread that can be left behind.
        let (db, waiter, begun) = (self.db.clone(), self.last.waiters().enter(), mpsc::sync_channel(0));
        let send = begun.0;
        let waiting = thread::Builder::new().name("execstore-wait".into());
        let waiting = waiting.spawn(move || {
            if let Err(late) = send.send(catch_panics(|| db.begin_write())) {
                let _ = late.0.map(roll_back);
            }
            let _ = drop_quietly(db);
            drop(waiter);
        });
        waiting.map_err(no_thread("to wait for an open write transaction"))?;
        // If this very thread has joined it, it would wait for itself.
        let mine = self.write_lock.posts.joined_last.is_mine();
        let limit = if mine { PATIENCE } else { self.write_lock.limit() };
        match begun.1.recv_timeout(limit) {
            Ok(begun) => Ok(begun?),
            Err(_) => Err(BeginError::WriterHeld { by: "a transaction on the database itself", held: limit }),
        }
    }

    /// `false` if a write transaction that the caller began on the database itself is in the way of the last commit for long. A store that is read has none.
    pub(crate) fn can_write_soon(&self) -> bool {
        self.grounds.is_read_only()
            || !self.last.is_lent()
            || when_writable(self.db.clone(), self.last.waiters(), |txn| txn.map(roll_back)).is_ok()
    }

    /// So much was replaced or removed since the store was opened that the file may be far larger than what is in it.
    fn make_small(&self) {
        let space = &self.settings.space;
        let len = self.grounds.file_len().or_else(|| space.as_ref()?.file_len()).unwrap_or(0);
        let freed = self.freed.load(Ordering::Relaxed);
        if len >= SMALL && freed > len / 16 {
            self.last.make_small(len, space.clone());
        }
    }

    /// Makes the image whole, so that the journal is not needed any more. After an error, or without room for it, the file is
    /// left as it is: the next open does what the journal says.
    pub(crate) fn finish(&self) -> Result<(), StorageError> {
        // Who waits for a sync hears what the close came to.
        self.line.hold();
        self.recent.forget_snapshot();
        let finished = self.finish_held();
        match &finished {
            Ok(true) => self.line.all_durable(|told| self.tell(told)),
            _ => self.line.led(Err(StorageError::Closed), drop),
        }
        self.call_owed();
        finished.map(drop)
    }

    /// Gives whether everything that was applied is durable.
    fn finish_held(&self) -> Result<bool, StorageError> {
        self.flusher.wait();
        let journal = self.journal().and_then(|mut journal| journal.take());
        let applied = self.take_applied();
        let (false, Some(journal), true) = (self.is_poisoned(), journal, self.can_close()) else {
            // What the journal has is done again by the next open.
            if let Some(applied) = applied {
                applied.roll_back();
            }
            return if self.is_poisoned() { Err(self.poisoned()) } else { Ok(false) };
        };
        let applied = match applied {
            None if !self.recent.is_empty() => Some(self.begin_write().map_err(blocked)?),
            applied => applied,
        };
        let commits = self.redb_commits();
        match applied {
            Some(applied) => journal.close(self.given(applied, self.recent.lacking())?.txn)?,
            None => when_writable(self.db.clone(), self.last.waiters(), |txn| journal.close(txn?))?,
        }
        commits.up_to(u64::MAX);
        self.recent.forget_snapshot();
        if self.is_much_held_back() && !self.is_lent() {
            self.free_pages();
        }
        Ok(true)
    }

    /// There is room for what a close writes.
    fn can_close(&self) -> bool {
        self.settings.space.as_ref().is_none_or(|space| space.to_flush(CLOSING).is_ok())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.grounds.process.is_another() {
            // Whatever is held here is the parent's: not even a lock may be taken or let go of.
            std::mem::forget(self.applied.get_mut().unwrap_or_else(PoisonError::into_inner).take());
            self.recent.leak();
            std::mem::forget(self.db.clone());
            return;
        }
        // Nobody is left to hear of an error; the next open does what was not done.
        if self.finish().is_ok() {
            self.make_small();
        }
    }
}

/// Why a reader did not get the turn.
pub(super) fn blocked(error: BeginError) -> StorageError {
    match error {
        BeginError::Storage(error) => error,
        BeginError::WriterHeld { .. } => StorageError::Busy,
        BeginError::Reentrant(_) => StorageError::ReadWithin,
    }
}

/// Of a smaller file there is little to gain.
const SMALL: u64 = 4 << 20;

/// What the commits of a close may take, as far as it has no place on the disk yet.
const CLOSING: u64 = 8 << 20;

/// How long to wait between the first attempts to begin a write beside a caller's own.
const SHORT: [Duration; 3] =
    [Duration::from_micros(50), Duration::from_micros(200), Duration::from_millis(1)];

/// Does something in a write transaction. If another is open, on a thread of its own, since the caller may hold that one on this very
/// thread: then it is done once that one has ended, and the file stays open until then.
fn when_writable(
    db: Arc<Database>,
    waiters: &Waiters,
    act: impl FnOnce(Result<WriteTransaction, StorageError>) -> Result<(), StorageError> + Send + 'static,
) -> Result<(), StorageError> {
    match catch_panics(|| Ok::<_, StorageError>(db.try_begin_write())) {
        Ok(Err(redb::TransactionError::WouldBlock)) => {}
        Ok(begun) => return act(begun.map_err(StorageError::from)),
        Err(panicked) => return act(Err(panicked)),
    }
    let (waiter, (report, progress)) = (waiters.enter(), mpsc::channel());
    let acting = thread::Builder::new().name("execstore-close".into()).spawn(move || {
        let begun = catch_panics(|| db.begin_write());
        let _ = report.send(());
        let done = act(begun);
        let _ = drop_quietly(db);
        drop(waiter);
        done
    });
    let acting = acting.map_err(no_thread("to wait for an open write transaction"))?;
    match progress.recv_timeout(PATIENCE) {
        Ok(()) => {
            acting.join().unwrap_or_else(|panic| Err(StorageError::Panicked { message: message(&*panic) }))
        }
        Err(_) => Err(StorageError::Busy),
    }
}
