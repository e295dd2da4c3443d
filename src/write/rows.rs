//! The rows of one execution: its record, its payload, its events.

use super::{Place, Writer};
use crate::format::{EncodedHeader, PayloadPlace};
use crate::model::error::{InputError, StorageError};
use crate::model::events::NewEvent;
use crate::model::execution::Execution;
use crate::model::json::Json;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::time::Timestamp;

/// Payloads up to this size are kept in the record. Measured: one look-up less for each read, and the
/// record's page is written anyway; above it, an update would write the payload again for nothing.
pub(crate) const INLINE_PAYLOAD: usize = 1024;

impl Writer<'_> {
    /// Writes the record, as the change to come leaves it.
    pub(super) fn put_record(
        &mut self,
        number: RowId,
        payload_version: PayloadVersion,
        (execution, header): (&Execution, &EncodedHeader),
        new_payload: bool,
    ) -> Result<(), StorageError> {
        let payload = execution.payload.as_str();
        let place = if payload.len() <= INLINE_PAYLOAD && execution.damage.is_none() {
            PayloadPlace::Inline(payload)
        } else {
            if new_payload {
                self.tables.put_payload(number, payload_version, &execution.payload)?;
            }
            PayloadPlace::Apart
        };
        let change = self.totals.head + 1;
        self.tables.put_execution(number, header, (payload_version, change), place)
    }

    /// A payload that its record is about to give up stays readable for the change log.
    pub(super) fn keep_for_log(&mut self, place: &Place, payload: &Json) -> Result<(), StorageError> {
        if place.inline {
            self.tables.put_payload(place.number, place.payload_version, payload)?;
        }
        Ok(())
    }

    pub(super) fn put_events(
        &mut self,
        number: RowId,
        before: u64,
        events: &[NewEvent],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        for (event, seq) in events.iter().zip(before + 1..) {
            self.tables.put_event(number, seq, event, now)?;
        }
        Ok(())
    }
}

pub(super) fn check_events(events: &[NewEvent]) -> Result<(), InputError> {
    events.iter().try_for_each(NewEvent::check)
}
