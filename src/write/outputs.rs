//! Output streams: bytes that are appended to an execution while it runs.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Writer;
use super::attachments::CHUNK;
use crate::format::{OutputRow, Removal};
use crate::model::error::{ReadError, StorageError, WriteError};
use crate::model::expect::Expect;
use crate::model::limits::check_name;
use crate::model::outputs::{Output, OutputCap};
use crate::model::part::part;
use crate::model::touch::Kind;
use crate::read::View;
use crate::read::side_data::{Chunk, read_output};

/// Bytes join the last chunk while that stays below this.
const JOINED: u64 = 4 * 1024;

/// What [`Writer::append_output_at`] came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Appended {
    /// The bytes were appended.
    New(Output),
    /// They were there already, from an append before.
    Repeated(Output),
}

impl Appended {
    /// `true` if the bytes were appended.
    pub fn is_new(&self) -> bool {
        matches!(self, Appended::New(_))
    }

    /// The stream as it is now.
    pub fn output(&self) -> &Output {
        match self {
            Appended::New(output) | Appended::Repeated(output) => output,
        }
    }
}

/// # Output streams
///
/// Append-only streams of bytes beside an execution, by name: `stdout`, `stderr`, a log. Appending writes the new bytes, and
/// leaves the record, its revision and the change log as they are. They are deleted with their execution.
impl Writer<'_> {
    /// Appends bytes to an output stream, which begins with the first call; that may be of no bytes.
    ///
    /// Costs the bytes, and up to 4 KiB of what was appended last. Through [`Store::batch`](crate::Store::batch) many
    /// appends share a commit.
    ///
    /// ```
    /// # use execstore::outputs::OutputCap;
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// store.cap_output("e", "stdout", OutputCap::Both { head: 4, tail: 4 })?;
    /// store.append_output("e", "stdout", b"first, middle, last")?;
    ///
    /// let r = store.begin_read()?;
    /// let first = r.outputs("e").read("stdout", 0, 4096)?.unwrap();
    /// let then = r.outputs("e").read("stdout", first.next(), 4096)?.unwrap();
    /// assert_eq!((first.bytes.as_slice(), then.dropped, then.bytes.as_slice()), (&b"firs"[..], 11, &b"last"[..]));
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn append_output(
        &mut self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Output, WriteError> {
        self.grow_output(id.as_ref(), name.as_ref(), bytes.as_ref(), None)
    }

    /// Appends bytes to an output stream if exactly so many were appended before, so that of two writers who go on from the same place one is refused,
    /// with [`WriteError::Conflict`]; it says how long the stream is.
    ///
    /// A repetition is recognised: if the bytes from this offset on are these already, all of them kept, nothing is written. Who does not
    /// know whether an append was done does it again. Costs reading as many bytes where the stream goes on behind the offset.
    pub fn append_output_at(
        &mut self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        offset: u64,
        bytes: impl AsRef<[u8]>,
    ) -> Result<Appended, WriteError> {
        let (id, name, bytes) = (id.as_ref(), name.as_ref(), bytes.as_ref());
        let number = self.existing(id)?;
        check_name("output name", name)?;
        if let Some(row) = self.tables.output(number, name)?
            && !bytes.is_empty()
            && row.output.length >= offset.saturating_add(bytes.len() as u64)
        {
            let known = read_output(self, &row, offset, bytes.len(), &mut Chunk::default());
            if known.is_ok_and(|known| known.offset == offset && known.bytes == bytes) {
                return Ok(Appended::Repeated(row.output));
            }
        }
        self.expect(id, &Expect::new().output_length(name, offset))?;
        self.grow_output(id, name, bytes, None).map(Appended::New)
    }

    /// Says how much of an output stream is kept, from now on; makes the stream if there is none of the name.
    ///
    /// What is beyond the cap is dropped at once, with what lies between it and bytes that were dropped before. What was dropped does
    /// not come back; a cap that has room for the whole stream drops nothing more.
    pub fn cap_output(
        &mut self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        cap: OutputCap,
    ) -> Result<Output, WriteError> {
        self.grow_output(id.as_ref(), name.as_ref(), &[], Some(cap))
    }

    /// Deletes an output stream; `false` if there was none of this name.
    pub fn delete_output(&mut self, id: impl AsRef<str>, name: impl AsRef<str>) -> Result<bool, WriteError> {
        let (number, name) = (self.existing(id.as_ref())?, name.as_ref());
        check_name("output name", name)?;
        let blob = match self.tables.output(number, name) {
            Ok(None) => return Ok(false),
            Ok(Some(row)) => Some(row.blob),
            // The row goes; its chunks stay behind, and `verify` tells of them.
            Err(ReadError::Damaged(_)) => None,
            Err(error) => return Err(error.into()),
        };
        self.storing(|w| {
            if let Some(blob) = blob {
                w.remove_blob(blob)?;
            }
            w.tables.remove_output(number, name)?;
            w.put_totals()
        })?;
        self.touched.add(Kind::Output, id.as_ref(), name);
        Ok(true)
    }

    fn grow_output(
        &mut self,
        id: &str,
        name: &str,
        bytes: &[u8],
        cap: Option<OutputCap>,
    ) -> Result<Output, WriteError> {
        let number = self.existing(id)?;
        check_name("output name", name)?;
        let now = self.settings.clock.now();
        let (mut row, is_new) = match self.tables.output(number, name)? {
            Some(row) => (row, false),
            None => {
                let output = Output::new(name.into(), now);
                (OutputRow { output, blob: self.next_blob(), last_start: 0, last_len: 0 }, true)
            }
        };
        let before = row.output.clone();
        let length = before.length.saturating_add(bytes.len() as u64);
        let mut after = before.grown(length, cap.unwrap_or(before.cap));
        if !is_new && after == before {
            return Ok(after);
        }
        if !bytes.is_empty() {
            after.modified_at = now.max(before.modified_at);
        }
        row.output = after.clone();
        let joined = self.joined_chunk(&row, before.length, bytes)?;
        if is_new || !bytes.is_empty() {
            self.needs_room()?;
        }
        self.storing(|w| {
            // Only what the cap keeps is written: a beginning and an end, or all of it.
            let new = before.length..length;
            for kept in [new.start..after.head_end.min(length), after.tail_start.max(new.start)..length] {
                if kept.start < kept.end {
                    let part = part_of(bytes, new.start, &kept);
                    w.append_bytes(&mut row, kept.start, part, joined.as_deref())?;
                }
            }
            if after.dropped() != before.dropped() {
                let dropped = after.head_end..after.tail_start;
                if dropped.start <= row.last_start && row.last_start + row.last_len <= dropped.end {
                    row.last_len = 0;
                }
                // Chunks of which nothing is kept.
                w.discard(Removal::Blob { blob: row.blob, start: dropped.start, end: dropped.end })?;
            }
            w.tables.put_output(number, &row)?;
            w.put_totals()
        })?;
        self.touched.add(Kind::Output, id, name);
        Ok(after)
    }

    /// The last chunk, if the bytes to be appended at this offset join it.
    fn joined_chunk(
        &self,
        row: &OutputRow,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, WriteError> {
        let follows = row.last_len > 0 && row.last_start + row.last_len == offset;
        if !follows || bytes.is_empty() || row.last_len + bytes.len() as u64 > JOINED {
            return Ok(None);
        }
        match self.tables().chunk(row.blob, row.last_start) {
            Ok(chunk) => Ok(chunk.filter(|chunk| chunk.len() as u64 == row.last_len)),
            // Reading it is an error; what comes after it goes into a chunk of its own.
            Err(ReadError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn append_bytes(
        &mut self,
        row: &mut OutputRow,
        offset: u64,
        bytes: &[u8],
        joined: Option<&[u8]>,
    ) -> Result<(), StorageError> {
        if let Some(chunk) = joined
            && row.last_start + row.last_len == offset
        {
            row.last_len += bytes.len() as u64;
            return self.tables.put_chunk(row.blob, row.last_start, [chunk, bytes]);
        }
        let mut offset = offset;
        for part in bytes.chunks(CHUNK) {
            self.tables.put_chunk(row.blob, offset, [part, &[]])?;
            (row.last_start, row.last_len) = (offset, part.len() as u64);
            offset += part.len() as u64;
        }
        Ok(())
    }
}

/// The bytes of a range of offsets, of those that begin at an offset.
fn part_of<'b>(bytes: &'b [u8], start: u64, range: &Range<u64>) -> &'b [u8] {
    // In memory, as the bytes are.
    let place = |offset: u64| (offset - start) as usize;
    part(bytes, place(range.start)..place(range.end))
}
