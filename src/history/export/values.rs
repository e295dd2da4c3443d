//! Values of any size within a line, a piece at a time.

use std::io::{ErrorKind, Read};

use super::Lines;
use crate::model::error::{Error, ReadError};
use crate::model::json::base64::base64;
use crate::model::json::quoted;

/// How a value stands in its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `"base64"`: bytes (RFC 4648, with padding).
    Base64,
    /// `"text"`: UTF-8, as it is.
    Text,
}

/// A member that is a value. Ends as a whole text whatever happens; if the rest could not be read, the member `damaged`
/// behind it says why.
pub(super) struct Piece {
    encoding: Encoding,
    /// Bytes that the next ones belong to: the rest of three, or of a character.
    rest: Vec<u8>,
    damage: Option<String>,
}

impl Piece {
    /// How much is in memory at a time.
    pub(super) const MOST: usize = 48 * 1024;

    pub(super) fn begin(encoding: Encoding, lines: &mut Lines<'_>) -> Result<Self, Error> {
        lines.raw(match encoding {
            Encoding::Base64 => ",\"base64\":\"",
            Encoding::Text => ",\"text\":\"",
        })?;
        Ok(Self { encoding, rest: Vec::new(), damage: None })
    }

    pub(super) fn put(&mut self, bytes: &[u8], lines: &mut Lines<'_>) -> Result<(), Error> {
        self.rest.extend_from_slice(bytes);
        let whole = match self.encoding {
            Encoding::Base64 => self.rest.len() / 3 * 3,
            Encoding::Text => match std::str::from_utf8(&self.rest) {
                Ok(_) => self.rest.len(),
                Err(error) => error.valid_up_to(),
            },
        };
        let behind = self.rest.split_off(whole);
        self.write(lines)?;
        self.rest = behind;
        Ok(())
    }

    pub(super) fn copy(&mut self, from: &mut impl Read, lines: &mut Lines<'_>) -> Result<(), Error> {
        let mut buffer = vec![0; Self::MOST];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(many) => self.put(buffer.get(..many).unwrap_or_default(), lines)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.damaged(read_error(error)?, lines),
            }
        }
    }

    /// The rest could not be read. Anything but damage ends the export.
    pub(super) fn damaged(&mut self, error: ReadError, lines: &mut Lines<'_>) -> Result<(), Error> {
        self.damage = Some(error.to_string());
        if self.encoding == Encoding::Text {
            self.rest.clear();
        }
        lines.note(error)
    }

    pub(super) fn end(self, lines: &mut Lines<'_>) -> Result<(), Error> {
        self.write(lines)?;
        lines.raw("\"")?;
        match self.damage {
            Some(damage) => lines.raw(&format!(",\"damaged\":{}", quoted(&damage))),
            None => Ok(()),
        }
    }

    /// Writes what there is.
    fn write(&self, lines: &mut Lines<'_>) -> Result<(), Error> {
        match self.encoding {
            Encoding::Base64 => lines.raw(&base64(&self.rest)),
            Encoding::Text => {
                let text = quoted(&String::from_utf8_lossy(&self.rest));
                lines.raw(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default())
            }
        }
    }
}

fn read_error(error: std::io::Error) -> Result<ReadError, Error> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ReadError>()).cloned();
    inner.ok_or_else(|| Error::Caller(error.into()))
}
