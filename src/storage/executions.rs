//! The table `executions`: number to record, in the order of creation.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables, damaged};
use crate::format::schema::{Tag, table};
use crate::format::{EncodedHeader, PayloadPlace, Reason, Record, decode_record, encode_record, number_of};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::json::Json;
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::{PayloadVersion, RowId};

/// An execution as its row was found.
#[derive(Clone, Debug)]
pub(crate) struct StoredExecution {
    pub(crate) number: RowId,
    pub(crate) header: Box<Header>,
    pub(crate) payload_version: PayloadVersion,
    /// Its last change in the change log.
    pub(crate) last_change: u64,
    /// The payload, if the row itself holds it.
    pub(crate) payload: Option<Json>,
}

/// A record of a walk if it is wanted, and its number where that is known.
pub(crate) type Picked = (Option<RowId>, Result<Option<StoredExecution>, ReadError>);

/// A record as it is looked at before it is taken.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) number: RowId,
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
    key: &[u8; 8],
    value: &[u8],
    lifecycle: &Lifecycle,
    pick: Pick<'_>,
) -> Result<Option<StoredExecution>, Reason> {
    let (number, record) = (RowId(number_of(key)), decode_record(key, value, lifecycle)?);
    if !(pick.keep)(Seen { number, header: &record.header, last_change: record.last_change }) {
        return Ok(None);
    }
    Ok(Some(StoredExecution::of(number, record, pick.payload)))
}

/// Every record is wanted, whole: without the steps between, each of which would copy the record.
fn decode_whole(key: &[u8; 8], value: &[u8], lifecycle: &Lifecycle) -> Result<StoredExecution, Reason> {
    match decode_record(key, value, lifecycle) {
        Ok(record) => Ok(StoredExecution::of(RowId(number_of(key)), record, true)),
        Err(reason) => Err(reason),
    }
}

impl StoredExecution {
    #[inline]
    fn of(number: RowId, record: Record<'_>, with_payload: bool) -> Self {
        let payload = match record.payload {
            PayloadPlace::Inline(text) if with_payload => Some(Json::from_stored(text)),
            PayloadPlace::Inline(_) | PayloadPlace::Apart => None,
        };
        let Record { header, payload_version, last_change, .. } = record;
        Self { number, header, payload_version, last_change, payload }
    }
}

impl<S: Source> Tables<S> {
    pub(crate) fn execution(
        &self,
        number: RowId,
        lifecycle: &Lifecycle,
    ) -> Result<Option<StoredExecution>, ReadError> {
        let key = number.to_be_bytes();
        self.look_up::<table::Executions, _>(&key, |value| decode_whole(&key, value, lifecycle))
    }

    /// A record: `Some(None)` if it is there and not wanted.
    pub(crate) fn execution_if(
        &self,
        number: RowId,
        lifecycle: &Lifecycle,
        pick: Pick<'_>,
    ) -> Result<Option<Option<StoredExecution>>, ReadError> {
        let key = number.to_be_bytes();
        self.look_up::<table::Executions, _>(&key, |value| decode_found(&key, value, lifecycle, pick))
    }

    /// The records of a range of numbers, with their numbers where they are known.
    pub(crate) fn execution_rows_if<'a, F: Fn(Seen<'_>) -> bool + 'a>(
        &'a self,
        numbers: RangeInclusive<RowId>,
        lifecycle: &'a Lifecycle,
        keep: F,
        payload: bool,
    ) -> Result<impl DoubleEndedIterator<Item = Picked> + use<'a, S, F>, StorageError> {
        let (low, high) = (numbers.start().to_be_bytes(), numbers.end().to_be_bytes());
        let row = move |key: &[u8; 8], value: &[u8]| {
            let found = decode_found(key, value, lifecycle, Pick { keep: &keep, payload });
            let found = found.map_err(|reason| damaged(Tag::Executions, key, reason));
            Ok((RowId(number_of(key)), found))
        };
        let rows = self.range::<table::Executions, _, _>(&low, &high, row)?;
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
        number: RowId,
        header: &EncodedHeader,
        versions: (PayloadVersion, u64),
        payload: PayloadPlace<'_>,
    ) -> Result<(), StorageError> {
        let key = number.to_be_bytes();
        self.put_with::<table::Executions>(&key, |out| encode_record(&key, header, versions, payload, out))
    }

    pub(crate) fn remove_execution(&mut self, number: RowId) -> Result<bool, StorageError> {
        self.remove::<table::Executions>(&number.to_be_bytes())
    }
}
