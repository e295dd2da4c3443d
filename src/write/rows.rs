//! The rows of one execution: its record, its payload, its events.

use super::Writer;
use crate::format::{EncodedHeader, PayloadPlace};
use crate::model::error::{InputError, StorageError};
use crate::model::events::NewEvent;
use crate::model::json::Json;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::time::Timestamp;
use crate::storage::StoredExecution;

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
    pub(super) fn left(before: &'a StoredExecution) -> Self {
        before.payload.as_ref().map_or(Payload::Apart, Payload::Inline)
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
    pub(super) fn keep_for_log(&mut self, before: &StoredExecution) -> Result<(), StorageError> {
        match &before.payload {
            Some(payload) => self.tables.put_payload(before.number, before.payload_version, payload),
            None => Ok(()),
        }
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
    use crate::storage::counted;
    use crate::{Expect, Json, NewEvent, NewExecution, Query, Store, Update, Writer};

    /// How many rows are looked up for what is done with the execution of an id.
    fn looked_up(store: &Store, id: &str, act: fn(&mut Writer<'_>, &str)) -> u64 {
        let txn = store.begin_write().unwrap();
        let mut writer = txn.writer().unwrap();
        let (rows, ()) = counted::rows(|| act(&mut writer, id));
        drop(writer);
        txn.commit().unwrap();
        rows
    }

    fn of_size(store: &Store, id: &str, len: usize) {
        let payload = Json::from_text(&format!("\"{}\"", "x".repeat(len))).unwrap();
        store.create(NewExecution::new("j").id(id).state("Running").payload(payload)).unwrap();
    }

    #[test]
    fn no_operation_reads_a_large_payload_that_it_leaves() {
        let store = Store::in_memory().unwrap();
        of_size(&store, "small", 10);
        of_size(&store, "large", 100_000);
        let acts: [fn(&mut Writer<'_>, &str); 6] = [
            |w, id| assert_eq!(w.update(id, Update::new().message("m")).unwrap().revision.get(), 2),
            |w, id| assert_eq!(w.append_events(id, [NewEvent::new("t")]).unwrap().event_count, 1),
            |w, id| assert!(w.report(id, Update::new().message("n").attempt(1)).unwrap().is_applied()),
            |w, id| assert!(!w.report(id, Update::new().message("n").attempt(1)).unwrap().is_applied()),
            |w, id| assert_eq!(w.expect(id, &Expect::new().state("Running")).unwrap().revision.get(), 3),
            |w, id| assert_eq!(w.delete(id).unwrap().revision.get(), 3),
        ];
        for (at, act) in acts.into_iter().enumerate() {
            assert_eq!(looked_up(&store, "large", act), looked_up(&store, "small", act), "{at}");
            assert!(store.verify().unwrap().is_clean());
            let len = store.get("large").unwrap().map(|large| large.payload_json().as_str().len());
            assert_eq!(len, (at < 5).then_some(100_002));
        }
    }

    #[test]
    fn nor_does_a_bulk_operation() {
        let store = Store::in_memory().unwrap();
        for (label, len) in [("small", 10), ("large", 100_000)] {
            of_size(&store, label, len);
            store.update(label, Update::new().label("size", label)).unwrap();
        }
        let rows =
            |act: fn(&Store, &str)| ["small", "large"].map(|label| counted::rows(|| act(&store, label)).0);
        let [small, large] = rows(|store, label| {
            let query = Query::new().label("size", label);
            assert_eq!(store.bulk(query).update(Update::new().message("m")).unwrap().changed, 1);
        });
        assert_eq!(small, large);
        let [small, large] = rows(|store, label| {
            let query = Query::new().label("size", label);
            assert_eq!(store.bulk(query).delete().unwrap().changed, 1);
        });
        assert_eq!(small, large);
    }
}
