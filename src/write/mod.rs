//! What each operation does. The only place that changes several tables for one operation.
//!
//! Every operation checks everything before its first write, so a refused one leaves no trace. What can
//! still fail after that is the storage; then the transaction is marked as failed and will not be committed.

mod attachments;
mod bucket_log;
mod buckets;
mod bulk;
mod counted;
mod ending;
mod expect;
mod indexes;
mod links;
mod log;
mod mark;
mod offload;
mod outcomes;
mod outputs;
mod reports;
mod rows;
mod sweep;
mod tasks;
mod trim;
mod view;

use std::sync::Mutex;

use crate::format::{EncodedHeader, Removal, Totals};
use crate::model::attachments::NewAttachment;
use crate::model::change::ChangeKind;
use crate::model::entry::ExecutionEntry;
use crate::model::error::{InputError, ReadError, StorageError, WriteError, WriterError};
use crate::model::events::NewEvent;
use crate::model::execution::{Execution, Header, NewExecution, Update};
use crate::model::expect::Expect;
use crate::model::id::{ChangeSeq, Incarnation};
use crate::model::identity::IDENTITY_KEY;
use crate::model::row_id::{BucketId, PayloadVersion, RowId};
use crate::model::touch::Touched;
use crate::model::undo::Undo;
use crate::readable::Readable;
use crate::storage::settings::Settings;
use crate::storage::waits::{Hold, Posts};
use crate::storage::write_set::WriteSet;
use crate::storage::{Budget, Live, StoredExecution, Tables};
use counted::Counters;
use offload::NextPayload;
use rows::{Payload, check_events};

pub use buckets::BucketMut;
pub use outcomes::{CreateOutcome, Receipt};
pub use outputs::Appended;
pub(crate) use sweep::REMOVAL;

/// Writes to the store within one write transaction. Reads through it see its own writes.
///
/// Made by [`WriteTxn::writer`](crate::WriteTxn::writer), [`Store::join`](crate::Store::join), or passed to
/// the closure of [`Store::write`](crate::Store::write). A transaction has one writer at a time. Dropping
/// it keeps what was written: the transaction decides.
pub struct Writer<'t> {
    tables: Tables<Live<'t>>,
    settings: &'t Settings,
    totals: Totals,
    counters: Counters,
    first_change: u64,
    redo: Option<&'t Mutex<WriteSet>>,
    touched: Touched,
    /// The totals have changed since they were written.
    owes_totals: bool,
    /// Buckets in which others were marked as logged: see `bucket_log`.
    logged_within: Vec<BucketId>,
    /// Blobs that were numbered since the version was raised.
    blobs: u64,
    /// How much of what is deleted may go at once.
    at_once: Budget,
    /// For a joined writer.
    _joined: Option<Hold<'t>>,
}

impl<'t> Writer<'t> {
    pub(crate) fn new(
        mut tables: Tables<Live<'t>>,
        settings: &'t Settings,
        redo: Option<&'t Mutex<WriteSet>>,
    ) -> Result<Self, WriterError> {
        let totals = match first(&mut tables) {
            Ok(totals) => totals,
            Err(error) => {
                // What is pending is not this writer's alone.
                redo.into_iter().for_each(|redo| WriteSet::take_over(redo, &mut tables));
                return Err(error);
            }
        };
        tables.keep_sum(totals.seal.map(|seal| seal.sum));
        let listens = redo.map_or(0, |redo| WriteSet::begin(redo, totals.version, totals.head));
        let first_change = totals.head + 1;
        Ok(Self {
            tables,
            settings,
            totals,
            counters: Counters::default(),
            first_change,
            redo,
            touched: Touched::new(listens),
            owes_totals: false,
            logged_within: Vec::new(),
            blobs: 0,
            at_once: Budget::of(settings.removal),
            _joined: None,
        })
    }

    /// For a transaction of the caller's own.
    pub(crate) fn joined(mut self, posts: &'t Posts) -> Self {
        self._joined = Some(posts.joined.hold());
        posts.joined_last.note();
        self
    }

    /// Creates an execution, with its first [events](NewExecution::event). Returns the new record.
    pub fn create(&mut self, mut new: NewExecution) -> Result<Execution, WriteError> {
        let now = self.settings.clock.now();
        new.fit_texts(self.settings.long_texts);
        if new.known_id().is_none() {
            new = new.id(self.settings.ids.next(now));
        }
        let events = &*std::mem::take(&mut new.events);
        let identity = new.identity.clone().map(|document| NewAttachment::json(IDENTITY_KEY, document));
        let identity =
            identity.map(|new| new.build(now).map(|attachment| (attachment, new.value))).transpose()?;
        let mut execution = new.build(&self.settings.lifecycle, self.payload_limit(), now)?;
        let moved = self.first_payload(&mut execution, now)?;
        check_events(events)?;
        if self.tables.number(execution.id.as_str())?.is_some() {
            return Err(WriteError::AlreadyExists { id: execution.id.clone() });
        }
        let targets = self.check_links(&execution.header, None, [false; 2])?;
        let number = RowId(self.totals.last_number + 1);
        execution.header.event_count = events.len() as u64;
        execution.header.incarnation = Incarnation(number.0);
        self.doubt(&mut execution.header, now);
        self.needs_room()?;
        let encoded = EncodedHeader::of(&execution.header);

        self.storing(|w| {
            w.begin_number(number, now)?;
            w.tables.put_id(execution.id.as_str(), number)?;
            w.enter_indexes(&execution.header, number, targets)?;
            w.put_record(number, PayloadVersion::FIRST, &encoded, Payload::New(&execution.payload))?;
            w.put_events(number, 0, events, now)?;
            for (mut attachment, value) in identity.into_iter().chain(moved) {
                w.put_value(number, &mut attachment, value)?;
            }
            let entry = ExecutionEntry {
                kind: ChangeKind::Created,
                time: now,
                number,
                follows: 0,
                header: &execution.header,
                payload_version: PayloadVersion::FIRST,
                undo: &Undo::default(),
                new_events: events.len() as u64,
            };
            w.log_entry((&entry, &encoded), events, Some(&execution.payload))
        })?;
        Ok(execution)
    }

    /// Creates an execution, or gives the one of this id that there is already, as it is. Says which it was.
    ///
    /// Ids are those of the whole store. One of another job or in another namespace is not given: that is
    /// [`WriteError::OtherExecution`]. The rest of it may have been updated since it was created, and is not compared; the
    /// events of `new` are not appended to it.
    ///
    /// ```
    /// # use execstore::{NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// let message = || NewExecution::new("job-1").id("message-7");
    /// assert!(store.create_or_get(message())?.is_new());
    /// assert!(!store.create_or_get(message())?.is_new()); // delivered twice
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn create_or_get(&mut self, new: NewExecution) -> Result<CreateOutcome, WriteError> {
        if let Some(id) = new.known_id()
            && let Some(existing) = self.get(id)?
        {
            new.check_same(existing.header())?;
            return Ok(CreateOutcome::Existing(existing));
        }
        self.create(new).map(CreateOutcome::New)
    }

    /// Updates an execution, if it is as the update [expects](Update::expect), and appends the update's events. Returns the new
    /// header.
    ///
    /// Not the payload: one of more than 1 KiB is not read by an update that leaves it, however large it is, and one that is damaged
    /// keeps nobody from ending or replacing it. Whoever needs it has [`get`](Readable::get).
    pub fn update(&mut self, id: impl AsRef<str>, update: Update) -> Result<Header, WriteError> {
        let before = self.expected(id.as_ref(), &update.expect)?;
        self.update_found(before, update)
    }

    /// Updates an execution that was read in this transaction, whatever the update expects.
    pub(crate) fn update_found(
        &mut self,
        before: StoredExecution,
        mut update: Update,
    ) -> Result<Header, WriteError> {
        let now = self.settings.clock.now();
        update.fit_texts(self.settings.long_texts);
        let events = &*std::mem::take(&mut update.events);
        check_events(events)?;
        let edit = update.take_payload();
        let named = update.named_links();
        let number = before.number;
        let mut after = before.header.apply(update, &self.settings.lifecycle, now)?;
        let NextPayload { payload, values } = self.next_payload(&before, edit, now)?;
        after.event_count += events.len() as u64;
        let targets = self.check_links(&after, Some(&before.header), named)?;
        self.doubt(&mut after, now);
        let mut undo = Undo::between(&before.header, &after);
        let payload_version = match payload {
            Some(_) => before.payload_version.next(),
            None => before.payload_version,
        };
        self.needs_room()?;
        let encoded = EncodedHeader::of(&after);

        self.storing(|w| {
            w.move_indexes(&before.header, &after, number, targets)?;
            w.drop_last_change(&before)?;
            let written = match &payload {
                Some(payload) => {
                    undo.payload_version = Some(before.payload_version);
                    w.keep_for_log(&before)?;
                    Payload::New(payload)
                }
                None => Payload::left(&before),
            };
            w.put_record(number, payload_version, &encoded, written)?;
            w.put_events(number, before.header.event_count, events, now)?;
            w.put_moved(number, values)?;
            let entry = ExecutionEntry {
                kind: ChangeKind::Updated,
                time: now,
                number,
                follows: before.last_change,
                header: &after,
                payload_version,
                undo: &undo,
                new_events: events.len() as u64,
            };
            w.log_entry((&entry, &encoded), events, payload.as_ref())
        })?;
        Ok(after)
    }

    /// Appends events to an execution, terminal ones included. Sets the modified time and leaves the revision. At least one
    /// event. Returns the header as it is then, and does not read the payload, for which there is [`get`](Readable::get).
    ///
    /// ```
    /// # use execstore::{NewEvent, NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// store.append_events("e", [NewEvent::new("progress").message("half way")])?;
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn append_events(
        &mut self,
        id: impl AsRef<str>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Header, WriteError> {
        self.append_events_if(id, &Expect::new(), events)
    }

    /// [`append_events`](Self::append_events), if the execution is as expected.
    pub fn append_events_if(
        &mut self,
        id: impl AsRef<str>,
        expect: &Expect,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Header, WriteError> {
        self.append_all(id.as_ref(), expect, events.into_iter().collect())
    }

    fn append_all(
        &mut self,
        id: &str,
        expect: &Expect,
        mut events: Vec<NewEvent>,
    ) -> Result<Header, WriteError> {
        let now = self.settings.clock.now();
        NewEvent::fit_all(&mut events, self.settings.long_texts);
        let events = events.as_slice();
        let before = self.expected(id, expect)?;
        check_events(events)?;
        if events.is_empty() {
            return Err(InputError::Invalid { what: "events", reason: "there are none".into() }.into());
        }
        let (number, payload_version) = (before.number, before.payload_version);
        let mut after = Header::clone(&before.header);
        after.modified_at = now.max(after.modified_at);
        self.doubt(&mut after, now);
        after.event_count += events.len() as u64;
        let undo = Undo::between(&before.header, &after);
        self.needs_room()?;
        let encoded = EncodedHeader::of(&after);

        self.storing(|w| {
            w.drop_last_change(&before)?;
            w.put_record(number, payload_version, &encoded, Payload::left(&before))?;
            w.put_events(number, before.header.event_count, events, now)?;
            let entry = ExecutionEntry {
                kind: ChangeKind::EventsAppended,
                time: now,
                number,
                follows: before.last_change,
                header: &after,
                payload_version,
                undo: &undo,
                new_events: events.len() as u64,
            };
            w.log_entry((&entry, &encoded), events, None)
        })?;
        Ok(after)
    }

    /// Deletes an execution, with its events and everything beside it. Returns its last header; whoever wants the payload
    /// once more reads it with [`get`](Readable::get) in the same transaction.
    ///
    /// The change log keeps what it needs to show the execution as it was. Its events, attachments, output and tasks
    /// are not kept for the log: no reader finds them from the commit on. Up to about a thousand of their rows go at
    /// once; the rest goes afterwards, a few milliseconds at a time, see [`Store::maintain`](crate::Store::maintain). So this costs the
    /// same however much there is.
    pub fn delete(&mut self, id: impl AsRef<str>) -> Result<Header, WriteError> {
        self.delete_if(id, &Expect::new())
    }

    /// [`delete`](Self::delete), if the execution is as expected.
    pub fn delete_if(&mut self, id: impl AsRef<str>, expect: &Expect) -> Result<Header, WriteError> {
        let last = self.expected(id.as_ref(), expect)?;
        self.delete_found(last)
    }

    /// Deletes an execution that was read in this transaction.
    pub(crate) fn delete_found(&mut self, last: StoredExecution) -> Result<Header, WriteError> {
        let (number, payload_version) = (last.number, last.payload_version);
        let now = self.settings.clock.now();
        let mut header = Header::clone(&last.header);
        self.doubt(&mut header, now);
        let undo = Undo::between(&last.header, &header);
        let encoded = EncodedHeader::of(&header);
        self.storing(|w| {
            w.keep_for_log(&last)?;
            w.leave_indexes(&last.header, number)?;
            w.drop_last_change(&last)?;
            w.discard(Removal::Execution(number))?;
            w.tables.remove_execution(number)?;
            w.tables.remove_id(last.header.id.as_str())?;
            let entry = ExecutionEntry {
                kind: ChangeKind::Deleted,
                time: now,
                number,
                follows: last.last_change,
                header: &header,
                payload_version,
                undo: &undo,
                new_events: 0,
            };
            w.log_entry((&entry, &encoded), &[], None)
        })?;
        Ok(*last.header)
    }

    /// Ends the writing within a joined transaction, and says what to notify after the commit.
    pub fn finish(self) -> Receipt {
        Receipt {
            store_id: self.settings.store_id,
            first: self.first_change,
            head: ChangeSeq(self.totals.head),
        }
    }

    /// How many bytes were written so far; more after every write.
    pub(crate) fn written(&self) -> usize {
        self.tables.written()
    }

    /// How many rows were written or removed so far.
    pub(crate) fn rows_written(&self) -> u64 {
        self.tables.rows_written()
    }
}

/// What a writer begins with.
fn first(tables: &mut Tables<Live<'_>>) -> Result<Totals, WriterError> {
    tables.hold_totals().map_err(|error| in_use(error.into()))?;
    let totals = tables.totals().map_err(in_use)?;
    if totals.seal.is_some() {
        // The sum is over what was in the place of a row too, which redb gives back.
        tables.keep_nothing_pending()?;
        tables.hold_totals().map_err(|error| in_use(error.into()))?;
    }
    Ok(totals)
}

/// redb opens a table once at a time in a write transaction, so a second writer fails at its first table.
pub(crate) fn in_use(error: ReadError) -> WriterError {
    match error {
        ReadError::Storage(StorageError::Database(cause))
            if matches!(cause.downcast_ref(), Some(redb::Error::TableAlreadyOpen(..))) =>
        {
            WriterError::WriterInUse
        }
        ReadError::Damaged(damage) => damage.into(),
        other => other.of_own_row().into(),
    }
}
