//! The check of conditions, those on what lies beside a record among them.

use sha2::{Digest, Sha256};

use super::Writer;
use crate::format::name_row;
use crate::format::schema::Tag;
use crate::model::attachments::Attachment;
use crate::model::error::{ReadError, WriteError};
use crate::model::execution::Header;
use crate::model::expect::{AttachmentIs, Condition, Expect, Mismatch, TaskIs};
use crate::model::row_id::RowId;
use crate::read::side_data::attachment_bytes;
use crate::read::{View, find};
use crate::storage::{StoredExecution, damaged};

/// # Conditions
impl Writer<'_> {
    /// Checks that an execution is as expected, and gives its header. Writes nothing.
    ///
    /// Nobody else writes while this transaction does, so what was checked holds for every operation after it: this is the condition of those that
    /// take none themselves. If it does not hold: [`WriteError::Conflict`], with what was expected and what was found.
    ///
    /// ```
    /// # use execstore::attachments::{AttachmentIs, NewAttachment};
    /// # use execstore::error::WriteError;
    /// # use execstore::{Error, Expect, NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// let first = |text: &'static str| {
    ///     store.write(|w| {
    ///         w.expect("e", &Expect::new().attachment("result", AttachmentIs::Absent))?;
    ///         Ok(w.put_attachment("e", NewAttachment::bytes("result", text))?)
    ///     })
    /// };
    /// first("one")?;
    /// assert!(matches!(first("two"), Err(Error::Write(WriteError::Conflict { .. }))));
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn expect(&self, id: impl AsRef<str>, expect: &Expect) -> Result<Header, WriteError> {
        Ok(*self.expected(id.as_ref(), expect)?.header)
    }

    /// The record of an id, which must exist and be as expected. A payload apart is not read.
    pub(super) fn expected(&self, id: &str, expect: &Expect) -> Result<StoredExecution, WriteError> {
        expect.check_names(&self.settings.lifecycle)?;
        let found = find(self, id)?.ok_or_else(|| WriteError::not_found(id))?;
        self.check(found.number, &found.header, expect)?;
        Ok(found)
    }

    /// Checks a record that was found.
    pub(crate) fn check(&self, number: RowId, header: &Header, expect: &Expect) -> Result<(), WriteError> {
        let mut mismatches = expect.check(header);
        for condition in expect.conditions() {
            mismatches.extend(self.fails(number, header, condition)?);
        }
        if mismatches.is_empty() { Ok(()) } else { Err(WriteError::conflict(expect, header, mismatches)) }
    }

    fn fails(
        &self,
        number: RowId,
        header: &Header,
        condition: &Condition,
    ) -> Result<Option<Mismatch>, ReadError> {
        Ok(match condition {
            Condition::Attachment(key, expected) => {
                let found = self.tables().attachment(number, key)?.map(|(attachment, _)| attachment);
                let (holds, sha256) = self.is_so(header, found.as_ref(), *expected)?;
                let (key, expected) = (key.clone(), *expected);
                (!holds).then_some(Mismatch::Attachment { key, expected, found, sha256 })
            }
            Condition::OutputLength(name, expected) => {
                let found = self.tables().output(number, name)?.map_or(0, |row| row.output.length);
                let (name, expected) = (name.clone(), *expected);
                (found != expected).then_some(Mismatch::OutputLength { name, expected, found })
            }
            Condition::Task(name, expected) => {
                let found = match self.tables().task_place(number, name)? {
                    Some(place) => self.tables().task(number, place)?,
                    None => None,
                };
                let holds = match (expected, &found) {
                    (TaskIs::Absent, found) => found.is_none(),
                    (TaskIs::Present, found) => found.is_some(),
                    (TaskIs::In(state), Some(task)) => task.state == *state,
                    (TaskIs::Attempt(attempt), Some(task)) => task.attempts == *attempt,
                    (_, None) => false,
                };
                (!holds).then(|| Mismatch::Task { name: name.clone(), expected: *expected, found })
            }
            _ => None,
        })
    }

    /// Whether an attachment is as expected, and the hash of its value if it was asked for.
    fn is_so(
        &self,
        header: &Header,
        found: Option<&Attachment>,
        expected: AttachmentIs,
    ) -> Result<(bool, Option<[u8; 32]>), ReadError> {
        let Some(found) = found else { return Ok((expected == AttachmentIs::Absent, None)) };
        Ok(match expected {
            AttachmentIs::Absent => (false, None),
            AttachmentIs::Present => (true, None),
            AttachmentIs::Size(size) => (found.size == size, None),
            AttachmentIs::Version(version) => (found.version == version, None),
            AttachmentIs::Sha256(expected) => {
                let number = RowId::of(header);
                let bytes = attachment_bytes(self, number, &found.key)?.ok_or_else(|| {
                    damaged(
                        Tag::Attachments,
                        &name_row(number, &found.key),
                        "a list has it, and a look-up does not",
                    )
                })?;
                let hash: [u8; 32] = Sha256::digest(bytes).into();
                (hash == expected, Some(hash))
            }
        })
    }
}
