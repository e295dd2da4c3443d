//! Making a store: in a new file, in an empty one, on a storage, in a database.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase};

use super::errors::{in_use, io_error, open_redb};
use super::meta::{draw, draw_incarnation};
use super::{dangling, look, open};
use crate::engine::database::drop_quietly;
use crate::engine::file::{self, Folder, Guarded, Head, Image, Kind, Medium, Target};
use crate::format::schema::FORMAT;
use crate::format::{JournalPlace, Meta, Totals};
use crate::model::error::{OpenError, StorageError};
use crate::model::execution::Labels;
use crate::model::integrity::Seal;
use crate::storage::{Live, Tables, catch_panics, has_store};
use crate::store::Store;
use crate::store::options::Options;

/// Zeros are written in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Makes a store in a new file, and opens it.
pub(crate) fn create(options: &Options, path: &Path) -> Result<Store, OpenError> {
    let exists = || OpenError::AlreadyExists { path: path.to_owned() };
    if fs::symlink_metadata(path).is_ok() {
        return Err(dangling(path).unwrap_or_else(exists));
    }
    let target = Target { mode: options.mode, owner: options.owner };
    let made = file::create(path, target, |file| fill(options, file, path).map_err(Failure::Store));
    made.map_err(|failure| match failure {
        Failure::Store(error) => error,
        Failure::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => exists(),
        Failure::Io(error) => io_error(path)(error),
    })?;
    Folder::of(path).and_then(|folder| folder.sync()).map_err(io_error(path))?;
    open(options, path)
}

/// Opens the store in a file, and first makes one if there is none: no file, an empty one, or one whose making a crash ended.
pub(crate) fn open_or_create(options: &Options, path: &Path) -> Result<Store, OpenError> {
    match open(options, path) {
        Err(OpenError::NotFound { .. }) => match create(options, path) {
            // Somebody else was faster.
            Err(OpenError::AlreadyExists { .. }) => open(options, path),
            created => created,
        },
        Err(OpenError::Empty { .. }) => {
            fill_in_place(options, path)?;
            open(options, path)
        }
        opened => opened,
    }
}

/// What went wrong while a file was made.
enum Failure {
    Io(io::Error),
    Store(OpenError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

/// Makes a store in a file that exists and is empty: its mode, owner, links and mounts stay. Until it is done, the file says
/// that it is unfinished. (Without a journal it does not, and what a crash leaves of it has to be removed by hand.)
fn fill_in_place(options: &Options, path: &Path) -> Result<(), OpenError> {
    let (file, _) = look(path, OpenOptions::new().read(true).write(true))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(in_use(path)),
        // Whether that is good enough is seen when redb asks for its locks.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    // Now that nobody else can be at it.
    let (_, kind) = look(path, OpenOptions::new().read(true))?;
    if !matches!(kind, Kind::Empty | Kind::Unfinished) {
        return Ok(());
    }
    file.set_len(0).map_err(io_error(path))?;
    fill(options, file, path)
}

/// Makes a store in a file that is empty and nobody else's.
fn fill(options: &Options, file: File, path: &Path) -> Result<(), OpenError> {
    let medium = Medium::file(file, false).map_err(io_error(path))?;
    make_on(options, &medium, path)?;
    if options.needs_lock && !medium.is_locked() {
        return Err(OpenError::NoLocks { path: path.to_owned() });
    }
    Ok(())
}

/// Makes a store on a medium that is empty.
pub(super) fn make_on(options: &Options, medium: &Arc<Medium>, path: &Path) -> Result<(), OpenError> {
    let head = options.journal.then(|| Head::new(draw(), options.journal_size));
    if let Some(head) = &head {
        reserve(medium, head).map_err(io_error(path))?;
    }
    let offset = head.map_or(0, |head| head.image);
    let image = Guarded::new(Image::kept(medium.clone(), offset));
    let db = open_redb(path, options.cache_size, image)?;
    initialise(&db, options, head.as_ref())?;
    drop_quietly(db)?;
    finish(medium, head.as_ref()).map_err(io_error(path))
}

/// Writes the journal's region, so that writing a record needs no room on the disk, and its sync none of the file system's own writes.
fn reserve(medium: &Medium, head: &Head) -> io::Result<()> {
    medium.set_len(head.image)?;
    medium.write(0, &Head::unfinished())?;
    let (start, len) = head.region();
    let zeros = [0; PIECE];
    let (mut at, end) = (start, start + len);
    while at < end {
        let part = zeros.get(..usize::try_from(end - at).unwrap_or(PIECE).min(PIECE)).unwrap_or_default();
        medium.write(at, part)?;
        at += part.len() as u64;
    }
    medium.sync_data()
}

/// The head comes last: with it the file is a store.
fn finish(medium: &Medium, head: Option<&Head>) -> io::Result<()> {
    medium.sync_data()?;
    if let Some(head) = head {
        // The copy first: it is a head only once it is whole.
        for place in Head::places().into_iter().rev() {
            medium.write(place, &head.encode())?;
        }
        medium.sync_data()?;
    }
    Ok(())
}

/// Makes an empty store in a database that has none.
pub(super) fn initialise_if_new(db: &Database, options: &Options) -> Result<(), OpenError> {
    let txn = catch_panics(|| db.begin_read())?;
    if has_store(|| txn.list_tables())? {
        return Ok(());
    }
    initialise(db, options, None)
}

/// Makes an empty store in a database, in one transaction.
fn initialise(db: &Database, options: &Options, head: Option<&Head>) -> Result<(), OpenError> {
    let txn = catch_panics(|| db.begin_write())?;
    {
        let mut tables = Tables::new(Live::here(&txn));
        tables.create_all()?;
        let store_id = uuid::Uuid::new_v4().as_u128();
        tables.put_meta(&Meta {
            format: FORMAT,
            store_id,
            incarnation: draw_incarnation(),
            journal: head.map(|head| JournalPlace { id: head.id, image: head.image, round: 0, open: false }),
            lifecycle: options.lifecycle.clone().unwrap_or_default(),
            sealed: options.tamper_evident,
            extras: Labels::new(),
        })?;
        let seal = options.tamper_evident.then(|| Seal::new(store_id));
        tables.put_totals(&Totals { seal, ..Totals::default() })?;
    }
    Ok(catch_panics(|| Ok::<_, StorageError>(txn.commit()?))?)
}
