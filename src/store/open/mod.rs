//! Opening and creating: what the file is, told apart; creation made whole or not at all; a pending journal done again.

mod assemble;
mod errors;
mod make;
mod meta;
mod read_only;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use redb::{Database, StorageBackend};

use crate::engine::database::{drop_quietly, let_go};
use crate::engine::file::{Folder, Guarded, Head, Image, Kind, Medium, Overlay, Room};
use crate::engine::grounds::Grounds;
use crate::engine::journal::Journal;
use crate::engine::packing::{Effort, make_small};
use crate::format::schema::FORMAT;
use crate::model::error::{OpenError, StorageError};
use crate::storage::catch_panics;
use crate::store::Store;
use crate::store::options::Options;

use assemble::{Opened, assemble, journal_of, look_through};
use errors::{damaged, io_error, open_redb};

pub(crate) use make::{create, open_or_create};
pub(crate) use read_only::open_read_only;

/// Opens the store in a file.
pub(crate) fn open(options: &Options, path: &Path) -> Result<Store, OpenError> {
    let (file, kind) = look(path, OpenOptions::new().read(true).write(true))?;
    let head = head_of(kind, path)?;
    let probe = file.try_clone().map_err(io_error(path))?;
    let medium = Medium::file(file, options.needs_lock).map_err(io_error(path))?;
    let offset = head.map_or(0, |head| head.image);
    let closed = has_image(&medium, offset).map_err(|error| no_image(error, path))?;
    let open = |storage: Guarded<Image>| {
        open_redb(path, options.cache_size, storage).map_err(|error| match medium.refused_for_locks() {
            true => OpenError::NoLocks { path: path.to_owned() },
            false => error,
        })
    };
    let journal = match head.is_none() || !closed {
        // A stranger's file, one of a newer format, or one whose journal is damaged must be known before anything is
        // written to it.
        true => peek(options, &medium, head.as_ref(), path)?,
        false => None,
    };
    let room = Room::new(medium.clone(), offset, Some(probe), options.reserve);
    let db = open(Guarded::new(Image::new(room.clone())))?;
    let folder = Folder::of(path).map_err(io_error(path))?;
    let opened =
        Opened { db: Arc::new(db), medium: Some(medium.clone()), path: Some(path), head, room: Some(room) };
    let grounds = Grounds::new(Some(folder), Some(path.to_owned()), false);
    assemble(options, opened, grounds, |meta| Ok(head.map(|head| journal_of(&medium, &head, meta, journal))))
}

/// Looks into a file under its lock, with whatever redb writes kept in memory: for what would refuse it.
fn peek(
    options: &Options,
    medium: &Arc<Medium>,
    head: Option<&Head>,
    path: &Path,
) -> Result<Option<Journal>, OpenError> {
    let offset = head.map_or(0, |head| head.image);
    let storage = Overlay::new(Image::kept(medium.clone(), offset)).map_err(io_error(path))?;
    let db = match open_redb(path, 1024 * 1024, Guarded::new(storage)) {
        Err(_) if medium.refused_for_locks() => return Err(OpenError::NoLocks { path: path.to_owned() }),
        db => db?,
    };
    let found = look_through(options, &db, medium, head, path);
    drop_quietly(db)?;
    found
}

/// Makes a file as small as it can be.
pub(crate) fn compact(options: &Options, path: &Path) -> Result<bool, OpenError> {
    // So that nothing is left to be done again, and what is no store is refused.
    drop(open(options, path)?);
    let (file, kind) = look(path, OpenOptions::new().read(true).write(true))?;
    let offset = head_of(kind, path)?.map_or(0, |head| head.image);
    let probe = file.try_clone().map_err(io_error(path))?;
    let medium = Medium::file(file, options.needs_lock).map_err(io_error(path))?;
    has_image(&medium, offset).map_err(|error| no_image(error, path))?;
    let room = Room::new(medium.clone(), offset, Some(probe), 0);
    let mut db = open_redb(path, options.cache_size, Guarded::new(Image::new(room.clone())))?;
    let done = make_small(&mut db, 0, Effort::ALL, Some(&*room)).and_then(|mut gained| {
        while catch_panics(|| db.compact().map_err(redb::Error::from))? {
            gained = true;
        }
        Ok(gained)
    });
    let let_go = let_go(db, &done, Some(&medium));
    let gained = done?;
    let_go?;
    Ok(gained)
}

/// A store on the caller's own storage, as a redb database alone.
pub(crate) fn on_backend(options: &Options, backend: impl StorageBackend) -> Result<Store, OpenError> {
    let place = Path::new("the backend");
    let medium = Medium::foreign(Box::new(backend));
    let room = Room::new(medium.clone(), 0, None, 0);
    let db = open_redb(place, options.cache_size, Guarded::new(Image::new(room.clone())))?;
    make::initialise_if_new(&db, options)?;
    let opened = Opened { db: Arc::new(db), medium: Some(medium), path: None, head: None, room: Some(room) };
    assemble(options, opened, Grounds::new(None, None, false), |_| Ok(None))
}

/// A store on the caller's own storage, laid out as a file is.
pub(crate) fn on_backend_as_file(
    options: &Options,
    backend: impl StorageBackend,
) -> Result<Store, OpenError> {
    let place = Path::new("the backend");
    let medium = Medium::foreign(Box::new(backend));
    if medium.len().map_err(io_error(place))? == 0 {
        make::make_on(options, &medium, place)?;
    }
    let head = head_of(kind_of(&medium).map_err(io_error(place))?, place)?;
    let offset = head.map_or(0, |head| head.image);
    has_image(&medium, offset).map_err(|error| no_image(error, place))?;
    let room = Room::new(medium.clone(), offset, None, 0);
    let db = open_redb(place, options.cache_size, Guarded::new(Image::new(room.clone())))?;
    let opened =
        Opened { db: Arc::new(db), medium: Some(medium.clone()), path: None, head, room: Some(room) };
    assemble(options, opened, Grounds::new(None, None, false), |meta| {
        Ok(head.map(|head| journal_of(&medium, &head, meta, None)))
    })
}

/// A store in a database that the caller opened.
pub(crate) fn attach(options: &Options, db: Arc<Database>) -> Result<Store, OpenError> {
    make::initialise_if_new(&db, options)?;
    let opened = Opened { db, medium: None, path: None, head: None, room: None };
    assemble(options, opened, Grounds::new(None, None, false), |_| Ok(None))
}

/// Opens a file and tells what it is.
fn look(path: &Path, how: &OpenOptions) -> Result<(File, Kind), OpenError> {
    // Before it is opened: opening a pipe would wait for somebody to write to it.
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(dangling(path).unwrap_or_else(|| OpenError::NotFound { path: path.to_owned() }));
        }
        Err(error) => return Err(io_error(path)(error)),
        Ok(found) if !found.is_file() => return Err(OpenError::NotADatabase { path: path.to_owned() }),
        Ok(_) => {}
    }
    let mut file = how.open(path).map_err(io_error(path))?;
    let mut bytes = Vec::new();
    let len = file.metadata().map_err(io_error(path))?.len();
    (&mut file).take(Head::LOOK as u64).read_to_end(&mut bytes).map_err(io_error(path))?;
    file.rewind().map_err(io_error(path))?;
    Ok((file, Kind::of(&bytes, len)))
}

/// The error for a link that leads nowhere, if that is what the path is.
fn dangling(path: &Path) -> Option<OpenError> {
    let target = fs::read_link(path).ok().filter(|_| !path.exists())?;
    Some(OpenError::DanglingLink { path: path.to_owned(), target })
}

fn kind_of(medium: &Medium) -> io::Result<Kind> {
    let len = medium.len()?;
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(Head::LOOK)];
    medium.read(0, &mut bytes)?;
    Ok(Kind::of(&bytes, len))
}

/// The head of a store's file; `None` for a plain redb file.
fn head_of(kind: Kind, path: &Path) -> Result<Option<Head>, OpenError> {
    let path = path.to_owned();
    match kind {
        Kind::Journaled(head) => Ok(Some(head)),
        Kind::Plain => Ok(None),
        Kind::Newer(found) => Err(OpenError::Format { found, supported: FORMAT }),
        Kind::Empty | Kind::Unfinished => Err(OpenError::Empty { path }),
        Kind::Foreign => Err(OpenError::NotADatabase { path }),
        Kind::Damaged => {
            let reason = format!("the head of {}, and its copy, cannot be read", path.display());
            Err(OpenError::Damaged { reason, source: None })
        }
    }
}

/// Where there is no image redb would make a new one: what is missing must not be taken for empty. `true`: it was closed by redb (its design
/// document has the flags behind the first nine bytes).
fn has_image(medium: &Medium, offset: u64) -> io::Result<bool> {
    const RECOVERY_REQUIRED: u8 = 2;
    let mut bytes = [0; 10];
    medium.read(offset, &mut bytes)?;
    let [.., flags] = bytes;
    match Kind::of(&bytes, u64::MAX) {
        Kind::Plain => Ok(flags & RECOVERY_REQUIRED == 0),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn no_image(error: io::Error, path: &Path) -> OpenError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
            let reason =
                format!("{} has no database behind its journal; it may have been cut", path.display());
            damaged(&reason, StorageError::from(redb::Error::Io(error)))
        }
        _ => io_error(path)(error),
    }
}
