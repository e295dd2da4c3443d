//! Opening and creating: what the file is, told apart; creation made atomic; a pending journal applied.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageBackend, TableHandle};
use uuid::Uuid;

use crate::builder::Builder;
use crate::codec::{Meta, Totals};
use crate::context::Context;
use crate::error::{OpenError, StorageError};
use crate::execution::Labels;
use crate::handle::{LastHandle, let_go};
use crate::id::{IdMaker, StoreIncarnation};
use crate::journaling::{Home, Journaling, journal_path, open_error, sync_folder};
use crate::lifecycle::{Lifecycle, State};
use crate::schema::{FORMAT, Tag};
use crate::seal::Seal;
use crate::shared::Shared;
use crate::store::Store;
use crate::tables::{Live, Snapshot, Tables, shield};

/// The first bytes of every redb file.
const REDB_MAGIC: [u8; 9] = [b'r', b'e', b'd', b'b', 0x1a, 0x0a, 0xa9, 0x0d, 0x0a];

pub(crate) fn create(builder: &Builder, path: &Path) -> Result<Store, OpenError> {
    let exists = || OpenError::AlreadyExists { path: path.to_owned() };
    if fs::symlink_metadata(path).is_ok() {
        return Err(exists());
    }
    // The store is made under another name, whole and synced, and then linked to its own.
    let temporary = temporary_path(path);
    let made = make_file(builder, &temporary).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        // No hard links here. Renaming replaces, so look again; two creators in the same instant are left.
        Err(_) if fs::symlink_metadata(path).is_ok() => Err(exists()),
        Err(_) => fs::rename(&temporary, path).map_err(io_error(path)),
        Ok(()) => Ok(()),
    });
    let removed = fs::remove_file(&temporary);
    made?;
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(path)(error)),
        _ => sync_folder(path).map_err(io_error(path))?,
    }
    open(builder, path)
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", Uuid::new_v4().simple()));
    PathBuf::from(name)
}

fn make_file(builder: &Builder, path: &Path) -> Result<(), OpenError> {
    let db = shield(|| Ok::<_, StorageError>(redb::Builder::new().create(path)))?;
    let db = db.map_err(|error| database_error(error, path))?;
    initialise(&db, builder)?;
    let_go(db)?;
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error(path))
}

pub(crate) fn open(builder: &Builder, path: &Path) -> Result<Store, OpenError> {
    check_magic(path)?;
    // A newer format must be found before anything writes to the file.
    peek_format(builder, path)?;
    let db = open_redb(path, || redb::Builder::new().set_cache_size(builder.cache_size).open(path))?;
    let journal = journal_path(path);
    let missing = || OpenError::JournalMissing { path: path.to_owned(), journal: journal.clone() };
    finish(builder, Arc::new(db), false, Some(Home::Path(journal.clone())), builder.journal, missing)
}

fn open_redb(
    place: &Path,
    open: impl FnOnce() -> Result<Database, DatabaseError>,
) -> Result<Database, OpenError> {
    match shield(|| Ok::<_, StorageError>(open())) {
        Ok(db) => db.map_err(|error| database_error(error, place)),
        Err(error) => Err(damaged("redb could not open it", error)),
    }
}

pub(crate) fn on_backend(
    builder: &Builder,
    backend: impl StorageBackend,
    journal: Option<Box<dyn StorageBackend>>,
) -> Result<Store, OpenError> {
    let db = open_redb(Path::new("the backend"), || {
        redb::Builder::new().set_cache_size(builder.cache_size).create_with_backend(backend)
    })?;
    let journaled = journal.is_some();
    let home = journal.map(|journal| Home::Backend(Some(journal)));
    finish(builder, Arc::new(db), true, home, journaled, || OpenError::JournalPending)
}

pub(crate) fn attach(builder: &Builder, db: Arc<Database>) -> Result<Store, OpenError> {
    finish(builder, db, true, None, false, || OpenError::JournalPending)
}

/// Reads who the store is, applies its journal, and makes the handle; first makes the store, if there is none
/// and `make` says so.
fn finish(
    builder: &Builder,
    db: Arc<Database>,
    make: bool,
    home: Option<Home>,
    journaled: bool,
    missing: impl FnOnce() -> OpenError,
) -> Result<Store, OpenError> {
    // From here on an error, too, lets go of the database with care.
    let last = LastHandle::new(db);
    let Some(db) = last.db() else { return Err(OpenError::NotAStore) };
    if make && !has_store(&shield(|| db.begin_read())?)? {
        initialise(&db, builder)?;
    }
    let meta = read_meta(&*db)?;
    if builder.tamper_evident && !meta.sealed {
        return Err(OpenError::NotTamperEvident);
    }
    let (lifecycle, lacking) = match &builder.lifecycle {
        Some(given) => extended(given, &meta.lifecycle)?,
        None => (meta.lifecycle.clone(), Vec::new()),
    };
    let mut journal = match (home, meta.journal) {
        (Some(home), 0) => Some(Journaling::idle(home)),
        (Some(home), id) => Some(Journaling::recover(home, &db, meta.store_id, id, missing)?),
        (None, 0) => None,
        (None, _) => return Err(missing()),
    };
    if !journaled && let Some(journal) = journal.take() {
        journal.close(shield(|| db.begin_write())?)?;
    }
    check_unused(&db, builder, &meta.lifecycle, &lacking)?;
    let incarnation = if builder.restored { draw_incarnation() } else { meta.incarnation };
    if lifecycle != meta.lifecycle || incarnation != meta.incarnation {
        record(&db, &lifecycle, incarnation)?;
    }
    let snapshot = Tables::new(Snapshot(shield(|| db.begin_read())?));
    let head = snapshot.totals().map_err(open_error)?.head;
    let context = Context {
        store_id: meta.store_id,
        incarnation,
        lifecycle,
        max_payload: builder.max_payload,
        missing_links: builder.missing_links,
        large_values: builder.large_values,
        long_texts: builder.long_texts,
        removal: builder.removal,
        ids: IdMaker::default(),
        clock: builder.clock.clone(),
    };
    let shared = Shared::new(db, last, context, journal, builder.retention, builder.write_limit, head);
    Ok(Store::from_shared(shared, builder))
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
    builder: &Builder,
    recorded: &Lifecycle,
    lacking: &[State],
) -> Result<(), OpenError> {
    let Some(given) = builder.lifecycle.as_ref().filter(|_| !lacking.is_empty()) else { return Ok(()) };
    let totals = Tables::new(Snapshot(shield(|| db.begin_read())?)).totals().map_err(open_error)?;
    let count = |state: &State| recorded.code(state.as_str()).map_or(0, |code| totals.count(code));
    match lacking.iter().find(|state| count(state) > 0) {
        None => Ok(()),
        Some(state) => Err(OpenError::Lifecycle {
            expected: given.to_string(),
            found: format!("{recorded} (executions in {state}: {})", count(state)),
        }),
    }
}

/// Makes an empty store in a database, in one transaction.
fn initialise(db: &Database, builder: &Builder) -> Result<(), OpenError> {
    let txn = shield(|| db.begin_write())?;
    {
        let mut tables = Tables::new(Live(&txn));
        tables.create_all()?;
        let store_id = Uuid::new_v4().as_u128();
        tables.put_meta(&Meta {
            format: FORMAT,
            store_id,
            incarnation: draw_incarnation(),
            journal: 0,
            lifecycle: builder.lifecycle.clone().unwrap_or_default(),
            sealed: builder.tamper_evident,
            extras: Labels::new(),
        })?;
        let seal = builder.tamper_evident.then(|| Seal::new(store_id));
        tables.put_totals(&Totals { seal, ..Totals::default() })?;
    }
    Ok(shield(|| txn.commit())?)
}

/// Never 0, which is that of no store.
fn draw_incarnation() -> StoreIncarnation {
    StoreIncarnation((Uuid::new_v4().as_u128() as u64).max(1))
}

/// Writes what was found to be new of who the store is.
fn record(db: &Database, lifecycle: &Lifecycle, incarnation: StoreIncarnation) -> Result<(), OpenError> {
    // Read again: applying the journal may have changed the record.
    let meta = Meta { lifecycle: lifecycle.clone(), incarnation, ..read_meta(db)? };
    let mut txn = shield(|| db.begin_write())?;
    Tables::new(Live(&txn)).put_meta(&meta)?;
    Ok(shield(|| {
        txn.set_quick_repair(meta.journal != 0);
        txn.commit()
    })?)
}

fn has_store(txn: &ReadTransaction) -> Result<bool, StorageError> {
    shield(|| Ok::<_, redb::StorageError>(txn.list_tables()?.any(|table| table.name() == Tag::Meta.name())))
}

fn read_meta(db: &impl ReadableDatabase) -> Result<Meta, OpenError> {
    let txn = shield(|| db.begin_read())?;
    if !has_store(&txn).map_err(|error| damaged("the list of tables cannot be read", error))? {
        return Err(OpenError::NotAStore);
    }
    match Tables::new(Snapshot(txn)).meta().map_err(open_error)? {
        Some(Ok(meta)) => Ok(meta),
        Some(Err(found)) => Err(OpenError::Format { found, supported: FORMAT }),
        None => Err(OpenError::Damaged { reason: "the meta record is missing".into(), source: None }),
    }
}

/// Looks at a file that was closed, through a handle that cannot write. One that was not closed needs a
/// repair first, and has its format checked after that.
fn peek_format(builder: &Builder, path: &Path) -> Result<(), OpenError> {
    let mut redb = redb::Builder::new();
    redb.set_cache_size(builder.cache_size.min(1024 * 1024));
    match shield(|| Ok::<_, StorageError>(redb.open_read_only(path))) {
        Ok(Ok(db)) => {
            let read = read_meta(&db);
            let_go(db)?;
            read.map(drop)
        }
        Ok(Err(DatabaseError::RepairAborted)) => Ok(()),
        Ok(Err(error)) => Err(database_error(error, path)),
        Err(error) => Err(damaged("redb could not open it", error)),
    }
}

fn check_magic(path: &Path) -> Result<(), OpenError> {
    let not_a_database = || OpenError::NotADatabase { path: path.to_owned() };
    // Before it is opened: opening a pipe would wait for somebody to write to it.
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NotFound { path: path.to_owned() });
        }
        Err(error) => return Err(io_error(path)(error)),
        Ok(found) if !found.is_file() => return Err(not_a_database()),
        Ok(_) => {}
    }
    let mut file = File::open(path).map_err(io_error(path))?;
    let mut magic = [0; REDB_MAGIC.len()];
    match file.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(not_a_database()),
        Err(error) => Err(io_error(path)(error)),
        Ok(()) if magic != REDB_MAGIC => Err(not_a_database()),
        Ok(()) => Ok(()),
    }
}

fn database_error(error: DatabaseError, path: &Path) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::AlreadyOpen { path: path.to_owned() },
        DatabaseError::UpgradeRequired(version) => {
            let reason = format!("its redb format is {version}, which this release of redb does not read");
            OpenError::Damaged { reason, source: Some(Box::new(error)) }
        }
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != io::ErrorKind::UnexpectedEof && error.kind() != io::ErrorKind::InvalidData =>
        {
            io_error(path)(error)
        }
        other => OpenError::Damaged { reason: other.to_string(), source: Some(Box::new(other)) },
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<'_> {
    move |source| OpenError::Io { path: path.to_owned(), source }
}

fn damaged(reason: &str, error: StorageError) -> OpenError {
    OpenError::Damaged { reason: reason.to_owned(), source: Some(Box::new(error)) }
}
