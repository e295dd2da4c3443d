//! Large values of payloads: what the policy of the store makes of them.

use super::Writer;
use crate::attachment::{Attachment, NewAttachment};
use crate::codec::Value;
use crate::error::{InputError, ReadError, StorageError};
use crate::execution::Execution;
use crate::json::Json;
use crate::large::{Fitted, LargeValues, MOVED, references};
use crate::limits::check_size;
use crate::text::Text;
use crate::time::Timestamp;

/// A value that leaves a payload, as an attachment.
pub(super) type Moved = (Attachment, Vec<u8>);

impl Writer<'_> {
    /// The largest payload that is looked at.
    pub(super) fn payload_limit(&self) -> usize {
        self.context.large_values.before(self.context.max_payload)
    }

    /// Makes the payload of a record that is to be written fit, and gives what leaves it. So many bytes are allowed, whatever the
    /// limit is now.
    pub(super) fn fit_payload(
        &self,
        execution: &mut Execution,
        allowed: usize,
        now: Timestamp,
    ) -> Result<Vec<Moved>, InputError> {
        let payload = std::mem::take(&mut execution.payload);
        let Fitted { payload, moved } = self.context.large_values.fit(payload)?;
        check_size("payload", payload.as_str().len(), self.context.max_payload.max(allowed))?;
        execution.payload = payload;
        let attach = |(key, text): (String, String)| {
            let new = NewAttachment::json(key, Json::from_stored(&text));
            Ok((new.build(now)?, new.value))
        };
        moved.into_iter().map(attach).collect()
    }

    /// The attachments that a payload does not refer to any more, or that what leaves it replaces; with their blobs.
    pub(super) fn stale(
        &self,
        number: u64,
        payload: &Json,
        moved: &[Moved],
    ) -> Result<Vec<(Text, Option<u64>)>, ReadError> {
        if !matches!(self.context.large_values, LargeValues::Attach(_)) {
            return Ok(Vec::new());
        }
        let known = references(payload);
        let mut stale = Vec::new();
        for row in self.tables.attachment_rows(number, MOVED)? {
            let (attachment, value) = match row {
                Ok(row) => row,
                Err(ReadError::Storage(error)) => return Err(error.into()),
                // It stays: whether it is referred to cannot be told.
                Err(_) => continue,
            };
            let replaced = moved.iter().any(|(new, _)| new.key == attachment.key);
            if replaced || !known.contains(attachment.key.as_str()) {
                let blob = match value {
                    Value::Blob(blob) => Some(blob),
                    Value::Inline(_) => None,
                };
                stale.push((attachment.key, blob));
            }
        }
        Ok(stale)
    }

    /// Puts what left a payload into its attachments, where those that are stale were.
    pub(super) fn put_moved(
        &mut self,
        number: u64,
        stale: Vec<(Text, Option<u64>)>,
        moved: Vec<Moved>,
    ) -> Result<(), StorageError> {
        for (key, blob) in stale {
            self.tables.remove_attachment(number, &key)?;
            if let Some(blob) = blob {
                self.remove_blob(blob)?;
            }
        }
        for (attachment, value) in moved {
            self.put_value(number, &attachment, value)?;
        }
        Ok(())
    }
}
