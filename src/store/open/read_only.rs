//! Opening a store to read it: nothing is written to the file, whatever redb and the journal have to write.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use super::assemble::{Opened, assemble, journal_of};
use super::errors::{io_error, open_redb};
use super::{has_image, head_of, look, no_image};
use crate::engine::file::{Guarded, Image, Medium, Overlay};
use crate::engine::grounds::Grounds;
use crate::model::error::OpenError;
use crate::store::Store;
use crate::store::options::Options;

/// Opens a file to read it. `with_journal`: with what only the journal holds, else as the last checkpoint left it.
pub(crate) fn open_read_only(options: &Options, path: &Path, with_journal: bool) -> Result<Store, OpenError> {
    let (file, kind) = look(path, OpenOptions::new().read(true))?;
    let head = head_of(kind, path)?;
    let medium = Medium::file(file, false).map_err(io_error(path))?;
    let offset = head.map_or(0, |head| head.image);
    has_image(&medium, offset).map_err(|error| no_image(error, path))?;
    let storage = Overlay::new(Image::shared(medium.clone(), offset)).map_err(io_error(path))?;
    let shut = storage.to_shut();
    let db = open_redb(path, options.cache_size, Guarded::only_read(storage, shut.clone()))?;
    if options.needs_lock && !medium.is_locked() {
        return Err(OpenError::NoLocks { path: path.to_owned() });
    }
    let opened =
        Opened { db: Arc::new(db), medium: Some(medium.clone()), path: Some(path), head, room: None };
    let grounds = Grounds::new(None, Some(path.to_owned()), true);
    let store = assemble(options, opened, grounds, |meta| {
        Ok(head.filter(|_| with_journal).map(|head| journal_of(&medium, &head, meta, None)))
    })?;
    // What is there in memory is all that there will be: a commit of the caller's own, past the store, is an error and not lost in silence.
    shut.shut();
    Ok(store)
}
