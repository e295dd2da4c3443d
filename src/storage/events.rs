//! The table `events`: number and sequence number to event.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{decode, pair};
use crate::model::error::{ReadError, StorageError};
use crate::model::events::{Event, NewEvent};
use crate::model::time::Timestamp;

impl<S: Source> Tables<S> {
    /// The events of one execution with sequence numbers in a range.
    pub(crate) fn event_rows(
        &self,
        number: u64,
        seqs: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Event, ReadError>> + use<'_, S>, StorageError> {
        let (low, high) = (pair(number, *seqs.start()), pair(number, *seqs.end()));
        self.range::<table::Events, _, _>(&low, &high, decode::<table::Events>)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_event(
        &mut self,
        number: u64,
        seq: u64,
        event: &NewEvent,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.put::<table::Events>(&pair(number, seq), (event, now))
    }
}
