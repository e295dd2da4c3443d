//! The rows of one execution: its record, its payload, its events.

use super::{Place, Writer};
use crate::format::{EncodedHeader, PayloadPlace};
use crate::model::error::{InputError, StorageError};
use crate::model::events::NewEvent;
use crate::model::json::Json;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::time::Timestamp;

/// Payloads up to this size are kept in the record. Measured: one look-up less for each read, and the
/// record's page is written anyway; above it, an update would write the payload again for nothing.
pub(crate) const INLINE_PAYLOAD: usize = 1024;

/// The payload of a record that is written.
pub(super) enum Payload<'a> {
    New(&'a Json),
    /// That of the record before, which was in it.
    Inline(&'a Json),
    /// That of the record before, in a row of its own, which is not touched.
    Apart,
}

impl<'a> Payload<'a> {
    /// That of the record before.
    pub(super) fn left(place: &Place, payload: &'a Json) -> Self {
        if place.inline { Payload::Inline(payload) } else { Payload::Apart }
    }
}

impl Writer<'_> {
    /// Writes the record, as the change to come leaves it.
    pub(super) fn put_record(
        &mut self,
        number: RowId,
        payload_version: PayloadVersion,
        header: &EncodedHeader,
        payload: Payload<'_>,
    ) -> Result<(), StorageError> {
        let place = match payload {
            Payload::New(payload) if payload.as_str().len() > INLINE_PAYLOAD => {
                self.tables.put_payload(number, payload_version, payload)?;
                PayloadPlace::Apart
            }
            Payload::New(payload) | Payload::Inline(payload) => PayloadPlace::Inline(payload.as_str()),
            Payload::Apart => PayloadPlace::Apart,
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

#[cfg(test)]
mod tests {
    use crate::read::find;
    use crate::storage::{StoredExecution, counted};
    use crate::{Json, NewExecution, Store, Update, Writer};

    /// How many rows are looked up for what is done with the execution of an id.
    fn looked_up(store: &Store, id: &str, act: impl FnOnce(&mut Writer<'_>, StoredExecution)) -> u64 {
        let txn = store.begin_write().unwrap();
        let mut writer = txn.writer().unwrap();
        let found = find(&writer, id).unwrap().unwrap();
        let (rows, ()) = counted::rows(|| act(&mut writer, found));
        drop(writer);
        txn.commit().unwrap();
        rows
    }

    #[test]
    fn a_large_payload_that_is_left_is_not_read_where_nobody_is_given_it() {
        let store = Store::in_memory().unwrap();
        for (id, len) in [("small", 10), ("large", 100_000)] {
            let payload = Json::from_text(&format!("\"{}\"", "x".repeat(len))).unwrap();
            store.create(NewExecution::new("j").id(id).state("Running").payload(payload)).unwrap();
        }
        let update = |w: &mut Writer<'_>, found| w.update_found(found, Update::new().message("m")).unwrap();
        assert_eq!(looked_up(&store, "large", update), looked_up(&store, "small", update));
        assert!(store.verify().unwrap().is_clean());
        let payload = store.begin_read().unwrap();
        let payload = crate::Readable::get(&payload, "large").unwrap().unwrap().payload_json().as_str().len();
        assert_eq!(payload, 100_002);
        let delete = |w: &mut Writer<'_>, found| w.delete_found(found).unwrap();
        assert_eq!(looked_up(&store, "large", delete), looked_up(&store, "small", delete));
        assert!(store.verify().unwrap().is_clean());
    }
}
