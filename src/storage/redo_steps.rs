//! The bytes of a row that is written or removed: what the journal keeps, and what a part of a transaction is taken back by.

use std::io;

use crate::format::schema::Tag;
use crate::format::{Reader, Reason, Writer};
use crate::model::error::StorageError;

/// A row that is written, with its value, or removed.
type Step<'a> = (Tag, &'a [u8], Option<&'a [u8]>);

pub(super) fn put_step(out: &mut Vec<u8>, tag: Tag, key: &[u8], value: Option<&[u8]>) {
    let mut step = Writer::append(out);
    step.byte(tag.byte());
    step.bytes(key);
    match value {
        Some(value) => {
            step.number(value.len() as u64 + 1);
            step.rest(value);
        }
        None => step.number(0),
    }
}

pub(super) fn read_step<'a>(r: &mut Reader<'a>) -> Result<Step<'a>, Reason> {
    let tag = Tag::from_byte(r.byte()?).ok_or("there is no such table")?;
    let key = r.bytes()?;
    let value = match r.number()? {
        0 => None,
        len => Some(r.raw(len - 1)?),
    };
    Ok((tag, key, value))
}

/// A journal's record has a checksum over it, so a bad one inside it is damage beyond a flipped bit.
pub(super) fn bad_redo() -> StorageError {
    let error = io::Error::new(io::ErrorKind::InvalidData, "a record cannot be decoded");
    StorageError::Journal(error.into())
}
