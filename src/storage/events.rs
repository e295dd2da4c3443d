//! The table `events`: number and sequence number to event.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed};
use crate::format::schema::{Pair, Tag};
use crate::format::{decode_event, encode_event, pair, pair_of};
use crate::model::error::{ReadError, StorageError};
use crate::model::events::{Event, NewEvent};
use crate::model::id::EventSeq;
use crate::model::time::Timestamp;

impl<S: Source> Tables<S> {
    /// The events of one execution with sequence numbers in a range.
    pub(crate) fn event_rows(
        &self,
        number: u64,
        seqs: RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Event, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (pair(number, *seqs.start()), pair(number, *seqs.end()));
        let table = self.slots.events.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 16]>(&start..=&end))?;
        Ok(Rows::<Pair, _>::new(range, Tag::Events, &start, Some(&end), |key, value| {
            let seq = EventSeq(pair_of(fixed(key)?).1);
            decode_event(Tag::Events as u8, key, seq, value)
                .map_err(|reason| damaged(Tag::Events, key, reason).into())
        }))
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
        self.put(Tag::Events, &pair(number, seq), |table, key, out| encode_event(table, key, event, now, out))
    }
}
