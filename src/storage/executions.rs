//! The table `executions`: number to record, in the order of creation.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, fixed, look_up};
use crate::format::schema::{Number, Tag};
use crate::format::{PayloadPlace, Record, decode_record, encode_record, number_of};
use crate::model::error::{Damage, ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::json::Json;
use crate::model::lifecycle::Lifecycle;

/// An execution as its row was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) number: u64,
    pub(crate) header: Box<Header>,
    pub(crate) payload_version: u64,
    /// Its last change in the change log.
    pub(crate) last_change: u64,
    /// The payload, if the row itself holds it.
    pub(crate) payload: Option<Json>,
}

/// A record of a walk if it is wanted, and its number where that is known.
pub(crate) type Picked = (Option<u64>, Result<Option<Found>, ReadError>);

/// A record as it is looked at before it is taken.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) number: u64,
    pub(crate) header: &'a Header,
    pub(crate) last_change: u64,
}

/// Which records are wanted, and whether with their payloads, which cost a copy.
#[derive(Clone, Copy)]
pub(crate) struct Pick<'a> {
    pub(crate) keep: &'a dyn Fn(Seen<'_>) -> bool,
    pub(crate) payload: bool,
}

/// `None` if it is not wanted.
fn decode_found(
    number: u64,
    value: &[u8],
    lifecycle: &Lifecycle,
    pick: Pick<'_>,
) -> Result<Option<Found>, Damage> {
    let key = number.to_be_bytes();
    let record = decode_record(Tag::Executions as u8, &key, value, lifecycle)
        .map_err(|reason| damaged(Tag::Executions, &key, reason))?;
    if !(pick.keep)(Seen { number, header: &record.header, last_change: record.last_change }) {
        return Ok(None);
    }
    Ok(Some(Found::of(number, record, pick.payload)))
}

/// Every record is wanted, whole: without the steps between, each of which would copy the record.
fn decode_whole(number: u64, value: &[u8], lifecycle: &Lifecycle) -> Result<Found, Damage> {
    let key = number.to_be_bytes();
    match decode_record(Tag::Executions as u8, &key, value, lifecycle) {
        Ok(record) => Ok(Found::of(number, record, true)),
        Err(reason) => Err(damaged(Tag::Executions, &key, reason)),
    }
}

impl Found {
    #[inline]
    fn of(number: u64, record: Record<'_>, with_payload: bool) -> Self {
        let payload = match record.payload {
            PayloadPlace::Inline(text) if with_payload => Some(Json::from_stored(text)),
            PayloadPlace::Inline(_) | PayloadPlace::Apart => None,
        };
        let Record { header, payload_version, last_change, .. } = record;
        Self { number, header, payload_version, last_change, payload }
    }
}

impl<S: Source> Tables<S> {
    pub(crate) fn execution(&self, number: u64, lifecycle: &Lifecycle) -> Result<Option<Found>, ReadError> {
        let table = self.slots.executions.get(&self.source)?;
        let found = look_up(table, &number.to_be_bytes(), |value| decode_whole(number, value, lifecycle))?;
        Ok(found.transpose()?)
    }

    /// A record: `Some(None)` if it is there and not wanted.
    pub(crate) fn execution_if(
        &self,
        number: u64,
        lifecycle: &Lifecycle,
        pick: Pick<'_>,
    ) -> Result<Option<Option<Found>>, ReadError> {
        let table = self.slots.executions.get(&self.source)?;
        let key = number.to_be_bytes();
        let found = look_up(table, &key, |value| decode_found(number, value, lifecycle, pick))?;
        Ok(found.transpose()?)
    }

    /// The records of a range of numbers, with their numbers where they are known.
    pub(crate) fn execution_rows_if<'a, F: Fn(Seen<'_>) -> bool + 'a>(
        &'a self,
        numbers: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
        keep: F,
        payload: bool,
    ) -> Result<impl DoubleEndedIterator<Item = Picked> + use<'a, S, F>, StorageError> {
        let (start, end) = (numbers.start().to_be_bytes(), numbers.end().to_be_bytes());
        let table = self.slots.executions.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8; 8]>(&start..=&end))?;
        let rows = Rows::<Number, _>::new(range, Tag::Executions, &start, Some(&end), move |key, value| {
            let number = number_of(fixed(key)?);
            Ok((number, decode_found(number, value, lifecycle, Pick { keep: &keep, payload })))
        });
        Ok(rows.map(|row| match row {
            Ok((number, found)) => (Some(number), found.map_err(ReadError::from)),
            Err(error) => (None, Err(error)),
        }))
    }
}

impl Tables<Live<'_>> {
    /// `versions`: of the payload, and the last change in the log.
    pub(crate) fn put_execution(
        &mut self,
        number: u64,
        header: &Header,
        versions: (u64, u64),
        payload: PayloadPlace<'_>,
    ) -> Result<(), StorageError> {
        self.put(Tag::Executions, &number.to_be_bytes(), |table, key, out| {
            encode_record(table, key, header, versions, payload, out);
        })
    }

    pub(crate) fn remove_execution(&mut self, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Executions, &number.to_be_bytes())
    }
}
