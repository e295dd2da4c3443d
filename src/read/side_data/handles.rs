//! What an execution has besides its record: attachments, output streams, tasks.

use crate::model::attachments::Attachment;
use crate::model::error::ReadError;
use crate::model::outputs::{Output, OutputPart};
use crate::model::tasks::{Progress, Task};
use crate::model::text::Text;
use crate::read::{List, View};

/// The attachments of an execution: see [`Readable::attachments`](crate::Readable::attachments).
#[derive(Debug)]
pub struct Attachments<'r, R: ?Sized> {
    reader: &'r R,
    id: Text,
}

impl<'r, R: View + ?Sized> Attachments<'r, R> {
    pub(crate) fn new(reader: &'r R, id: &str) -> Self {
        Self { reader, id: id.into() }
    }

    /// All attachments, in the order of their keys.
    pub fn list(&self) -> Result<List<'r, Attachment>, ReadError> {
        self.with_prefix("")
    }

    /// The attachments whose keys begin with a prefix, in the order of their keys.
    pub fn with_prefix(&self, prefix: impl AsRef<str>) -> Result<List<'r, Attachment>, ReadError> {
        let Some(number) = self.reader.tables().number(&self.id)? else { return Ok(List::empty()) };
        let rows = self.reader.tables().attachment_rows(number, prefix.as_ref())?;
        Ok(List::new(rows.map(|row| Ok(row?.0))))
    }

    /// What is known of an attachment besides its value; `None` if there is none of this key, or no such execution.
    pub fn get(&self, key: impl AsRef<str>) -> Result<Option<Attachment>, ReadError> {
        let found = super::attachment(self.reader, &self.id, key.as_ref())?;
        Ok(found.map(|(attachment, _)| attachment))
    }

    /// The value of an attachment, whole, in memory. The value of a URI is its text.
    pub fn bytes(&self, key: impl AsRef<str>) -> Result<Option<Vec<u8>>, ReadError> {
        match self.reader.tables().number(&self.id)? {
            Some(number) => super::attachment_bytes(self.reader, number, key.as_ref()),
            None => Ok(None),
        }
    }

    /// The value of an attachment, to be read 64 KiB at a time, from any place.
    pub fn open(&self, key: impl AsRef<str>) -> Result<Option<super::AttachmentReader<'r>>, ReadError> {
        super::open_attachment(self.reader, &self.id, key.as_ref())
    }
}

/// The output streams of an execution: see [`Readable::outputs`](crate::Readable::outputs).
#[derive(Debug)]
pub struct Outputs<'r, R: ?Sized> {
    reader: &'r R,
    id: Text,
}

impl<'r, R: View + ?Sized> Outputs<'r, R> {
    pub(crate) fn new(reader: &'r R, id: &str) -> Self {
        Self { reader, id: id.into() }
    }

    /// All output streams, in the order of their names.
    pub fn list(&self) -> Result<List<'r, Output>, ReadError> {
        let Some(number) = self.reader.tables().number(&self.id)? else { return Ok(List::empty()) };
        let rows = self.reader.tables().output_rows(number)?;
        Ok(List::new(rows.map(|row| Ok(row?.output))))
    }

    /// An output stream: its length, and what is kept of it.
    pub fn get(&self, name: impl AsRef<str>) -> Result<Option<Output>, ReadError> {
        Ok(super::output(self.reader, &self.id, name.as_ref())?.map(|row| row.output))
    }

    /// Reads an output stream from an offset on, at most `most` bytes, and no further than a dropped part. An offset in a
    /// dropped part goes on behind it; one beyond the end is the end. `None` if there is no such stream.
    ///
    /// Fewer bytes come only before the end, or before a dropped part. Reading on at [`OutputPart::next`] gives every byte
    /// that is kept once; see [`Store::follow_output`](crate::Store::follow_output) to wait for more.
    pub fn read(
        &self,
        name: impl AsRef<str>,
        from: u64,
        most: usize,
    ) -> Result<Option<OutputPart>, ReadError> {
        let row = super::output(self.reader, &self.id, name.as_ref())?;
        row.map(|row| super::read_output(self.reader, &row, from, most, &mut super::Chunk::default()))
            .transpose()
    }
}

/// The tasks within an execution: see [`Readable::tasks`](crate::Readable::tasks).
#[derive(Debug)]
pub struct Tasks<'r, R: ?Sized> {
    reader: &'r R,
    id: Text,
}

impl<'r, R: View + ?Sized> Tasks<'r, R> {
    pub(crate) fn new(reader: &'r R, id: &str) -> Self {
        Self { reader, id: id.into() }
    }

    /// All tasks, in the order in which each was first heard of.
    pub fn list(&self) -> Result<List<'r, Task>, ReadError> {
        match self.reader.tables().number(&self.id)? {
            Some(number) => Ok(List::new(self.reader.tables().task_rows(number)?)),
            None => Ok(List::empty()),
        }
    }

    /// A task by its name.
    pub fn get(&self, name: impl AsRef<str>) -> Result<Option<Task>, ReadError> {
        let Some(number) = self.reader.tables().number(&self.id)? else { return Ok(None) };
        match self.reader.tables().task_place(number, name.as_ref())? {
            Some(place) => self.reader.tables().task(number, place),
            None => Ok(None),
        }
    }

    /// How many tasks are in each state. Two look-ups, however many tasks there are.
    pub fn progress(&self) -> Result<Progress, ReadError> {
        match self.reader.tables().number(&self.id)? {
            Some(number) => Ok(self.reader.tables().progress(number)?.unwrap_or_default()),
            None => Ok(Progress::default()),
        }
    }
}
