//! Large values of payloads: what the policy of the store makes of them.

use super::Writer;
use crate::attachment::{Attachment, NewAttachment};
use crate::codec::Value;
use crate::error::{InputError, StorageError};
use crate::execution::Execution;
use crate::json::Json;
use crate::large::{Fitted, LargeValues, MOVED, references};
use crate::limits::check_size;
use crate::tables::storage;
use crate::time::Timestamp;

/// A value that leaves a payload, as an attachment.
pub(super) type Moved = (Attachment, Vec<u8>);

impl Writer<'_> {
    /// The largest payload that is looked at.
    pub(super) fn payload_limit(&self) -> usize {
        self.context.large_values.before(self.context.max_payload)
    }

    /// Makes the payload of a record that is to be written fit, and gives what leaves it.
    pub(super) fn fit_payload(
        &self,
        execution: &mut Execution,
        now: Timestamp,
    ) -> Result<Vec<Moved>, InputError> {
        let payload = std::mem::take(&mut execution.payload);
        let Fitted { payload, moved } = self.context.large_values.fit(payload)?;
        check_size("payload", payload.as_str().len(), self.context.max_payload)?;
        execution.payload = payload;
        let attach = |(key, text): (String, String)| {
            let new = NewAttachment::json(key, Json::from_stored(&text));
            Ok((new.build(now)?, new.value))
        };
        moved.into_iter().map(attach).collect()
    }

    /// Puts what left a payload into its attachments, and deletes those that it does not refer to any more.
    pub(super) fn put_moved(
        &mut self,
        number: u64,
        payload: &Json,
        moved: Vec<Moved>,
    ) -> Result<(), StorageError> {
        if !matches!(self.context.large_values, LargeValues::Attach(_)) {
            return Ok(());
        }
        let mut stale = Vec::new();
        let known = references(payload);
        let rows = self.tables.attachment_rows(number, MOVED)?.collect::<Result<Vec<_>, _>>();
        for (attachment, value) in rows.map_err(storage)? {
            if moved.iter().any(|(new, _)| new.key == attachment.key) {
                stale.push((attachment, value));
            } else if !known.contains(attachment.key.as_str()) {
                self.tables.remove_attachment(number, &attachment.key)?;
                stale.push((attachment, value));
            }
        }
        for (_, value) in stale {
            if let Value::Blob(blob) = value {
                self.remove_blob(blob)?;
            }
        }
        for (attachment, value) in moved {
            self.put_value(number, &attachment, value)?;
        }
        Ok(())
    }
}
