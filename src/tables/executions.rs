//! The table `executions`: number to record, in the order of creation.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, fixed, look_up, shield};
use crate::codec::{PayloadPlace, decode_record, encode_record, number_of};
use crate::error::{Damage, ReadError, StorageError};
use crate::execution::Header;
use crate::json::Json;
use crate::lifecycle::Lifecycle;
use crate::schema::{Number, Tag};

/// An execution as its row was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) number: u64,
    pub(crate) header: Header,
    pub(crate) payload_version: u64,
    /// The payload, if the row itself holds it.
    pub(crate) payload: Option<Json>,
}

fn decode_found(number: u64, value: &[u8], lifecycle: &Lifecycle) -> Result<Found, Damage> {
    let key = number.to_be_bytes();
    let record = decode_record(Tag::Executions as u8, &key, value, lifecycle)
        .map_err(|reason| damaged(Tag::Executions, &key, reason))?;
    let payload = match record.payload {
        PayloadPlace::Inline(text) => Some(Json::from_stored(text)),
        PayloadPlace::Apart => None,
    };
    Ok(Found { number, header: record.header, payload_version: record.payload_version, payload })
}

impl<S: Source> Tables<S> {
    pub(crate) fn execution(&self, number: u64, lifecycle: &Lifecycle) -> Result<Option<Found>, ReadError> {
        let table = self.executions.get(&self.source)?;
        let found = look_up(table, &number.to_be_bytes(), |value| decode_found(number, value, lifecycle))?;
        Ok(found.transpose()?)
    }

    /// The records of a range of numbers.
    pub(crate) fn execution_rows<'a>(
        &'a self,
        numbers: RangeInclusive<u64>,
        lifecycle: &'a Lifecycle,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Found, ReadError>> + use<'a, S>, StorageError> {
        let (start, end) = (numbers.start().to_be_bytes(), numbers.end().to_be_bytes());
        let table = self.executions.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 8]>(&start..=&end))?;
        Ok(Rows::<Number, _>::new(range, Tag::Executions, &start, Some(&end), |key, value| {
            Ok(decode_found(number_of(fixed(key)?), value, lifecycle)?)
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_execution(
        &mut self,
        number: u64,
        header: &Header,
        payload_version: u64,
        payload: PayloadPlace<'_>,
        lifecycle: &Lifecycle,
    ) -> Result<(), StorageError> {
        self.put(Tag::Executions, &number.to_be_bytes(), |table, key, out| {
            encode_record(table, key, header, payload_version, payload, lifecycle, out);
        })
    }

    pub(crate) fn remove_execution(&mut self, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Executions, &number.to_be_bytes())
    }
}
