//! The table `events`: number and sequence number to event.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode, place_row};
use crate::model::error::{ReadError, StorageError};
use crate::model::events::{Event, NewEvent};
use crate::model::row_id::RowId;
use crate::model::time::Timestamp;

impl<S: Source> Tables<S> {
    /// The events of one execution with sequence numbers in a range.
    pub(crate) fn event_rows(
        &self,
        number: RowId,
        seqs: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Event, ReadError>> + use<'_, S>, StorageError> {
        let (low, high) = (place_row(number, *seqs.start()), place_row(number, *seqs.end()));
        self.range::<table::Events, _, _>(&low, &high, decode::<table::Events>)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_event(
        &mut self,
        number: RowId,
        seq: u64,
        event: &NewEvent,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.put::<table::Events>(&place_row(number, seq), (event, now))
    }
}
