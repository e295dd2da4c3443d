//! Large values of payloads: what the policy of the store makes of them.

use super::Writer;
use crate::format::schema::Tag;
use crate::format::{Value, name_of};
use crate::model::attachments::{Attachment, NewAttachment};
use crate::model::error::{InputError, ReadError, StorageError, WriteError};
use crate::model::execution::{Execution, PayloadEdit};
use crate::model::hash::unhex_all;
use crate::model::json::Json;
use crate::model::limits::{check_size, check_text};
use crate::model::payload_policy::{Fitted, Known, OFFLOADED, kept, may_have_moved};
use crate::model::row_id::{BlobId, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;
use crate::read::payload;
use crate::storage::{StoredExecution, damaged};

/// A value that leaves a payload, as an attachment.
type Leaving = (Attachment, Vec<u8>);

/// What an edit makes of a payload.
#[derive(Default)]
pub(super) struct NextPayload {
    /// The new payload; `None` if it stays as it is.
    pub(super) payload: Option<Json>,
    pub(super) values: MovedValues,
}

/// The attachments of values that a new payload moves, or no longer has.
#[derive(Default)]
pub(super) struct MovedValues {
    /// These go, with their blobs.
    stale: Vec<(Text, Option<BlobId>)>,
    moved: Vec<Leaving>,
}

impl NextPayload {
    pub(super) fn changes_nothing(&self) -> bool {
        self.payload.is_none()
    }
}

impl Writer<'_> {
    /// The largest payload that is looked at.
    pub(super) fn payload_limit(&self) -> usize {
        self.settings.large_values.before(self.settings.max_payload)
    }

    /// Makes the payload of a record that is to be created fit, and gives what leaves it.
    pub(super) fn first_payload(
        &self,
        execution: &mut Execution,
        now: Timestamp,
    ) -> Result<Vec<Leaving>, WriteError> {
        let payload = std::mem::take(&mut execution.payload);
        // Marks of other executions stand for nothing here.
        let fitted = self.settings.large_values.fit(payload, &Known::new(), &|key| Err(unknown(key)))?;
        check_size("payload", fitted.payload.as_str().len(), self.settings.max_payload)?;
        let moved = leaving(&fitted, now)?;
        execution.payload = fitted.payload;
        Ok(moved)
    }

    /// The next payload of a record, which is read only if there is an edit.
    pub(super) fn next_payload(
        &self,
        found: &StoredExecution,
        edit: Option<PayloadEdit>,
        now: Timestamp,
    ) -> Result<NextPayload, WriteError> {
        let Some(edit) = edit else { return Ok(NextPayload::default()) };
        // A damaged payload keeps nobody from replacing it.
        let before = match payload(self, found) {
            Ok(payload) => Ok(payload),
            Err(ReadError::Damaged(damage)) => Err(damage),
            Err(error) => return Err(error.into()),
        };
        // A lowered limit does not keep a payload from being patched, as long as it does not grow.
        let (given, allowed) = match &edit {
            PayloadEdit::Replace(payload) if before.as_ref() == Ok(payload) => {
                return Ok(NextPayload::default());
            }
            PayloadEdit::Replace(payload) => (payload, 0),
            PayloadEdit::Merge(patch) => (patch, before.as_ref().map_or(0, |before| before.as_str().len())),
        };
        check_text("payload", given)?;
        check_size("payload", given.as_str().len(), self.payload_limit().max(allowed))?;
        let number = found.number;
        let rows = match before.as_ref().is_ok_and(|before| !may_have_moved(before)) {
            true => Vec::new(),
            false => self.moved_rows(number)?,
        };
        let known: Known = rows.iter().map(|row| (row.key.clone(), row.look)).collect();
        let fetch = |key: &str| self.moved_value(number, key);
        let policy = self.settings.large_values;
        let fitted = match (edit, &before) {
            (PayloadEdit::Merge(_), Err(damage)) => return Err(WriteError::Damaged(damage.clone())),
            (PayloadEdit::Merge(patch), Ok(before)) => policy.fit_merged(before, &patch, &known, &fetch)?,
            (PayloadEdit::Replace(payload), _) => policy.fit(payload, &known, &fetch)?,
        };
        check_size("payload", fitted.payload.as_str().len(), self.settings.max_payload.max(allowed))?;
        let kept = if rows.is_empty() { Default::default() } else { kept(&fitted.payload, &known) };
        // What is damaged stays while its mark does.
        let goes =
            |row: &Row| !kept.contains(row.key.as_str()) || fitted.moved.contains_key(row.key.as_str());
        let stale = rows.into_iter().filter(goes).map(|row| (row.key, row.blob)).collect();
        let moved = leaving(&fitted, now)?;
        let payload = Some(fitted.payload).filter(|after| before.as_ref() != Ok(after));
        Ok(NextPayload { payload, values: MovedValues { stale, moved } })
    }

    /// The attachments that values were moved to, damaged rows too.
    fn moved_rows(&self, number: RowId) -> Result<Vec<Row>, ReadError> {
        let mut rows = Vec::new();
        for row in self.tables.attachment_rows(number, OFFLOADED)? {
            rows.push(match row {
                Ok((attachment, value)) => Row {
                    look: attachment.sha256.map(|hash| (attachment.size, hash)),
                    key: attachment.key,
                    blob: match value {
                        Value::Blob(blob) => Some(blob),
                        Value::Inline(_) => None,
                    },
                },
                Err(ReadError::Damaged(damage)) => {
                    let key = unhex_all(&damage.key).ok_or_else(|| damage.clone())?;
                    let (_, key) = name_of(&key).map_err(|_| damage)?;
                    Row { key, look: None, blob: None }
                }
                Err(error) => return Err(error),
            });
        }
        Ok(rows)
    }

    /// A value that was moved.
    fn moved_value(&self, number: RowId, key: &str) -> Result<String, ReadError> {
        let (attachment, value) = self.tables.attachment(number, key)?.ok_or_else(|| unknown(key))?;
        let bytes = match value {
            Value::Inline(bytes) => bytes,
            Value::Blob(blob) => {
                let mut bytes = Vec::new();
                self.tables.read_blob(blob, &mut bytes)?;
                bytes
            }
        };
        let wrong = || damaged(Tag::Attachments, key.as_bytes(), "it is not the value that was moved");
        if bytes.len() as u64 != attachment.size {
            return Err(wrong().into());
        }
        String::from_utf8(bytes).map_err(|_| wrong().into())
    }

    /// Puts what left a payload into its attachments, where those that are stale were.
    pub(super) fn put_moved(&mut self, number: RowId, values: MovedValues) -> Result<(), StorageError> {
        for (key, blob) in values.stale {
            self.tables.remove_attachment(number, &key)?;
            if let Some(blob) = blob {
                self.remove_blob(blob)?;
            }
        }
        for (mut attachment, value) in values.moved {
            self.put_value(number, &mut attachment, value)?;
        }
        Ok(())
    }
}

/// An attachment that a value was moved to.
struct Row {
    key: Text,
    /// Size and hash of the value; nothing if the row is damaged.
    look: Option<(u64, [u8; 32])>,
    blob: Option<BlobId>,
}

fn unknown(key: &str) -> ReadError {
    damaged(Tag::Attachments, key.as_bytes(), "the value that was moved is missing").into()
}

fn leaving(fitted: &Fitted, now: Timestamp) -> Result<Vec<Leaving>, InputError> {
    let attach = |(key, moved): (&String, &crate::model::payload_policy::Moved)| {
        let new = NewAttachment::json(key, Json::from_stored(&moved.value));
        let attachment = Attachment { sha256: Some(moved.sha256), ..new.build(now)? };
        Ok((attachment, new.value))
    };
    fitted.moved.iter().map(attach).collect()
}
