//! The read surface, the same for snapshots and for write transactions.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds, RangeInclusive};

use crate::change::{Change, ChangeKind};
use crate::codec::Totals;
use crate::context::Context;
use crate::error::{Damage, InputError, ReadError};
use crate::event::Event;
use crate::execution::{Execution, Header};
use crate::id::{ChangeSeq, EventSeq};
use crate::json::Json;
use crate::lifecycle::{Phase, State};
use crate::limits::MAX_PAGE;
use crate::page::{Cursor, Order, Page, PageRequest};
use crate::schema::Tag;
use crate::sequence::{Gapless, Merged, Numbered};
use crate::tables::{Found, Source, Tables, damaged};

/// A lazy list of rows, from either end.
///
/// A damaged row is an error in its own place and does not end the list; a storage error ends it.
pub struct List<'r, T>(Box<dyn DoubleEndedIterator<Item = Result<T, ReadError>> + 'r>);

impl<'r, T: 'r> List<'r, T> {
    fn new(rows: impl DoubleEndedIterator<Item = Result<T, ReadError>> + 'r) -> Self {
        Self(Box::new(rows))
    }

    fn empty() -> Self {
        Self::new(std::iter::empty())
    }
}

impl<T> Iterator for List<'_, T> {
    type Item = Result<T, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl<T> DoubleEndedIterator for List<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back()
    }
}

impl<T> std::fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}

impl Numbered for Event {
    fn number(&self) -> u64 {
        self.seq.0
    }
}

impl Numbered for Change {
    fn number(&self) -> u64 {
        self.seq.0
    }
}

/// What a transaction shows to its reads. The types are public in name only: none can be named outside.
pub(crate) mod sealed {
    use super::{Context, ReadError, Source, Tables, Totals};

    pub trait View {
        type Source: Source;

        fn tables(&self) -> &Tables<Self::Source>;

        fn context(&self) -> &Context;

        fn totals(&self) -> Result<Totals, ReadError> {
            self.tables().totals()
        }
    }
}

/// Reading, the same in a [`ReadTxn`](crate::ReadTxn), which sees one state of the store, and in a
/// [`Writer`](crate::Writer), which sees its transaction's own writes.
///
/// Lists are lazy. A damaged row is an error in its own place and does not end the list; a storage error
/// ends it. Reading a record costs two look-ups of a B-tree, a third if its payload has more than 1 KiB.
pub trait Readable: sealed::View {
    /// The execution of this id.
    fn get(&self, id: impl AsRef<str>) -> Result<Option<Execution>, ReadError> {
        let found = find(self, id.as_ref())?;
        found.map(|found| load(self, found)).transpose()
    }

    /// The executions of a job, oldest first; `rev()` gives the newest first. Empty for an unknown job.
    fn by_job(&self, job_id: impl AsRef<str>) -> Result<List<'_, Execution>, ReadError> {
        let job = job_id.as_ref().to_owned();
        let rows = self.tables().job_rows(&job)?;
        Ok(List::new(rows.map(move |number| {
            let found = indexed(self, number?, Tag::Jobs)?;
            if found.header.job_id != job.as_str() {
                let key = found.number.to_be_bytes();
                return Err(damaged(Tag::Jobs, &key, "the execution is of another job").into());
            }
            load(self, found)
        })))
    }

    /// The executions in one of these states, oldest first; `rev()` gives the newest first.
    fn by_state(
        &self,
        states: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<List<'_, Execution>, ReadError> {
        let mut codes = Vec::new();
        for state in states {
            let code = code_of(self, state.as_ref())?;
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        in_states(self, codes)
    }

    /// The executions in live states, oldest first: what a node looks after when it starts again.
    fn live(&self) -> Result<List<'_, Execution>, ReadError> {
        in_states(self, self.context().lifecycle.codes_in(Phase::Live))
    }

    /// How many executions are in a state. Constant time.
    fn count(&self, state: impl AsRef<str>) -> Result<u64, ReadError> {
        let code = code_of(self, state.as_ref())?;
        Ok(self.totals()?.count(code))
    }

    /// How many executions are in each state, states with none included, in the lifecycle's order. Constant
    /// time.
    fn counts(&self) -> Result<Vec<(State, u64)>, ReadError> {
        let totals = self.totals()?;
        Ok((0u8..)
            .zip(self.context().lifecycle.states())
            .map(|(c, s)| (s.clone(), totals.count(c)))
            .collect())
    }

    /// A page of executions in the order of creation. Its cost does not depend on its depth.
    fn page(&self, request: &PageRequest) -> Result<Page, ReadError> {
        read_page(self, request)
    }

    /// The events of an execution with sequence numbers in a range, in order; `rev()` gives the last first.
    /// Empty for an execution without events, and for an unknown one.
    fn events(
        &self,
        id: impl AsRef<str>,
        range: impl RangeBounds<EventSeq>,
    ) -> Result<List<'_, Event>, ReadError> {
        let seqs = inclusive(range.start_bound().map(|seq| seq.0), range.end_bound().map(|seq| seq.0));
        let number = self.tables().number(id.as_ref())?;
        let (Some(number), Some(seqs)) = (number, seqs) else {
            return Ok(List::empty());
        };
        let before_first = seqs.start() - 1;
        let rows = self.tables().event_rows(number, seqs)?;
        Ok(List::new(Gapless::new(rows, Tag::Events, Some(before_first), None)))
    }

    /// The entries of the change log with sequence numbers in a range, in order; `rev()` gives the last
    /// first. A range without a start begins at the oldest that is kept; one that starts before that is
    /// [`ReadError::Trimmed`].
    fn changes(&self, range: impl RangeBounds<ChangeSeq>) -> Result<List<'_, Change>, ReadError> {
        let seqs = inclusive(range.start_bound().map(|seq| seq.0), range.end_bound().map(|seq| seq.0));
        let Some(seqs) = seqs else {
            return Ok(List::empty());
        };
        let totals = self.totals()?;
        let oldest = totals.trimmed + 1;
        let start = match range.start_bound() {
            Bound::Unbounded => oldest,
            _ if *seqs.start() < oldest => {
                return Err(ReadError::Trimmed { requested: *seqs.start(), oldest });
            }
            _ => *seqs.start(),
        };
        let end = totals.head.min(*seqs.end());
        if start > end {
            return Ok(List::empty());
        }
        let rows = self.tables().change_rows(start..=end, &self.context().lifecycle)?;
        Ok(List::new(Gapless::new(rows, Tag::Changes, Some(start - 1), end.checked_add(1))))
    }

    /// The sequence number of the last change ever made; 0 before the first. Constant time.
    fn head(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.totals()?.head))
    }

    /// The oldest change that the log still has; one beyond the head if it has none. Constant time.
    fn oldest(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.totals()?.trimmed + 1))
    }

    /// The payload right after a change; `None` if the change deleted the execution.
    fn payload_after(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        if change.kind == ChangeKind::Deleted {
            return Ok(None);
        }
        payload_version(self, change.number, change.payload_version).map(Some)
    }

    /// The payload right before a change; `None` if the change created the execution.
    fn payload_before(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        if change.kind == ChangeKind::Created {
            return Ok(None);
        }
        payload_version(self, change.number, change.payload_version_before()).map(Some)
    }

    /// The execution right after a change, payload included; `None` if the change deleted it.
    fn execution_after(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_after(change)?;
        Ok(join(change.after().cloned(), payload))
    }

    /// The execution right before a change, payload included; `None` if the change created it.
    fn execution_before(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_before(change)?;
        Ok(join(change.before(), payload))
    }

    /// The position saved under this name.
    fn checkpoint(&self, name: impl AsRef<str>) -> Result<Option<ChangeSeq>, ReadError> {
        self.tables().checkpoint(name.as_ref())
    }

    /// Every checkpoint. An error if one of them is damaged.
    fn checkpoints(&self) -> Result<BTreeMap<String, ChangeSeq>, ReadError> {
        self.tables().checkpoint_rows()?.collect()
    }
}

impl<V: sealed::View> Readable for V {}

/// The record of an id, checked to be of that id.
pub(crate) fn find<V: sealed::View + ?Sized>(view: &V, id: &str) -> Result<Option<Found>, ReadError> {
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
pub(crate) fn load<V: sealed::View + ?Sized>(view: &V, found: Found) -> Result<Execution, ReadError> {
    let payload = match found.payload {
        Some(payload) => payload,
        None => stored_payload(view, found.number, found.payload_version)?,
    };
    Ok(Execution { header: found.header, payload })
}

fn stored_payload<V: sealed::View + ?Sized>(view: &V, number: u64, version: u64) -> Result<Json, ReadError> {
    view.tables().payload(number, version)?.ok_or_else(|| missing_payload(number, version).into())
}

fn missing_payload(number: u64, version: u64) -> Damage {
    damaged(Tag::Payloads, &crate::codec::pair(number, version), "the payload is missing")
}

/// A payload of any version: superseded and large ones are kept apart, the current one may be in its record.
fn payload_version<V: sealed::View + ?Sized>(view: &V, number: u64, version: u64) -> Result<Json, ReadError> {
    if let Some(payload) = view.tables().payload(number, version)? {
        return Ok(payload);
    }
    match view.tables().execution(number, &view.context().lifecycle)? {
        Some(Found { payload: Some(payload), payload_version, .. }) if payload_version == version => {
            Ok(payload)
        }
        _ => Err(missing_payload(number, version).into()),
    }
}

/// The record that a row of an index names.
fn indexed<V: sealed::View + ?Sized>(view: &V, number: u64, index: Tag) -> Result<Found, ReadError> {
    let found = view.tables().execution(number, &view.context().lifecycle)?;
    found.ok_or_else(|| damaged(index, &number.to_be_bytes(), "the execution of the row is missing").into())
}

fn code_of<V: sealed::View + ?Sized>(view: &V, state: &str) -> Result<u8, ReadError> {
    let code = view.context().lifecycle.code(state);
    code.ok_or_else(|| ReadError::UnknownState { state: state.to_owned() })
}

fn in_states<V: sealed::View + ?Sized>(view: &V, codes: Vec<u8>) -> Result<List<'_, Execution>, ReadError> {
    let lists = codes.iter().map(|code| view.tables().state_rows(*code)).collect::<Result<Vec<_>, _>>()?;
    Ok(List::new(Merged::new(lists).map(move |number| {
        let found = indexed(view, number?, Tag::States)?;
        let code = view.context().lifecycle.code(found.header.state.as_str());
        if !code.is_some_and(|code| codes.contains(&code)) {
            let key = found.number.to_be_bytes();
            return Err(damaged(Tag::States, &key, "the execution is in another state").into());
        }
        load(view, found)
    })))
}

fn read_page<V: sealed::View + ?Sized>(view: &V, request: &PageRequest) -> Result<Page, ReadError> {
    let PageRequest { order, limit, after } = request;
    if *limit == 0 {
        return Err(InputError::Invalid { what: "page limit", reason: "it is 0".into() }.into());
    }
    crate::limits::check_size("page limit", *limit, MAX_PAGE)?;
    let store = view.context().store_id as u64;
    let mut last = None;
    if let Some(cursor) = after {
        if cursor.store != store {
            return Err(ReadError::InvalidCursor { reason: "it is of another store" });
        }
        if cursor.order != *order {
            return Err(ReadError::InvalidCursor { reason: "it is of the other order" });
        }
        last = Some(cursor.number);
    }
    let lifecycle = &view.context().lifecycle;
    let mut page = Page::default();
    // One row more than asked for tells whether there is a next page.
    match (order, last) {
        (_, Some(u64::MAX)) | (Order::NewestFirst, Some(0)) => {}
        (Order::OldestFirst, last) => {
            let start = last.map_or(0, |last| last + 1);
            let rows = view.tables().execution_rows(start..=u64::MAX, lifecycle)?;
            fill(view, &mut page, rows, request)?;
        }
        (Order::NewestFirst, last) => {
            let end = last.map_or(u64::MAX, |last| last - 1);
            let rows = view.tables().execution_rows(0..=end, lifecycle)?;
            fill(view, &mut page, rows.rev(), request)?;
        }
    }
    Ok(page)
}

fn fill<V: sealed::View + ?Sized>(
    view: &V,
    page: &mut Page,
    rows: impl Iterator<Item = Result<Found, ReadError>>,
    request: &PageRequest,
) -> Result<(), ReadError> {
    let mut last = None;
    for row in rows {
        if page.executions.len() + page.damaged.len() == request.limit {
            page.next = last.map(|number| Cursor {
                store: view.context().store_id as u64,
                order: request.order,
                number,
            });
            return Ok(());
        }
        let number = row.as_ref().map(|found| found.number).ok();
        match row.and_then(|found| load(view, found)) {
            Ok(execution) => page.executions.push(execution),
            Err(ReadError::Damaged(damage)) => {
                // Only the key of the row is left to say where it was.
                let number = number.or_else(|| u64::from_str_radix(&damage.key, 16).ok());
                last = number.or(last);
                page.damaged.push(damage.into());
                continue;
            }
            Err(error) => return Err(error),
        }
        last = number.or(last);
    }
    Ok(())
}

fn join(header: Option<Header>, payload: Option<Json>) -> Option<Execution> {
    Some(Execution { header: header?, payload: payload? })
}

/// Sequence numbers begin at 1. `None` if the range has none.
fn inclusive(start: Bound<u64>, end: Bound<u64>) -> Option<RangeInclusive<u64>> {
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
