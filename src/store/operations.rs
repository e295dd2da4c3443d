//! The operations of a writer, each as a transaction of its own.

use super::Store;
use crate::model::error::{Error, ReadError};
use crate::model::events::NewEvent;
use crate::model::execution::{Execution, Header, NewExecution, Update};
use crate::model::expect::Expect;
use crate::model::id::ChangeSeq;
use crate::model::report::Reported;
use crate::model::visits::Visits;
use crate::readable::Readable;
use crate::txn::ReadTxn;
use crate::write::CreateOutcome;

/// Runs one operation through the group commit. A caller who is alone runs it once and on its own thread, with the values that it was
/// given; for one who has to queue they are copied, since the operation runs on another thread then, and again if another one of its
/// group fails. `lend` names those that the operation borrows, `hand` those that it takes.
macro_rules! operation {
    ($store:ident, |$w:ident| $call:expr $(, lend $($lent:ident)+)? $(, hand $($handed:ident)+)?) => {
        match $store.threads.batcher.alone(crate::group_commit::Admission::WAITS)? {
            Some(direct) => direct.commit(|$w| Ok($call?)),
            None => {
                $($(let $lent = $lent.to_owned();)+)?
                let again = move |$w: &mut crate::write::Writer<'_>| {
                    $($(let $lent = &$lent;)+)?
                    $($(let $handed = $handed.clone();)+)?
                    Ok($call?)
                };
                $store.threads.batcher.queue_up(again, crate::group_commit::Admission::WAITS)
            }
        }
    };
}
pub(super) use operation;

/// # Operations
///
/// Each operation of [`Writer`](crate::Writer) has the same form here: the same name, the same arguments, in a durable transaction of
/// its own. They go through the [group commit](#the-group-commit), so that callers on many threads share one commit; a caller who is alone
/// commits at once, and nothing that it gives is copied. What belongs together goes into one [`write`](Store::write).
impl Store {
    /// The record of an execution as it is now; `None` if there is none of the id. For more than one look use a
    /// [snapshot](Store::begin_read).
    ///
    /// ```
    /// # use execstore::{NewExecution, Store};
    /// # let store = Store::in_memory()?;
    /// let new = store.create(NewExecution::new("job-1"))?;
    /// assert_eq!(store.get(&new.id)?.unwrap(), new);
    /// assert_eq!(store.get("another")?, None);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn get(&self, id: impl AsRef<str>) -> Result<Option<Execution>, ReadError> {
        ReadTxn::new(self.engine.clone())?.get(id)
    }

    /// [`Writer::create`](crate::Writer::create) in a transaction of its own.
    pub fn create(&self, new: NewExecution) -> Result<Execution, Error> {
        operation!(self, |w| w.create(new), hand new)
    }

    /// [`Writer::create_or_get`](crate::Writer::create_or_get) in a transaction of its own.
    pub fn create_or_get(&self, new: NewExecution) -> Result<CreateOutcome, Error> {
        operation!(self, |w| w.create_or_get(new), hand new)
    }

    /// [`Writer::update`](crate::Writer::update) in a transaction of its own.
    pub fn update(&self, id: impl AsRef<str>, update: Update) -> Result<Header, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.update(id, update), lend id, hand update)
    }

    /// [`Writer::report`](crate::Writer::report) in a transaction of its own.
    pub fn report(&self, id: impl AsRef<str>, update: Update) -> Result<Reported<Header>, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.report(id, update), lend id, hand update)
    }

    /// [`Writer::append_events`](crate::Writer::append_events) in a transaction of its own.
    pub fn append_events(
        &self,
        id: impl AsRef<str>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Header, Error> {
        self.append_events_if(id, &Expect::new(), events)
    }

    /// [`Writer::append_events_if`](crate::Writer::append_events_if) in a transaction of its own.
    pub fn append_events_if(
        &self,
        id: impl AsRef<str>,
        expect: &Expect,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Header, Error> {
        let (id, events) = (id.as_ref(), events.into_iter().collect::<Vec<_>>());
        operation!(self, |w| w.append_events_if(id, expect, events), lend id expect, hand events)
    }

    /// [`Writer::delete`](crate::Writer::delete) in a transaction of its own.
    pub fn delete(&self, id: impl AsRef<str>) -> Result<Header, Error> {
        self.delete_if(id, &Expect::new())
    }

    /// [`Writer::delete_if`](crate::Writer::delete_if) in a transaction of its own.
    pub fn delete_if(&self, id: impl AsRef<str>, expect: &Expect) -> Result<Header, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.delete_if(id, expect), lend id expect)
    }

    /// [`Writer::expect`](crate::Writer::expect) in a transaction of its own, for which it waits its turn among the writers and which
    /// writes nothing. What held then may not hold any more when this returns: a condition of a write belongs to that write.
    pub fn expect(&self, id: impl AsRef<str>, expect: &Expect) -> Result<Header, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.expect(id, expect), lend id expect)
    }

    /// [`Writer::add_visits`](crate::Writer::add_visits) in a transaction of its own. For visits that come often see
    /// [`track_visits`](Store::track_visits).
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store, Timestamp};
    /// # use execstore::visits::Visits;
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e"))?;
    /// assert!(store.add_visits("e", Visits::new(3, Timestamp::now()))?);
    /// assert_eq!(store.begin_read()?.visits("e")?.unwrap().count, 3);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn add_visits(&self, id: impl AsRef<str>, more: Visits) -> Result<bool, Error> {
        let id = id.as_ref();
        operation!(self, |w| w.add_visits(id, more), lend id)
    }

    /// [`Writer::set_checkpoint`](crate::Writer::set_checkpoint) in a transaction of its own.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j"))?;
    /// let head = store.begin_read()?.log().head()?;
    /// store.set_checkpoint("relay", head)?;
    /// assert!(store.delete_checkpoint("relay")?);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn set_checkpoint(&self, name: impl AsRef<str>, seq: ChangeSeq) -> Result<(), Error> {
        let name = name.as_ref();
        operation!(self, |w| w.set_checkpoint(name, seq), lend name)
    }

    /// [`Writer::set_checkpoint_if`](crate::Writer::set_checkpoint_if) in a transaction of its own.
    pub fn set_checkpoint_if(
        &self,
        name: impl AsRef<str>,
        expected: Option<ChangeSeq>,
        seq: ChangeSeq,
    ) -> Result<(), Error> {
        let name = name.as_ref();
        operation!(self, |w| w.set_checkpoint_if(name, expected, seq), lend name)
    }

    /// [`Writer::delete_checkpoint`](crate::Writer::delete_checkpoint) in a transaction of its own.
    pub fn delete_checkpoint(&self, name: impl AsRef<str>) -> Result<bool, Error> {
        let name = name.as_ref();
        operation!(self, |w| w.delete_checkpoint(name), lend name)
    }

    /// [`Writer::delete_checkpoint_if`](crate::Writer::delete_checkpoint_if) in a transaction of its own.
    pub fn delete_checkpoint_if(&self, name: impl AsRef<str>, expected: ChangeSeq) -> Result<(), Error> {
        let name = name.as_ref();
        operation!(self, |w| w.delete_checkpoint_if(name, expected), lend name)
    }

    /// [`Writer::trim_changes`](crate::Writer::trim_changes) in a transaction of its own. A store that is to trim its log by itself has
    /// a [retention](crate::options::LogRetention).
    pub fn trim_changes(&self, up_to: ChangeSeq) -> Result<u64, Error> {
        operation!(self, |w| w.trim_changes(up_to))
    }
}
