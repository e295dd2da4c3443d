//! A store's use of its journal: when a round of it begins, and when it is done again.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, WriteTransaction};

use crate::engine::journal::{Beginning, Broken, Journal, Replayed};
use crate::format::JournalPlace;
use crate::format::schema::{META_KEY, Tag};
use crate::model::error::{CommitError, OpenError, ReadError, StorageError};
use crate::storage::process::Process;
use crate::storage::{
    Base, Late, Layer, Live, Tables, catch_panics, commit_unsynced, commit_whole, damaged, finish, roll_back,
};

/// The journal of an open store. Its first round begins with the first commit.
pub(crate) struct Journaling {
    journal: Journal,
    /// The image names the round that is being written.
    begun: bool,
}

/// How far a journal could be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// To its end.
    End(Replayed),
    /// To this version, which is all that could be read.
    Hole { version: u64, head: u64 },
}

/// A journal that was left open, read.
pub(crate) struct Recovered {
    pub(crate) journaling: Journaling,
    pub(crate) reached: Reached,
    /// What redb lacks, and the version and the head of the log that it leads to.
    pub(crate) rows: Option<(u64, u64, Layer)>,
}

/// Where they are, by version.
enum Rows {
    /// In memory; with the head of the log.
    Kept(u64, u64, Box<Layer>),
    /// In redb's transaction, and the round that begins with its commit.
    Given(u64, Option<u32>),
}

/// As many bytes of rows as reading a journal keeps in memory: more than twice what one of the default size leads to.
const MOST: usize = 32 * 1024 * 1024;

impl Journaling {
    /// The image holds everything: a round begins with the first commit.
    pub(crate) fn idle(journal: Journal) -> Self {
        Self { journal, begun: false }
    }

    /// Reads what the image lacks: rows that are pending, or that redb has where they are many.
    ///
    /// A hole is passed to `accepts`, with the reason: an error there ends it.
    pub(crate) fn redo(
        journal: &Journal,
        tables: &mut Tables<Live<'_>>,
        accepts: impl FnOnce(Reached, String) -> Result<(), OpenError>,
    ) -> Result<Reached, OpenError> {
        let version = tables.totals().map_err(open_error)?.version;
        // Each row is written once, however often it changed.
        tables.keep_all_pending_up_to(MOST);
        match journal.replay(version, |body| tables.redo(body)) {
            Ok(done) => Ok(Reached::End(done)),
            Err(Broken::Storage(error)) => Err(error.into()),
            Err(Broken::Damaged { reached, reason }) => {
                let head = tables.totals().map_err(open_error)?.head;
                let hole = Reached::Hole { version: reached, head };
                accepts(hole, reason)?;
                Ok(hole)
            }
        }
    }

    /// `true` if everything that `redo` would do again from this version can be read.
    pub(crate) fn is_whole(journal: &Journal, version: u64) -> Result<bool, OpenError> {
        match journal.replay(version, |_| Ok(())) {
            Ok(_) => Ok(true),
            Err(Broken::Storage(error)) => Err(error.into()),
            Err(Broken::Damaged { .. }) => Ok(false),
        }
    }

    /// A journal was left open: reads what the image lacks, and goes on behind the last record. The image stays as it is: nobody waits for
    /// its pages, and with `keeps` what was read stays in memory too, as it would without the crash. Where something lies behind the end,
    /// redb gets it all, and a new round begins, which the image names.
    pub(crate) fn recover(
        mut journal: Journal,
        db: &Arc<Database>,
        keeps: bool,
        accepts: impl FnOnce(Reached, String) -> Result<(), OpenError>,
    ) -> Result<Recovered, OpenError> {
        let base = Base::new(catch_panics(|| db.begin_read())?, Process::this());
        let late = {
            let db = db.clone();
            Late::new(move || Ok((catch_panics(|| db.begin_write())?, Vec::new())))
        };
        let read = {
            let mut tables = Tables::new(Live::late(&late, Process::this())).over(Some(base));
            Self::read(&mut journal, &mut tables, keeps, accepts)
        };
        let txn = late.into_txn();
        let (reached, rows) = match (read, txn) {
            (Ok((reached, Rows::Kept(version, head, rows))), _) => (reached, Some((version, head, *rows))),
            (Ok((reached, Rows::Given(version, begins))), Some(txn)) => {
                match begins {
                    None => commit_unsynced(txn)?,
                    Some(round) => {
                        commit_whole(txn)?;
                        journal.begin_round(round, version);
                    }
                }
                (reached, None)
            }
            (Ok(_), None) => return Err(StorageError::Closed.into()),
            (Err(error), txn) => {
                txn.into_iter().for_each(roll_back);
                return Err(error);
            }
        };
        Ok(Recovered { journaling: Self { journal, begun: true }, reached, rows })
    }

    fn read(
        journal: &mut Journal,
        tables: &mut Tables<Live<'_>>,
        keeps: bool,
        accepts: impl FnOnce(Reached, String) -> Result<(), OpenError>,
    ) -> Result<(Reached, Rows), OpenError> {
        let reached = Self::redo(journal, tables, accepts)?;
        let resumed = match reached {
            Reached::End(done) => journal.resume(done)?,
            Reached::Hole { .. } => false,
        };
        let totals = tables.totals().map_err(open_error)?;
        if resumed
            && keeps
            && !tables.wrote_to_redb()
            && let Some(pending) = tables.take_pending()
        {
            return Ok((reached, Rows::Kept(totals.version, totals.head, Box::new(pending.into_layer()))));
        }
        tables.keep_nothing_pending()?;
        if resumed {
            return Ok((reached, Rows::Given(totals.version, None)));
        }
        let beginning = journal.after_next();
        beginning.run()?;
        name_round(tables, beginning.round, true)?;
        Ok((reached, Rows::Given(totals.version, Some(beginning.round))))
    }

    /// Transactions of before may be in the journal alone.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(crate) fn takes(&self, from: u64, body: &[u8]) -> bool {
        self.begun && self.journal.takes(from, body)
    }

    /// It does once the image names the round that is written.
    pub(crate) fn will_take(&self, from: u64, body: &[u8]) -> bool {
        self.begun && self.journal.fits(from, body)
    }

    /// The version that the image must have before the round before can be written over; `None` if it has it.
    pub(crate) fn waits_for(&self) -> Option<u64> {
        self.journal.waits_for()
    }

    /// What begins the round that the image is to name.
    pub(crate) fn unnamed(&self) -> Option<Beginning> {
        self.journal.unnamed()
    }

    /// The journal itself, which takes records in once its round has begun.
    pub(crate) fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Commits through redb, after which the journal starts over; or begins, if this is the first commit.
    pub(crate) fn checkpoint(&mut self, txn: WriteTransaction) -> Result<(), CommitError> {
        match self.prepare(&txn) {
            Ok((round, version)) => {
                let mut txn = txn;
                // The next open after a crash need not walk the file. The price, about a millisecond for
                // half a gigabyte, is paid once for every few hundred commits.
                txn.set_quick_repair(true);
                finish(txn)?;
                self.journal.begin_round(round, version);
                self.begun = true;
                Ok(())
            }
            Err(error) => {
                roll_back(txn);
                Err(CommitError::RolledBack(error))
            }
        }
    }

    fn prepare(&mut self, txn: &WriteTransaction) -> Result<(u32, u64), StorageError> {
        let beginning = self.journal.next();
        beginning.run()?;
        let mut tables = Tables::new(Live::here(txn));
        name_round(&mut tables, beginning.round, true)?;
        let version = tables.totals().map_err(ReadError::of_own_row)?.version;
        Ok((beginning.round, version))
    }

    /// The clean end: the image holds everything, and says so.
    pub(crate) fn close(self, txn: WriteTransaction) -> Result<(), StorageError> {
        if !self.begun {
            roll_back(txn);
            return Ok(());
        }
        name_round(&mut Tables::new(Live::here(&txn)), self.journal.round(), false)?;
        commit_whole(txn)
    }
}

/// Has the image name the round whose records continue it; `open`: there may be some.
pub(crate) fn name_round(tables: &mut Tables<Live<'_>>, round: u32, open: bool) -> Result<(), StorageError> {
    let wrong = |reason: &str| StorageError::Damaged(damaged(Tag::Meta, META_KEY, reason));
    match tables.meta().map_err(ReadError::of_own_row)? {
        Some(Ok(mut meta)) => {
            let place = meta.journal.ok_or_else(|| wrong("it names no journal, and the file has one"))?;
            meta.journal = Some(JournalPlace { round, open, ..place });
            tables.put_meta(&meta)
        }
        Some(Err(format)) => Err(wrong(&format!("it was replaced by one of format {format}"))),
        None => Err(wrong("it is missing")),
    }
}

pub(crate) fn open_error(error: ReadError) -> OpenError {
    match error {
        ReadError::Storage(error) => error.into(),
        other => OpenError::Damaged { reason: other.to_string(), source: Some(Box::new(other)) },
    }
}
