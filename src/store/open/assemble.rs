//! From an open database to a store: who it is, what its journal still holds, and whether it is what was asked for.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use super::meta::{draw_incarnation, read_meta};
use crate::engine::core::Engine;
use crate::engine::database::OwnedDatabase;
use crate::engine::file::{Head, Medium, Room};
use crate::engine::grounds::Grounds;
use crate::engine::journal::Journal;
use crate::engine::journaling::{Journaling, Reached, open_error};
use crate::format::{Meta, Totals};
use crate::model::error::{OpenError, StorageError};
use crate::model::id::{ChangeSeq, IdMaker, StoreIncarnation};
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::loss::JournalLoss;
use crate::storage::settings::{Settings, Space};
use crate::storage::{Live, Snapshot, Tables, catch_panics, roll_back};
use crate::store::Store;
use crate::store::options::Options;

/// A database with a store in it.
pub(super) struct Opened<'p> {
    pub(super) db: Arc<Database>,
    /// What it lies on, unless the caller opened it.
    pub(super) medium: Option<Arc<Medium>>,
    /// The file, if it is one of ours to name in errors.
    pub(super) path: Option<&'p Path>,
    /// The head of the file that the image lies in.
    pub(super) head: Option<Head>,
    /// The room that the image has, where that can run out.
    pub(super) room: Option<Arc<Room>>,
}

/// The journal of a file, as the image's meta record names it; the one that was looked through, if it is that.
pub(super) fn journal_of(
    medium: &Arc<Medium>,
    head: &Head,
    meta: &Meta,
    looked_through: Option<Journal>,
) -> Journal {
    let round = meta.journal.map_or(0, |place| place.round);
    looked_through
        .filter(|journal| journal.named_round() == round)
        .unwrap_or_else(|| Journal::new(medium.clone(), head, round))
}

/// Reads who the store is, does its journal again, and makes the handle.
pub(super) fn assemble(
    options: &Options,
    opened: Opened<'_>,
    grounds: Grounds,
    journal: impl FnOnce(&Meta) -> Result<Option<Journal>, OpenError>,
) -> Result<Store, OpenError> {
    // From here on an error, too, lets go of the database with care.
    let last = OwnedDatabase::new(opened.db, opened.medium);
    let Some(db) = last.db() else { return Err(OpenError::NotAStore) };
    let meta = read_meta(&*db)?;
    if options.tamper_evident && !meta.sealed {
        return Err(OpenError::NotTamperEvident);
    }
    let (lifecycle, lacking) = match &options.lifecycle {
        Some(given) => extended(given, &meta.lifecycle)?,
        None => (meta.lifecycle.clone(), Vec::new()),
    };
    let pending = meta.journal.is_some_and(|place| place.open);
    check_head(opened.head.as_ref(), &meta, pending)?;
    let accepts = Accepts { options, meta: &meta, path: opened.path };
    // What is written through redb at once needs the image to be whole.
    let keeps = options.journal && !options.restored && lifecycle == meta.lifecycle && lacking.is_empty();
    let (mut lost, mut rows) = (false, None);
    let journaling = match journal(&meta)? {
        Some(journal) if grounds.is_read_only() => {
            if pending {
                redo_in_memory(&journal, &db, &accepts)?;
            }
            None
        }
        Some(journal) if !pending => Some(Journaling::idle(journal)),
        Some(journal) => {
            let recovered = Journaling::recover(journal, &db, keeps, |hole, why| accepts.hole(hole, why))?;
            lost = matches!(recovered.reached, Reached::Hole { .. });
            rows = recovered.rows;
            Some(recovered.journaling)
        }
        None => None,
    };
    let journaling = match journaling {
        Some(journaling) if !options.journal => {
            journaling.close(catch_panics(|| db.begin_write())?)?;
            None
        }
        kept => kept,
    };
    check_unused(&db, options, &meta.lifecycle, &lacking)?;
    let incarnation = if options.restored || lost { draw_incarnation() } else { meta.incarnation };
    if lifecycle != meta.lifecycle || incarnation != meta.incarnation {
        record(&db, &lifecycle, incarnation)?;
    }
    let head = match &rows {
        Some((_, head, _)) => *head,
        None => totals_of(&db)?.head,
    };
    let settings = Settings {
        store_id: meta.store_id,
        incarnation,
        lifecycle,
        max_payload: options.max_payload,
        missing_links: options.missing_links,
        large_values: options.large_values,
        long_texts: options.long_texts,
        removal: options.removal,
        ids: IdMaker::default(),
        space: opened.room.map(|room| room as Arc<dyn Space>),
        clock: options.clock.clone(),
    };
    let limits = (options.retention, options.write_limit);
    let mut engine = Engine::new(db, last, settings, journaling, limits, head, grounds);
    if let Some((version, _, rows)) = rows {
        engine = engine.with_rows(version, rows);
    }
    let store = Store::from_shared(engine, options);
    // The half that the image does not name is to be free before a writer needs it.
    store.engine.flush_if_ended();
    Ok(store)
}

/// What would refuse a store. Its database is one that keeps what is written to it in memory. Gives the journal that it has to do again.
pub(super) fn look_through(
    options: &Options,
    db: &Database,
    medium: &Arc<Medium>,
    head: Option<&Head>,
    path: &Path,
) -> Result<Option<Journal>, OpenError> {
    let meta = read_meta(db)?;
    let pending = meta.journal.is_some_and(|place| place.open);
    check_head(head, &meta, pending)?;
    let Some(head) = head.filter(|_| pending) else { return Ok(None) };
    let journal = journal_of(medium, head, &meta, None);
    if !Journaling::is_whole(&journal, totals_of(db)?.version)? {
        redo_in_memory(&journal, db, &Accepts { options, meta: &meta, path: Some(path) })?;
    }
    Ok(Some(journal))
}

/// The head and the image were made together, and stayed so.
fn check_head(head: Option<&Head>, meta: &Meta, pending: bool) -> Result<(), OpenError> {
    match (head, meta.journal) {
        (None, Some(_)) if pending => Err(OpenError::JournalPending),
        (None, _) => Ok(()),
        (Some(head), Some(place)) if (head.id, head.image) == (place.id, place.image) => Ok(()),
        (Some(_), _) => {
            let reason = "the head of the file and the database in it do not belong together";
            Err(OpenError::Damaged { reason: reason.into(), source: None })
        }
    }
}

/// What to do about a hole in the journal: it is an error, unless the caller has named it.
struct Accepts<'a> {
    options: &'a Options,
    meta: &'a Meta,
    path: Option<&'a Path>,
}

impl Accepts<'_> {
    fn hole(&self, hole: Reached, reason: String) -> Result<(), OpenError> {
        let Reached::Hole { version, head } = hole else { return Ok(()) };
        let place = self.meta.journal;
        let file = place.map_or(0, |place| place.id);
        let round = place.map_or(0, |place| place.round);
        let loss = JournalLoss { file, round, version, after: ChangeSeq(head) };
        if self.options.accepted_loss == Some(loss) {
            return Ok(());
        }
        let path = self.path.unwrap_or(Path::new("the backend")).to_owned();
        Err(OpenError::JournalDamaged { path, loss, reason })
    }
}

/// Does the journal again in a database whose storage keeps it in memory.
fn redo_in_memory(journal: &Journal, db: &Database, accepts: &Accepts<'_>) -> Result<(), OpenError> {
    let txn = catch_panics(|| db.begin_write())?;
    let mut tables = Tables::new(Live::here(&txn));
    let redone = Journaling::redo(journal, &mut tables, |hole, why| accepts.hole(hole, why));
    let given = redone.and_then(|_| Ok(tables.keep_nothing_pending()?));
    drop(tables);
    match given {
        Ok(()) => Ok(catch_panics(|| Ok::<_, StorageError>(txn.commit()?))?),
        Err(error) => {
            roll_back(txn);
            Err(error)
        }
    }
}

/// The lifecycle to go on with, and the recorded states that the given one lacks.
fn extended(given: &Lifecycle, recorded: &Lifecycle) -> Result<(Lifecycle, Vec<State>), OpenError> {
    given
        .extend(recorded)
        .ok_or_else(|| OpenError::Lifecycle { expected: given.to_string(), found: recorded.to_string() })
}

/// States that the given lifecycle lacks do not matter while nobody is in them.
fn check_unused(
    db: &Database,
    options: &Options,
    recorded: &Lifecycle,
    lacking: &[State],
) -> Result<(), OpenError> {
    let Some(given) = options.lifecycle.as_ref().filter(|_| !lacking.is_empty()) else { return Ok(()) };
    let totals = totals_of(db)?;
    let count = |state: &State| recorded.code(state.as_str()).map_or(0, |code| totals.count(code));
    match lacking.iter().find(|state| count(state) > 0) {
        None => Ok(()),
        Some(state) => Err(OpenError::Lifecycle {
            expected: given.to_string(),
            found: format!("{recorded} (executions in {state}: {})", count(state)),
        }),
    }
}

/// Writes what was found to be new of who the store is.
fn record(db: &Database, lifecycle: &Lifecycle, incarnation: StoreIncarnation) -> Result<(), OpenError> {
    // Read again: applying the journal may have changed the record.
    let meta = Meta { lifecycle: lifecycle.clone(), incarnation, ..read_meta(db)? };
    let mut txn = catch_panics(|| db.begin_write())?;
    Tables::new(Live::here(&txn)).put_meta(&meta)?;
    Ok(catch_panics(|| {
        txn.set_quick_repair(meta.journal.is_some());
        txn.commit()
    })?)
}

/// The totals as they were committed last.
fn totals_of(db: &Database) -> Result<Totals, OpenError> {
    Tables::new(Snapshot::here(catch_panics(|| db.begin_read())?)).totals().map_err(open_error)
}
