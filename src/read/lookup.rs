//! Records, payloads and index rows, looked up and checked.

use std::ops::{Bound, RangeInclusive};

use super::list::List;
use super::view::View;
use crate::format::schema::Tag;
use crate::model::error::{Damage, InputError, ReadError};
use crate::model::events::Event;
use crate::model::execution::{Execution, Header};
use crate::model::json::Json;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::read::sequence::{Gapless, Merged};
use crate::storage::{StoredExecution, damaged};

/// The record of an id, checked to be of that id.
pub(crate) fn find<V: View + ?Sized>(view: &V, id: &str) -> Result<Option<StoredExecution>, ReadError> {
    let Some(number) = view.tables().number(id)? else {
        return Ok(None);
    };
    let found = indexed(view, number, Tag::Ids)?;
    if found.header.id != id {
        let key = number.to_be_bytes();
        return Err(damaged(Tag::Executions, &key, "the record is of another id").into());
    }
    Ok(Some(found))
}

/// A record with its payload.
pub(crate) fn load<V: View + ?Sized>(view: &V, mut found: StoredExecution) -> Result<Execution, ReadError> {
    let payload = match found.payload.take() {
        Some(payload) => payload,
        None => stored_payload(view, found.number, found.payload_version)?,
    };
    Ok(Execution { header: found.header, payload })
}

/// The payload of a record, from wherever it is.
pub(crate) fn payload<V: View + ?Sized>(view: &V, found: &StoredExecution) -> Result<Json, ReadError> {
    match &found.payload {
        Some(payload) => Ok(payload.clone()),
        None => stored_payload(view, found.number, found.payload_version),
    }
}

pub(crate) fn stored_payload<V: View + ?Sized>(
    view: &V,
    number: RowId,
    version: PayloadVersion,
) -> Result<Json, ReadError> {
    view.tables().payload(number, version)?.ok_or_else(|| missing_payload(number, version).into())
}

pub(crate) fn missing_payload(number: RowId, version: PayloadVersion) -> Damage {
    damaged(Tag::Payloads, &crate::format::payload_row(number, version), "the payload is missing")
}

/// A payload of any version: superseded and large ones are kept apart, the current one may be in its record.
pub(crate) fn payload_version<V: View + ?Sized>(
    view: &V,
    number: RowId,
    version: PayloadVersion,
) -> Result<Json, ReadError> {
    if let Some(payload) = view.tables().payload(number, version)? {
        return Ok(payload);
    }
    match view.tables().execution(number, &view.settings().lifecycle)? {
        Some(StoredExecution { payload: Some(payload), payload_version, .. })
            if payload_version == version =>
        {
            Ok(payload)
        }
        _ => Err(missing_payload(number, version).into()),
    }
}

/// The record that a row of an index names.
pub(crate) fn indexed<V: View + ?Sized>(
    view: &V,
    number: RowId,
    index: Tag,
) -> Result<StoredExecution, ReadError> {
    let found = view.tables().execution(number, &view.settings().lifecycle)?;
    found.ok_or_else(|| damaged(index, &number.to_be_bytes(), "the execution of the row is missing").into())
}

/// The events of an execution in a range, each the one after the one before.
pub(crate) fn event_rows<V: View + ?Sized>(
    view: &V,
    number: RowId,
    seqs: RangeInclusive<u64>,
) -> Result<List<'_, Event>, ReadError> {
    let before_first = seqs.start().saturating_sub(1);
    let rows = view.tables().event_rows(number, seqs)?;
    Ok(List::new(Gapless::new(rows, Tag::Events, Some(before_first), None)))
}

pub(crate) fn code_of<V: View + ?Sized>(view: &V, state: &str) -> Result<u8, ReadError> {
    let code = view.settings().lifecycle.code(state);
    code.ok_or_else(|| InputError::UnknownState { state: state.to_owned() }.into())
}

pub(crate) fn in_states<V: View + ?Sized>(
    view: &V,
    codes: Vec<u8>,
) -> Result<List<'_, Execution>, ReadError> {
    let lists = codes
        .iter()
        .map(|code| view.tables().state_rows(*code, &(RowId::ALL)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(List::new(Merged::new(lists).map(move |number| {
        let found = indexed(view, number?, Tag::States)?;
        if !codes.contains(&found.header.state.code()) {
            let key = found.number.to_be_bytes();
            return Err(damaged(Tag::States, &key, "the execution is in another state").into());
        }
        load(view, found)
    })))
}

pub(crate) fn join(header: Option<Header>, payload: Option<Json>) -> Option<Execution> {
    Some(Execution { header: Box::new(header?), payload: payload? })
}

/// Sequence numbers begin at 1. `None` if the range has none.
pub(crate) fn inclusive(start: Bound<u64>, end: Bound<u64>) -> Option<RangeInclusive<u64>> {
    let start = match start {
        Bound::Unbounded => 1,
        Bound::Included(start) => start.max(1),
        Bound::Excluded(before) => before.checked_add(1)?,
    };
    let end = match end {
        Bound::Unbounded => u64::MAX,
        Bound::Included(end) => end,
        Bound::Excluded(after) => after.checked_sub(1)?,
    };
    (start <= end).then_some(start..=end)
}
